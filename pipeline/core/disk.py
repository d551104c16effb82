"""Free space on a disk, checked before anything is written."""

import shutil
from pathlib import Path

from pipeline.core.errors import PipelineError


def existing_parent(folder: Path) -> Path:
    """`folder` if it exists, otherwise the nearest parent folder that exists."""
    folder = folder.absolute()
    while not folder.exists():
        folder = folder.parent
    return folder


def free_bytes(folder: Path) -> int:
    """Number of free bytes on the disk of `folder`; the folder need not exist yet."""
    return shutil.disk_usage(existing_parent(folder)).free


def require_free_space(folder: Path, needed: int, what: str) -> None:
    """Raise an error if the disk of `folder` has too little free space.

    Args:
        folder: where the data will be written; it need not exist yet.
        needed: number of bytes that will be written.
        what: name of the data in the error message.

    Raises:
        PipelineError: fewer than `needed` bytes are free.
    """
    free = free_bytes(folder)
    if free < needed:
        raise PipelineError(
            f"{folder}: {what} needs {needed / 1e9:,.2f} GB and {free / 1e9:,.2f} GB are free; free some space, or put "
            "the folder on another disk with a link"
        )
