"""Check the archives of a set and the disk before a run: `doctor`. No file is hashed, read completely or written."""

from pathlib import Path

import pydantic

from pipeline.acquire.archives.find_archive import check_shape, missing, published, removed_note, warn_of_link
from pipeline.acquire.archives.labelled_sets import require_files
from pipeline.acquire.config import AcquireConfig, BenchmarkConfig
from pipeline.core import params
from pipeline.core.disk import existing_parent, require_free_space
from pipeline.datasets.pictures.imagenet32 import has_batches
from pipeline.datasets.pictures.raw_folder import files_of
from pipeline.readers.compressed_tar import compression
from pipeline.readers.zipped_lmdb import unpacked_bytes

_PICTURE_BYTES = 10_000
"""Estimated bytes per encoded picture, for archives whose number of pictures is not published."""

_PICKLED_BYTES = 2_500
"""The same for pickles, which hold 3,072 bytes of pixels per picture and may be compressed."""

_DRAWN_BYTES = 100_000
"""Maximum bytes per synthetic picture in the synthetic archive, the raw folder and DVC's cache together."""


class _Side(params.Section):
    """The only value of `prepare.SET` that affects the needed disk space; `prepare` defines the full section."""

    model_config = pydantic.ConfigDict(extra="ignore")
    side: int = pydantic.Field(gt=0)


def check_archives(profile: Path, name: str, *, archives: Path, work: Path) -> None:
    """Fail, before anything is downloaded or unpacked, when a set's archive is missing or the disk is too small.

    Args:
        profile: parameter file.
        name: the set.
        archives: folder of the set's archives. work: a folder on the disk that will hold the raw folder and the image
            set.

    Raises:
        MissingInput: the archive does not exist. CorruptData: the archive is cut off or holds several LMDBs.
            ChecksumMismatch: the archive does not have the published length, and the profile demands the published
            archive.
        PipelineError: a disk has too little free space.
        BadParameters: the profile lacks the set, or relies on something that is not published.
    """
    section = params.load_section(profile, f"acquire.{name}", AcquireConfig)
    side = params.load_section(profile, f"prepare.{name}", _Side).side
    known = published(section)
    archive = archives / section.archive
    if section.source != "miniature" and archive.exists():
        check_shape(section, archive, known)
        warn_of_link(archive)
    fetched = unpacked = length = 0
    if section.source == "miniature":
        unpacked = section.count * _DRAWN_BYTES
    elif archive.is_file():
        length = archive.stat().st_size
        unpacked = (
            length if compression(archive) else unpacked_bytes(archive)
        )  # the length of a tar is not known before
    elif archive.is_dir():
        length = sum(file.bytes for file in files_of(archive))
    elif section.source == "upstream" and known and known.url:
        part = archive.with_name(f"{archive.name}.part")
        length = unpacked = known.bytes or 0
        fetched = length - (part.stat().st_size if part.exists() else 0)
    elif not archive.exists() and (section.keep_archive or not removed_note(archive).exists()):
        raise missing(archive, known)
    if section.source == "miniature":
        pictures = section.count
    else:
        each = _PICKLED_BYTES if has_batches(archive) else _PICTURE_BYTES
        pictures = known.entries if known and known.entries and known.bytes == length else length // each
    # Finished chunks and the shards made from them are both on the disk until the image set is published.
    written = unpacked + 2 * pictures * side * side * 3
    if existing_parent(archives).stat().st_dev == existing_parent(work).stat().st_dev:
        require_free_space(work, fetched + written, f"the set {name}")
    else:
        require_free_space(archives, fetched, f"the archive of {name}")
        require_free_space(work, written, f"the set {name}")


def check_benchmark(profile: Path, name: str, archives: Path) -> None:
    """Fail if a file of a benchmark is missing and will not be downloaded. Disk space is not checked: it needs little.

    Args:
        archives: folder of the benchmark's archives.

    Raises:
        MissingInput, BadParameters: as for `check_archives`.
    """
    section = params.load_section(profile, f"acquire.{name}", BenchmarkConfig)
    if section.source != "miniature":
        require_files(section, archives)
