"""Find a set's archive, fetch it where that is asked for, and compare it with what upstream publishes."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from pipeline.acquire.download.disk import Checksums, checksums
from pipeline.acquire.download.download import download
from pipeline.core import files, params, progress
from pipeline.core.errors import BadParameters, ChecksumMismatch, MissingInput
from pipeline.datasets.published import Published
from pipeline.datasets.raw_folder import PUBLISHED, Several, read_as
from pipeline.readers.base import Source


class AcquireConfig(params.Section):
    """Where a set's pictures come from.

    Attributes:
        source: `miniature` draws them, `archive` takes what lies in the archives folder, `upstream` fetches it first.
        archive: name of the file or folder in the archives folder.
        checksum: `upstream` demands upstream's length and digest, `any` only notes whether they are.
        keep_archive: whether an LSUN zip in the archives folder stays after it has been unpacked and verified.
        count: pictures to draw, for the miniature.
        planted_share: share of them that are near-duplicates planted on purpose.
    """

    source: Literal["miniature", "archive", "upstream"]
    archive: str = Field(pattern=r"^[^/\\.][^/\\]*$")
    checksum: Literal["any", "upstream"]
    keep_archive: bool
    count: int = Field(gt=0)
    planted_share: float = Field(ge=0, le=0.5)


def published(section: AcquireConfig) -> Published | None:
    """What upstream says of the section's archive; None where it has none of this name, or the miniature is drawn.

    Raises:
        BadParameters: the section relies on something that upstream does not publish.
    """
    if section.source == "miniature":
        return None
    known = PUBLISHED.get(section.archive)
    if section.source == "upstream" and known is None:
        raise BadParameters(f"archive: upstream has no {section.archive}; it has {', '.join(PUBLISHED)}")
    if section.checksum == "upstream" and (known is None or known.checksum is None):
        raise BadParameters(f"checksum: no checksum of {section.archive} is published; write `any`")
    return known


def find(section: AcquireConfig, archives: Path) -> Checksums:
    """Checksums of the section's archive, which is fetched first where `source` says so.

    Raises:
        MissingInput: it is not there.
        ChecksumMismatch: it is not upstream's, and the section demands that.
        BadParameters, DownloadFailed: see `published` and `download`.
    """
    known = published(section)
    archive = archives / section.archive
    demanded = section.checksum == "upstream"
    if not archive.exists():
        if section.source == "upstream" and known and known.url:
            return download(
                known.url,
                archive,
                length=known.bytes,
                sha256=known.sha256 if demanded else None,
                md5=known.md5 if demanded else None,
            )
        raise missing(archive, known)
    check_shape(section, archive, known)
    warn_of_link(archive)
    if archive.is_dir():
        found = read_as(archive)
        return checksums(found.file) if found.file else _folder_checksums(found.source)
    sums = checksums(archive)
    if section.checksum == "upstream" and known and not sums.match(known):
        raise ChecksumMismatch(
            f"{archive}: sha256 {sums.sha256}, md5 {sums.md5}; upstream's has {known.checksum}; fetch it again, or, if "
            "this one is meant, write checksum: any"
        )
    return sums


def check_shape(section: AcquireConfig, archive: Path, known: Published | None) -> None:
    """Where upstream's own archive is demanded, see at no cost whether this can be it.

    Raises:
        ChecksumMismatch: it is a folder, or of another length.
    """
    if section.checksum == "any" or known is None or (known.bytes is None and archive.is_file()):
        return
    found = "a folder" if archive.is_dir() else f"{archive.stat().st_size:,} bytes"
    if found != known.length:
        raise ChecksumMismatch(
            f"{archive}: {found}, upstream's archive has {known.length}; fetch it again, or, if this one is "
            "meant, write checksum: any"
        )


def warn_of_link(archive: Path) -> None:
    """Warn where the archive is a link to a folder: it is read, but `dvc repro` cannot tell when it changes."""
    if archive.is_symlink() and archive.is_dir():
        progress.warn(
            f"{archive}: DVC does not look through a linked folder: changes in it are not noticed; link the file, use "
            "a bind mount or a tar"
        )


def missing(archive: Path, known: Published | None) -> MissingInput:
    """The error for an archive that is not there: what belongs there, and what is there instead."""
    advice = "put it there, or change `archive`"
    if known:
        advice = f"put it there: {known.length}, {known.checksum or 'no checksum known'}, from {known.where}"
    if removed_note(archive).exists():
        advice = (
            "it was removed once unpacked (keep_archive: false), and its LMDB may still be in DVC's cache: `dvc "
            f"checkout`, else fetch the archive again: {advice}"
        )
    present = sorted(path.name for path in archive.parent.iterdir()) if archive.parent.is_dir() else []
    return MissingInput(f"{archive}: not there; {advice} (the folder holds {', '.join(present[:5]) or 'nothing'})")


def removed_note(archive: Path) -> Path:
    """The file that stands for a zip removed after unpacking, so that `doctor` does not ask for it."""
    return archive.with_name(f"{archive.name}.unpacked.json")


def _folder_checksums(source: Source) -> Checksums:
    """For several files, such as a folder of pictures: their total length, and SHA-256 of the list of (key, length).

    The list stands in for the contents, which are hashed one by one when the pictures are read anyway.
    """
    assert isinstance(source, Several), "all else is one file"
    listed = [(file.key, file.bytes) for file in source.files()]
    return Checksums(sum(length for _, length in listed), files.digest(listed), "")
