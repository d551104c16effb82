"""Free space on a disk, checked before anything is written."""

import shutil
from pathlib import Path

from pipeline.core.errors import PipelineError


def existing_parent(folder: Path) -> Path:
    """`folder`, or the nearest folder above it that exists."""
    folder = folder.absolute()
    while not folder.exists():
        folder = folder.parent
    return folder


def free_bytes(folder: Path) -> int:
    """Bytes free on the disk of `folder`, which need not exist yet."""
    return shutil.disk_usage(existing_parent(folder)).free


def require_free_space(folder: Path, needed: int, what: str) -> None:
    """Stop before the first byte is written when the disk of `folder` has too little free space.

    Args:
        needed: bytes about to be written.
        what: what they are, for the message.

    Raises:
        PipelineError: fewer bytes are free.
    """
    free = free_bytes(folder)
    if free < needed:
        raise PipelineError(
            f"{folder}: {what} needs {needed / 1e9:,.2f} GB and {free / 1e9:,.2f} GB are free; free some space, or put "
            "the folder on another disk with a link"
        )
