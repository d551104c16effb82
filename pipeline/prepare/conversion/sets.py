"""Shared by all prepare stages: make an image set of a source, given a function that converts one picture."""

from functools import partial
from importlib.metadata import version
from pathlib import Path

from pydantic import Field

from pipeline.core import files, params, progress
from pipeline.datasets.pictures import imagenet, imagenet32, lsun, photos
from pipeline.datasets.pictures.raw_folder import (
    PUBLISHED,
    DataSet,
    Description,
    count_pictures,
    files_of,
    locate,
    open_archive,
)
from pipeline.prepare.conversion.chunks import Convert, make_image_set
from pipeline.prepare.decode import MOST_PIXELS, source_digest
from pipeline.prepare.decode.heif import heif_version
from pipeline.readers.base import Entry, Source

_LIBRARIES = ("pillow", "simplejpeg", "opencv-python-headless", "numpy", "numba")
_ENTRIES = {"lsun": lsun.entries, "imagenet": imagenet.entries, "faces": photos.entries}


class PrepareConfig(params.Section):
    """What the sections `prepare.SET` have in common.

    Attributes:
        side: height and width of the set's pictures, in pixels.
        chunk_keys: source keys per chunk; an interrupted run resumes after its last finished chunks.
        max_bad: maximum share of unreadable source pictures (0..1).
        max_pixels: a source picture with more pixels is refused before it is decoded.
        keep_damaged: whether a damaged JPEG is decoded as far as possible; otherwise it is a bad picture.
    """

    side: int = Field(gt=0, le=1024)
    chunk_keys: int = Field(gt=0)
    max_bad: float = Field(ge=0, le=1)
    max_pixels: int = Field(gt=0, le=MOST_PIXELS)
    keep_damaged: bool


def make_set(
    data_set: DataSet,
    section: PrepareConfig,
    convert: Convert,
    *,
    code: str,
    source: Path,
    archives: Path | None,
    to: Path,
    workers: int,
) -> dict[str, int]:
    """Make the image set `to` of a source; see `chunks.make_image_set` for results and errors.

    Args:
        data_set: name of the data set, which determines the labels.
        section: all parameters that affect the result of `convert` or the size of chunks.
        convert: picklable; see `chunks.Convert`.
        code: digest of the code that affects the result of `convert`.
        source: an archive, a folder of pictures, or the raw folder that a download command made.
        archives: see `raw_folder.locate`.
    """
    path, beside, described = locate(source, archives)

    def open_entries(scratch: Path) -> tuple[Source, list[Entry]]:
        opened = open_archive(path, unpack_to=scratch / "unpacked")
        entries = _ENTRIES[data_set](opened.source, beside)
        count = count_pictures(source, entries)
        if opened.kind == "pickles":
            progress.warn(f"{path.name}: a substitute: {imagenet32.STAND_IN}")
        if described:
            _compare_count(described, count)
        return opened.source, entries

    return make_image_set(
        open_entries,
        convert,
        partial(source_digest, max_pixels=section.max_pixels),
        side=section.side,
        chunk_keys=section.chunk_keys,
        max_bad=section.max_bad,
        work_digest=_work_digest(data_set, section, path, described, code),
        to=to,
        workers=workers,
        keep_damaged=section.keep_damaged,
    )


def _work_digest(
    data_set: DataSet, section: PrepareConfig, path: Path, described: Description | None, code: str
) -> str:
    """Digest of everything that affects a chunk's bytes: source, parameters, code, and decoding libraries.

    Files are identified by name, length and time of last change: hashing ImageNet's 148 GB would take an hour.
    """
    return files.digest(
        {
            "code": code,
            "libraries": [version(name) for name in _LIBRARIES] + [heif_version()],
            "set": data_set,
            "source": described.sha256 if described else str(path.absolute()),
            "files": files_of(path),
            **section.model_dump(exclude={"max_bad"}),  # finished chunks stay valid if the limit is raised
        }
    )


def _compare_count(described: Description, found: int) -> None:
    """Warn if an archive with the published checksum does not have the published number of pictures."""
    known = PUBLISHED.get(described.archive)
    if described.upstream and known and known.entries and known.entries != found:
        progress.warn(f"{described.archive}: {found:,} pictures, but the published archive holds {known.entries:,}")
