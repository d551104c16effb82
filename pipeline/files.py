"""Writing files and folders so that nothing half-written ever stands under its final name."""

import contextlib
import fcntl
import glob
import hashlib
import io
import json
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import BadParameters, Busy, CorruptData, MissingInput

DESCRIPTIONS = (
    *(
        "source.json",
        "imageset.json",
        "autoencoder.json",
        "codes.json",
        "pairs.json",
        "recall.json",
        "export.json",
        "manifest.parquet",
        "metrics.json",
    ),
    *("model.json", "samples.json", "walk.json", "report.json"),
    "raw-images",
)
"""Files (and a folder, in the steps of `dedup`) that tell a folder which a command has made from somebody's own."""

PATIENCE_SECONDS = 60.0
"""How long a second process waits for the first one's lock before it gives up."""


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it to `path` when the block ends without an error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        _sync(temporary)
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
def held(path: Path) -> Iterator[Path]:
    """Hold a file that several edit: read it and write it anew within the block, while no other process or thread does.

    The lock is a hidden file beside `path`, not `path` itself, for each edit puts a new file in its place. After the
    block, what was written there is on the disk, the rename too.

    Yields:
        What a link leads to, for a link is to stay one.
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
    """Write an array as `.npy`, atomically. (`numpy.save` to a file hides why it failed, such as a full disk.)"""
    buffer = io.BytesIO()
    np.save(buffer, array)
    write_bytes(path, buffer.getvalue())


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON with sorted keys, atomically. NaN and infinity are refused (`ValueError`)."""
    write_text(path, json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n")


def link_or_copy(source: Path | str, to: Path | str) -> None:
    """Put a file under another name as well: a hard link, or a copy where the disk knows none."""
    try:
        os.link(source, to)
    except OSError:
        shutil.copyfile(source, to)


def read_json(path: Path) -> Any:
    """Read JSON.

    Raises:
        MissingInput: there is no such file.
        CorruptData: it is not JSON.
    """
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        raise MissingInput(f"{path}: no such file; run the command that makes it first") from None
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise CorruptData(f"{path}: not readable as JSON ({error}); make it again") from None


def read_table(path: Path, called: str, again: str, columns: Sequence[str] | None = None) -> pa.Table:
    """A parquet file of this project, or some columns of it.

    Args:
        path: of the file.
        called: what messages call it.
        again: how it is made again, for messages.
        columns: which; all without it.

    Raises:
        CorruptData: it is not readable, or not there.
    """
    try:
        return pq.read_table(path, columns=columns)
    except (pa.ArrowException, OSError) as error:
        reason = str(error).partition("\n")[0]
        raise CorruptData(f"{called}: not readable ({reason}); {again}") from None


def digest(value: Any) -> str:
    """SHA-256 (64 hex characters) of a JSON-like value, with paths and other objects taken as their text."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()


def sha256_file(path: Path) -> str:
    """SHA-256 of a file's bytes, as 64 hex characters."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def code_digest(*names: str) -> str:
    """SHA-256 of the code that decides some work's bytes, so that unfinished work is only resumed by the same code.

    Args:
        names: modules or packages below `pipeline`, such as `dcgan` or `loop.py`.
    """
    here = Path(__file__).parent
    paths = [path for name in names for path in sorted([here / name, *(here / name).rglob("*.py")]) if path.is_file()]
    return digest([[path.relative_to(here).as_posix(), sha256_file(path)] for path in paths])


@dataclass(frozen=True)
class Workspace:
    """A folder `.NAME.partial` beside the output NAME, held under an exclusive lock.

    Attributes:
        scratch: folder for finished chunks and checkpoints; kept when the work is interrupted.
        result: folder to fill with the output itself; empty at the start of every try.
    """

    output: Path
    folder: Path

    @property
    def scratch(self) -> Path:
        return self.folder / "scratch"

    @property
    def result(self) -> Path:
        return self.folder / "result"

    def publish(self) -> None:
        """Put `result` under the output's name, in one rename, and drop the rest."""
        for path in self.result.rglob("*"):
            if path.is_file():
                _sync(path)
        if self.output.exists():
            self.output.replace(self.folder / "replaced")
        self.result.replace(self.output)
        _drop(self.folder)


@contextlib.contextmanager
def workspace(output: Path, work_digest: str) -> Iterator[Workspace | None]:
    """Hold the working folder of `output` while the block runs.

    The same `work_digest` (parameters and inputs) resumes what an interrupted run left in `scratch`; another one starts
    over. Yields None when another process was at the very same work and has published it while this one waited.

    Raises:
        BadParameters: `output` is a file, or a folder with other things in it, which publishing would delete.
        Busy: another process has held the folder for more than a minute.
    """
    output = Path(os.path.abspath(output))  # noqa: PTH100  (no link is to be resolved; "." has no name)
    _refuse_to_replace_others(output)
    output.parent.mkdir(parents=True, exist_ok=True)
    folder = output.with_name(f".{output.name}.partial")
    lock, waited_for = _lock(folder)
    try:
        if waited_for == work_digest and output.exists() and not (folder / "digest").exists():
            _drop(folder)
            yield None
            return
        work = Workspace(output, folder)
        if not output.exists() and (folder / "replaced").exists():  # ended between the two renames of `publish`
            (folder / "replaced").replace(output)
        if _read_digest(folder) != work_digest:
            shutil.rmtree(work.scratch, ignore_errors=True)
        left_overs = output.parent.glob(f"{glob.escape(folder.name)}.*.tmp")
        for left_over in (work.result, folder / "replaced", *left_overs):
            shutil.rmtree(left_over, ignore_errors=True)
        work.scratch.mkdir(exist_ok=True)
        work.result.mkdir()
        write_text(folder / "digest", work_digest)
        yield work
    finally:
        os.close(lock)


def _refuse_to_replace_others(output: Path) -> None:
    if not output.exists():
        return
    if not output.is_dir():
        raise BadParameters(f"--to {output}: is a file; name a folder")
    names = {path.name for path in output.iterdir()}
    if names and not names & set(DESCRIPTIONS):
        raise BadParameters(
            f"--to {output}: holds things that no command of this project has made ({min(names)}); name a new folder"
        )


def _lock(folder: Path) -> tuple[int, str | None]:
    """Lock `folder`; also the digest of the work that was waited for, or None when nobody held it."""
    waited_for: str | None = None
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        folder.mkdir(exist_ok=True)
        try:
            lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o644)
        except FileNotFoundError:  # the holder has just published and dropped the folder
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(lock, 32, 0).decode().strip() or "unknown"
            os.close(lock)
            waited_for = _read_digest(folder) or waited_for
            if time.monotonic() > deadline:
                raise Busy(
                    f"{folder}: process {holder} has been working on it for over {PATIENCE_SECONDS:.0f} s; "
                    f"wait for it, or end it (kill {holder}) and run this again: finished work is kept"
                ) from None
            time.sleep(0.1)
            continue
        # The holder may have published, and so deleted the file that was waited for: then it is not the one in place.
        with contextlib.suppress(FileNotFoundError):
            if os.fstat(lock).st_ino == (folder / "lock").stat().st_ino:
                os.ftruncate(lock, 0)
                os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
                return lock, waited_for
        os.close(lock)


def _drop(folder: Path) -> None:
    """Delete a held folder. It is renamed first, so that a waiting process never finds it half gone."""
    trash = folder.with_name(f"{folder.name}.{os.getpid()}.tmp")
    folder.replace(trash)
    shutil.rmtree(trash, ignore_errors=True)  # the next holder may be sweeping it up as well


def _read_digest(folder: Path) -> str | None:
    try:
        return (folder / "digest").read_text()
    except FileNotFoundError:
        return None


def _sync(path: Path) -> None:
    """Bring a file to the disk before a rename makes it visible, so that a power cut cannot leave it empty."""
    with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
        os.fsync(file.fileno())
