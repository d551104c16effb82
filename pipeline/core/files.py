"""Read, digest and write files; a file gets its final name only when it is complete."""

import contextlib
import fcntl
import hashlib
import io
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.core.errors import CorruptData, MissingInput


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it to `path` when the block ends without an error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        sync(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_bytes(path: Path, data: bytes) -> None:
    """Write `data` to `path` atomically."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` as UTF-8 with plain newlines, atomically."""
    write_bytes(path, text.encode())


@contextlib.contextmanager
def locked_for_editing(path: Path) -> Iterator[Path]:
    """Lock a file that several processes or threads edit, so that only one at a time reads and replaces it.

    The lock is a hidden file beside `path`, because each edit replaces `path` itself. When the block ends, the new
    file and its name are flushed to the disk.

    Yields:
        The path to edit. If `path` is a link, this is the file that it points to, so that the link is kept.
    """
    path = path.resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_name(f".{path.name}.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield path
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def write_array(path: Path, array: npt.NDArray[Any]) -> None:
    """Write an array as `.npy`, atomically. `numpy.save` to a path hides errors such as a full disk."""
    buffer = io.BytesIO()
    np.save(buffer, array)
    write_bytes(path, buffer.getvalue())


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON with sorted keys, atomically. NaN and infinity raise `ValueError`."""
    write_text(path, json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n")


def link_or_copy(source: Path | str, to: Path | str) -> None:
    """Make a hard link `to` to the file `source`, or a copy if the file system has no hard links."""
    try:
        os.link(source, to)
    except OSError:
        shutil.copyfile(source, to)


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        MissingInput: there is no such file.
        CorruptData: the file is not JSON.
    """
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        raise MissingInput(f"{path}: no such file; run the command that makes it first") from None
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise CorruptData(f"{path}: not readable as JSON ({error}); make it again") from None


def read_table(path: Path, called: str, again: str, columns: Sequence[str] | None = None) -> pa.Table:
    """Read a parquet file of this project.

    Args:
        path: path of the file.
        called: name of the file in error messages.
        again: the next step in error messages, such as "run find-pairs again".
        columns: names of the columns to read; None for all.

    Raises:
        CorruptData: the file does not exist or is not readable.
    """
    try:
        return pq.read_table(path, columns=columns)
    except (pa.ArrowException, OSError) as error:
        reason = str(error).partition("\n")[0]
        raise CorruptData(f"{called}: not readable ({reason}); {again}") from None


def digest(value: Any) -> str:
    """SHA-256 (64 hex characters) of a JSON-like value; paths and other objects are converted to text."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()


def sha256_file(path: Path) -> str:
    """SHA-256 of a file's bytes, as 64 hex characters."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sync(path: Path) -> None:
    """Flush a file to the disk, so that a power cut after its rename cannot leave it empty."""
    with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
        os.fsync(file.fileno())
