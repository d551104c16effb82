"""Output folders: written under a temporary name, published by one rename, locked and resumable.

A published folder contains the file `MARK`. A later run replaces only folders that contain this mark.
"""

import contextlib
import fcntl
import glob
import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.core import files
from pipeline.core.code_dependencies import all_code_digest
from pipeline.core.errors import BadParameters, Busy, CorruptData, MissingInput

MARK = ".made-by-dcgan"
"""Name of a file in each published folder. A DVC stage that lists single output files lists this file too."""

_MARK_CONTENT = {"made_by": "dcgan-pipeline", "schema_version": 1}

PATIENCE_SECONDS = 60.0
"""How long a process waits for a lock that another process holds before it fails."""

_RECORD = ".finished"


@dataclass(frozen=True)
class Workspace:
    """The working folder `.NAME.partial` beside the output folder NAME, under an exclusive lock.

    Attributes:
        output: the folder NAME, where the result is published.
        folder: the working folder.
        digest: digest of the parameters, inputs and code of the work.
        scratch: folder for finished chunks and checkpoints; kept when the work is interrupted.
        result: folder for the content of the output; empty when the block starts.
        set_aside: where the scratch folder of interrupted work with another digest has been moved; None if there was
            none to keep.
    """

    output: Path
    folder: Path
    digest: str
    set_aside: Path | None = None

    @property
    def scratch(self) -> Path:
        return self.folder / "scratch"

    @property
    def result(self) -> Path:
        return self.folder / "result"

    def publish(self) -> None:
        """Write the mark to `result`, rename `result` to `output`, and delete the rest of the working folder.

        Within `resumable_steps`, also record that this step is finished.
        """
        record = _record(self.output)
        forget(self.output)  # first, because the record must never describe a different output
        write_mark(self.result)
        for path in self.result.rglob("*"):
            if path.is_file():
                files.sync(path)
        if self.output.exists():
            self.output.replace(self.folder / "replaced")
        self.result.replace(self.output)
        if record.parent.is_dir():
            files.write_text(record, _step_digest(self.digest))
        _delete(self.folder)


def write_mark(folder: Path) -> None:
    """Mark a folder as an output of this project, which later runs may replace. All marks have the same content."""
    files.write_json(folder / MARK, _MARK_CONTENT)


@contextlib.contextmanager
def workspace(output: Path, work_digest: str, *, precious: str | None = None) -> Iterator[Workspace | None]:
    """Hold the working folder of `output` while the block runs.

    If an interrupted run had the same `work_digest`, its files are still in `scratch`; otherwise `scratch` is empty.

    Args:
        output: the output folder.
        work_digest: digest of the parameters, inputs and code of the work, 64 hex characters.
        precious: name of a file in `scratch` that may have taken hours to make, such as a checkpoint. A scratch folder
            with this file is never deleted because the digest is another one, but set aside. A later run with the
            digest of that folder gets it back.

    Yields:
        The workspace, or None if this work is already published. That is so if another process published it while this
        one waited for the lock, or if `resumable_steps` recorded it as a finished step.

    Raises:
        BadParameters: `output` is a file, or an unmarked folder that is not empty; publishing would delete it.
        Busy: another process has held the lock for more than `PATIENCE_SECONDS`.
    """
    output = Path(os.path.abspath(output))  # noqa: PTH100  (links must stay unresolved, and "." needs a name)
    _refuse_unmarked(output)
    output.parent.mkdir(parents=True, exist_ok=True)
    folder = output.with_name(f".{output.name}.partial")
    lock, waited_for = _lock(folder)
    try:
        _delete_left_overs(folder)
        published_meanwhile = waited_for == work_digest and not (folder / "digest").exists()
        if output.exists() and (published_meanwhile or _is_finished_step(output, work_digest)):
            _delete(folder)
            yield None
            return
        earlier = _read(folder / "digest")
        other = earlier and earlier != work_digest and precious and (folder / "scratch" / precious).exists()
        set_aside = _set_aside(output, earlier) if earlier and other else None
        work = Workspace(output, folder, work_digest, set_aside)
        if not output.exists() and (folder / "replaced").exists():  # interrupted between the two renames of `publish`
            (folder / "replaced").replace(output)
        if earlier != work_digest:
            if set_aside:
                shutil.rmtree(set_aside, ignore_errors=True)
                work.scratch.replace(set_aside)
            shutil.rmtree(work.scratch, ignore_errors=True)
        for left_over in (work.result, folder / "replaced"):
            shutil.rmtree(left_over, ignore_errors=True)
        files.write_text(folder / "digest", work_digest)
        # After the digest is written, so that a scratch folder never lies beside another digest than its own.
        if not work.scratch.exists() and (kept := _set_aside(output, work_digest)).exists():
            kept.replace(work.scratch)
        work.scratch.mkdir(exist_ok=True)
        work.result.mkdir()
        yield work
    finally:
        os.close(lock)


@contextlib.contextmanager
def resumable_steps(folder: Path) -> Iterator[None]:
    """Record which outputs directly in `folder` are published, so that a later run of the block reuses them.

    A recorded output is reused if its work digest and all code are the same, whether the earlier run was interrupted or
    ended. The record is deleted after `MissingInput` and `CorruptData`, and if a file has vanished, because a recorded
    output may be what is missing or damaged.
    """
    record = folder / _RECORD
    record.mkdir(parents=True, exist_ok=True)
    write_mark(folder)
    try:
        yield
    except (CorruptData, MissingInput, FileNotFoundError):
        shutil.rmtree(record, ignore_errors=True)
        raise


def make_once(output: Path, inputs: Any, make: Callable[[], object]) -> None:
    """Call `make`, which publishes `output`, unless an earlier call with equal inputs and code did so.

    This is for steps within `resumable_steps` whose own work digest takes long to compute: it needs a slow import, or
    the digest of a large file.

    Args:
        output: the output folder.
        inputs: JSON-like value that identifies the inputs.
        make: publishes `output` with `workspace`.
    """
    noted, expected = _inputs_record(output), _step_digest(files.digest(inputs))
    if output.is_dir() and _record(output).exists() and _read(noted) == expected:
        _delete_left_overs(output.with_name(f".{output.name}.partial"))
        return
    make()
    if _record(output).exists():
        files.write_text(noted, expected)


def forget(output: Path) -> None:
    """Delete the records of an output, so that it is made again."""
    for noted in (_record(output), _inputs_record(output)):
        noted.unlink(missing_ok=True)


def take_over(output: Path, folder: Path) -> None:
    """Link or copy a published output, with its records, to another folder of `resumable_steps`."""
    shutil.rmtree(folder / output.name, ignore_errors=True)
    shutil.copytree(output, folder / output.name, copy_function=files.link_or_copy)
    for noted in (_record(output), _inputs_record(output)):
        if noted.exists():
            (folder / _RECORD).mkdir(exist_ok=True)
            shutil.copyfile(noted, folder / _RECORD / noted.name)


def _refuse_unmarked(output: Path) -> None:
    if not output.exists():
        return
    if not output.is_dir():
        raise BadParameters(f"--to {output}: is a file; give a folder")
    names = [path.name for path in output.iterdir() if path.name != ".gitignore"]  # DVC writes one beside listed files
    if names and MARK not in names:
        raise BadParameters(
            f"--to {output}: contains {min(names)} but not the mark of a folder made by this project ({MARK}); give a "
            "new folder. If version 0.1 made this folder, it has no mark; delete it first"
        )


def _set_aside(output: Path, work_digest: str) -> Path:
    """Where the scratch folder of interrupted work with this digest is kept."""
    return output.with_name(f".{output.name}.earlier-{work_digest[:12]}")


def _lock(folder: Path) -> tuple[int, str | None]:
    """Lock `folder`.

    Returns:
        Two values: the descriptor of the open lock file, and the work digest of the process that this one waited for;
        the digest is None if this process did not wait.
    """
    waited_for: str | None = None
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        folder.mkdir(exist_ok=True)
        try:
            lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o644)
        except FileNotFoundError:  # the process that held the lock has just published and deleted the folder
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(lock, 32, 0).decode().strip() or "unknown"
            os.close(lock)
            waited_for = _read(folder / "digest") or waited_for
            if time.monotonic() > deadline:
                raise Busy(
                    f"{folder}: process {holder} has locked it for over {PATIENCE_SECONDS:.0f} s; "
                    f"wait for it, or end it (kill {holder}) and run the command again; finished work is kept"
                ) from None
            time.sleep(0.1)
            continue
        # The process that held the lock may have published and deleted the locked file; then the path is a new file.
        with contextlib.suppress(FileNotFoundError):
            if os.fstat(lock).st_ino == (folder / "lock").stat().st_ino:
                os.ftruncate(lock, 0)
                os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
                return lock, waited_for
        os.close(lock)


def _delete(folder: Path) -> None:
    """Delete a locked folder. It is renamed first, so that a waiting process never finds a partly deleted folder."""
    trash = folder.with_name(f"{folder.name}.{os.getpid()}.tmp")
    folder.replace(trash)
    shutil.rmtree(trash, ignore_errors=True)  # the next process with the lock may also be deleting it


def _delete_left_overs(folder: Path) -> None:
    """Delete what an earlier process renamed, but did not live to delete."""
    for left_over in folder.parent.glob(f"{glob.escape(folder.name)}.*.tmp"):
        shutil.rmtree(left_over, ignore_errors=True)


def _record(output: Path) -> Path:
    return output.parent / _RECORD / output.name


def _inputs_record(output: Path) -> Path:
    return output.parent / _RECORD / f"{output.name}.inputs"


def _step_digest(work_digest: str) -> str:
    """The content of the record of a finished step: a digest of its work digest and of all code."""
    return files.digest([work_digest, all_code_digest()])


def _is_finished_step(output: Path, work_digest: str) -> bool:
    noted = _read(_record(output))
    return noted is not None and noted == _step_digest(work_digest)


def _read(path: Path) -> str | None:
    try:
        return path.read_text()
    except FileNotFoundError:
        return None
