"""Room on the disk, looked at before anything is written, and whole files read once for all their digests."""

import hashlib
import shutil
from dataclasses import dataclass
from pathlib import Path

from pipeline.core import progress
from pipeline.core.errors import PipelineError
from pipeline.datasets.published import Published

_BLOCK = 1 << 22


@dataclass(frozen=True)
class Checksums:
    """Length and digests of a file, read in one pass; `md5` is only what upstream happens to publish."""

    bytes: int
    sha256: str
    md5: str

    def match(self, published: Published) -> bool:
        """Whether this is upstream's file, as far as upstream lets anyone tell: by a digest, never by length alone."""
        if published.sha256:
            return self.sha256 == published.sha256
        return published.md5 is not None and self.md5 == published.md5


def checksums(path: Path) -> Checksums:
    """Read a file once and take its length, SHA-256 and MD5."""
    digests = [hashlib.sha256(), hashlib.md5(usedforsecurity=False)]
    length = path.stat().st_size
    with path.open("rb") as file, progress.bar(f"verifying {path.name}", length, "bytes") as advance:
        while block := file.read(_BLOCK):
            for digest in digests:
                digest.update(block)
            advance(len(block))
        return Checksums(file.tell(), *(digest.hexdigest() for digest in digests))


def existing_parent(folder: Path) -> Path:
    """`folder`, or the nearest folder above it that is there already."""
    folder = folder.absolute()
    while not folder.exists():
        folder = folder.parent
    return folder


def free_bytes(folder: Path) -> int:
    """Bytes free where `folder` is, or will be made."""
    return shutil.disk_usage(existing_parent(folder)).free


def require_room(folder: Path, needed: int, what: str) -> None:
    """Stop before the first byte is written when the disk of `folder` has no room.

    Args:
        needed: bytes about to be written.
        what: for the message, what they are.

    Raises:
        PipelineError: fewer bytes are free.
    """
    free = free_bytes(folder)
    if free < needed:
        raise PipelineError(
            f"{folder}: {what} needs {needed / 1e9:,.2f} GB and {free / 1e9:,.2f} GB are free; make room, or put the "
            "folder on another disk with a link"
        )
