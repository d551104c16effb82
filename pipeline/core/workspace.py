"""Making folders so that nothing half-made ever stands under its final name, and finished work is not lost."""

import contextlib
import fcntl
import glob
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pipeline.core import files
from pipeline.core.code_dependencies import all_code_digest
from pipeline.core.errors import BadParameters, Busy, CorruptData, MissingInput

DESCRIPTIONS = (
    *(
        "source.json",
        "drawn.json",
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

_RECORD = ".unfinished"


@dataclass(frozen=True)
class Workspace:
    """A folder `.NAME.partial` beside the output NAME, held under an exclusive lock.

    Attributes:
        output: NAME, where the result goes.
        folder: the working folder.
        digest: of the work, its parameters and inputs.
        scratch: folder for finished chunks and checkpoints; kept when the work is interrupted.
        result: folder to fill with the output itself; empty at the start of every try.
    """

    output: Path
    folder: Path
    digest: str

    @property
    def scratch(self) -> Path:
        return self.folder / "scratch"

    @property
    def result(self) -> Path:
        return self.folder / "result"

    def publish(self) -> None:
        """Put `result` under the output's name, in one rename, drop the rest, and note it if this is a step of more."""
        record = _record(self.output)
        record.unlink(missing_ok=True)  # first: what it says must never be said of another output
        for path in self.result.rglob("*"):
            if path.is_file():
                files.sync(path)
        if self.output.exists():
            self.output.replace(self.folder / "replaced")
        self.result.replace(self.output)
        if record.parent.is_dir():
            files.write_text(record, _mark(self.digest))
        _drop(self.folder)


@contextlib.contextmanager
def workspace(output: Path, work_digest: str) -> Iterator[Workspace | None]:
    """Hold the working folder of `output` while the block runs.

    The same `work_digest` (parameters and inputs) resumes what an interrupted run left in `scratch`; another one starts
    over. Yields None when the very same work is published already: by another process while this one waited, or as a
    step of what is `unfinished`.

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
        published_meanwhile = waited_for == work_digest and not (folder / "digest").exists()
        if output.exists() and (published_meanwhile or _is_finished_step(output, work_digest)):
            _drop(folder)
            yield None
            return
        work = Workspace(output, folder, work_digest)
        if not output.exists() and (folder / "replaced").exists():  # ended between the two renames of `publish`
            (folder / "replaced").replace(output)
        if _read(folder / "digest") != work_digest:
            shutil.rmtree(work.scratch, ignore_errors=True)
        left_overs = output.parent.glob(f"{glob.escape(folder.name)}.*.tmp")
        for left_over in (work.result, folder / "replaced", *left_overs):
            shutil.rmtree(left_over, ignore_errors=True)
        work.scratch.mkdir(exist_ok=True)
        work.result.mkdir()
        files.write_text(folder / "digest", work_digest)
        yield work
    finally:
        os.close(lock)


@contextlib.contextmanager
def resumable_steps(folder: Path) -> Iterator[None]:
    """Hold together work of several steps, each with an output right below `folder`, until the block ends.

    What a block published before it was interrupted (kill -9, Ctrl-C, a full disk) the next one takes over, if it is to
    do the same work with the same code. After a block that has ended, and after one that found something missing or
    damaged, which may be what was taken over, all is made anew.
    """
    record = folder / _RECORD
    record.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except (CorruptData, MissingInput):
        shutil.rmtree(record, ignore_errors=True)
        raise
    shutil.rmtree(record, ignore_errors=True)


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
            waited_for = _read(folder / "digest") or waited_for
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


def _record(output: Path) -> Path:
    return output.parent / _RECORD / output.name


def _mark(work_digest: str) -> str:
    """What is recorded of a step: the work, and all code, which is only digested where there is a record."""
    return files.digest([work_digest, all_code_digest()])


def _is_finished_step(output: Path, work_digest: str) -> bool:
    noted = _read(_record(output))
    return noted is not None and noted == _mark(work_digest)


def _read(path: Path) -> str | None:
    try:
        return path.read_text()
    except FileNotFoundError:
        return None
