"""Find the archive of a set, download it if the profile says so, and verify it against the published checksums."""

from pathlib import Path

from pipeline.acquire.config import AcquireConfig
from pipeline.acquire.download.checksums import Checksums, checksums
from pipeline.acquire.download.download import download
from pipeline.core import files, progress
from pipeline.core.errors import BadParameters, ChecksumMismatch, MissingInput
from pipeline.datasets.pictures.raw_folder import PUBLISHED, open_archive
from pipeline.datasets.published import Published


def published(section: AcquireConfig) -> Published | None:
    """What is published about the section's archive; None if it is synthetic or not a published one.

    Raises:
        BadParameters: the section relies on something that is not published.
    """
    if section.source == "miniature":
        return None
    known = PUBLISHED.get(section.archive)
    if section.source == "upstream" and known is None:
        raise BadParameters(f"archive: {section.archive} is not published; expected one of {', '.join(PUBLISHED)}")
    if section.checksum == "upstream" and (known is None or known.checksum is None):
        raise BadParameters(f"checksum: no checksum of {section.archive} is published; write `any`")
    return known


def fetch_and_verify(section: AcquireConfig, archives: Path) -> Checksums:
    """Verify the section's archive and return its checksums; download it first if needed and `source` allows that.

    Raises:
        MissingInput: the archive does not exist. ChecksumMismatch: the archive is not the published one, and the
            section demands that.
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
    sums = measure(archive)
    if demanded and known and archive.is_file() and not sums.match(known):
        raise ChecksumMismatch(
            f"{archive}: sha256 {sums.sha256}, md5 {sums.md5}; the published archive has {known.checksum}; "
            "download it again, or write checksum: any to accept this file"
        )
    return sums


def measure(archive: Path) -> Checksums:
    """Compute the checksums of an archive: of its file, or of the one file in a folder that holds all pictures.

    If there are several files, such as a folder of pictures, the SHA-256 is that of the list of (key, length). The
    contents are hashed later, one by one, when the pictures are prepared.

    Raises:
        MissingInput, CorruptData: see `raw_folder.open_archive`.
    """
    if archive.is_file():
        return checksums(archive)
    found = open_archive(archive)
    if found.file:
        return checksums(found.file)
    listed = [(file.key, file.bytes) for file in found.source.files()]
    return Checksums(sum(length for _, length in listed), files.digest(listed), "")


def check_shape(section: AcquireConfig, archive: Path, known: Published | None) -> None:
    """If the section demands the published archive, compare the length, without reading the file.

    Raises:
        ChecksumMismatch: the archive is a folder, or has another length.
    """
    if section.checksum == "any" or known is None or (known.bytes is None and archive.is_file()):
        return
    found = "a folder" if archive.is_dir() else f"{archive.stat().st_size:,} bytes"
    if found != known.length:
        raise ChecksumMismatch(
            f"{archive}: {found}, the published archive has {known.length}; download it again, or write "
            "checksum: any to accept this one"
        )


def warn_of_link(archive: Path) -> None:
    """Warn if the archive is a link to a folder: it can be read, but `dvc repro` does not notice when it changes."""
    if archive.is_symlink() and archive.is_dir():
        progress.warn(
            f"{archive}: DVC does not notice changes in a linked folder; link the file, use a bind mount or a tar"
        )


def missing(archive: Path, known: Published | None) -> MissingInput:
    """The error for a missing archive: what is expected, where to get it, and what the folder holds."""
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
    """The file that records a zip removed after unpacking, so that `doctor` does not ask for the zip."""
    return archive.with_name(f"{archive.name}.unpacked.json")
