"""Nothing half-written stands under its final name, and two processes never work on one output at once."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline import files
from pipeline.errors import BadParameters, Busy, CorruptData, MissingInput


def test_atomic_path_leaves_the_old_file_when_the_block_fails(tmp_path: Path) -> None:
    """A failure in the middle of writing keeps what was there, and leaves no temporary file."""
    target = tmp_path / "note.txt"
    files.write_text(target, "old")
    with pytest.raises(RuntimeError), files.atomic_path(target) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_json_is_sorted_and_refuses_nan(tmp_path: Path) -> None:
    """Metrics are the same bytes whatever the order of keys; NaN is no JSON."""
    files.write_json(tmp_path / "a.json", {"b": 1, "a": 2})
    files.write_json(tmp_path / "b.json", {"a": 2, "b": 1})
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    with pytest.raises(ValueError, match="JSON"):
        files.write_json(tmp_path / "c.json", float("nan"))


def test_read_json_says_what_is_wrong(tmp_path: Path) -> None:
    """A missing and a broken file each get their own error."""
    with pytest.raises(MissingInput, match=r"a\.json"):
        files.read_json(tmp_path / "a.json")
    (tmp_path / "a.json").write_text("{")
    with pytest.raises(CorruptData, match=r"a\.json"):
        files.read_json(tmp_path / "a.json")


def test_an_interrupted_workspace_keeps_scratch_for_the_same_work_only(tmp_path: Path) -> None:
    """The same digest resumes; another one starts over; results are never taken over half-made."""
    output = tmp_path / "out"
    with pytest.raises(RuntimeError), files.workspace(output, "first") as work:
        assert work
        (work.scratch / "chunk").write_text("done")
        (work.result / "half").write_text("half")
        raise RuntimeError
    assert not output.exists()
    with pytest.raises(RuntimeError), files.workspace(output, "first") as work:
        assert work
        assert (work.scratch / "chunk").exists()
        assert list(work.result.iterdir()) == []
        raise RuntimeError
    with files.workspace(output, "second") as work:
        assert work
        assert list(work.scratch.iterdir()) == []
        (work.result / "file").write_text("whole")
        work.publish()
    assert (output / "file").read_text() == "whole"
    assert list(tmp_path.iterdir()) == [output]


def test_what_was_replaced_comes_back_when_publishing_was_cut_off(tmp_path: Path) -> None:
    """Ended between its two renames, there is neither the old nor the new output: the next process has the old one."""
    output = tmp_path / "out"
    partial = tmp_path / ".out.partial"
    (partial / "replaced").mkdir(parents=True)
    files.write_json(partial / "replaced" / "source.json", "old")
    with files.workspace(output, "digest"):
        assert files.read_json(output / "source.json") == "old"


def test_publishing_replaces_an_older_output(tmp_path: Path) -> None:
    """A second run's folder takes the place of the first one's, whole."""
    output = tmp_path / "out"
    for name in ("old", "new"):
        with files.workspace(output, name) as work:
            assert work
            (work.result / name).write_text(name)
            (work.result / "model.json").write_text("{}")
            work.publish()
    assert sorted(path.name for path in output.iterdir()) == ["model.json", "new"]


@pytest.mark.parametrize("place", [".", "mine", "mine/note.txt"])
def test_somebody_s_own_folder_is_never_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    """A misdirected `--to` is refused before any work; an empty folder is taken."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "note.txt").write_text("precious")
    with pytest.raises(BadParameters, match="--to "), files.workspace(Path(place), "work"):
        pass
    assert (tmp_path / "mine" / "note.txt").read_text() == "precious"
    (tmp_path / "empty").mkdir()
    with files.workspace(Path("empty"), "work") as work:
        assert work
        work.publish()


HOLD = """
import sys, time
from pathlib import Path
from pipeline import files
with files.workspace(Path(sys.argv[1]), sys.argv[2]) as work:
    print("held", flush=True)
    time.sleep(float(sys.argv[3]))
    (work.result / "by").write_text("the first")
    work.publish()
"""


def hold(output: Path, work_digest: str, seconds: float) -> "subprocess.Popen[str]":
    """A process that holds the workspace for some time and then publishes."""
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(output), work_digest, str(seconds)], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    return holder


def test_a_second_process_takes_what_the_first_has_made(tmp_path: Path) -> None:
    """While one waits for the same work, the other finishes: nothing is done twice."""
    with hold(tmp_path / "out", "same", 0.7) as first, files.workspace(tmp_path / "out", "same") as work:
        assert work is None
        assert first.wait() == 0
    assert (tmp_path / "out" / "by").read_text() == "the first"


def test_a_second_process_with_other_work_starts_over(tmp_path: Path) -> None:
    """What was published meanwhile came from other parameters: it is not taken."""
    with hold(tmp_path / "out", "one", 0.7), files.workspace(tmp_path / "out", "another") as work:
        assert work is not None
        work.publish()
    assert list((tmp_path / "out").iterdir()) == []


def test_a_second_process_gives_up_and_names_the_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After its patience the error says whose process it is, and what to do."""
    monkeypatch.setattr(files, "PATIENCE_SECONDS", 0.3)
    with hold(tmp_path / "out", "same", 2.0) as first:
        with pytest.raises(Busy, match=f"process {first.pid} "), files.workspace(tmp_path / "out", "same"):
            pass
        first.kill()


def test_a_killed_holder_blocks_nobody(tmp_path: Path) -> None:
    """kill -9 releases the lock, and what was finished is there for the next."""
    with hold(tmp_path / "out", "same", 60) as first:
        (tmp_path / ".out.partial" / "scratch" / "chunk").write_text("done")
        first.send_signal(signal.SIGKILL)
        first.wait()
    start = time.monotonic()
    with files.workspace(tmp_path / "out", "same") as work:
        assert work
        assert (work.scratch / "chunk").read_text() == "done"
    assert time.monotonic() - start < 30


def _count_up(arguments: tuple[Path, Path]) -> None:
    output, counter = arguments
    with files.workspace(output, f"{os.getpid()}") as work:
        assert work
        value = int(counter.read_text())
        time.sleep(0.02)
        counter.write_text(str(value + 1))
        work.publish()


def test_many_processes_take_turns(tmp_path: Path) -> None:
    """The lock excludes: an unprotected read-then-write under it loses no count."""
    counter = tmp_path / "counter"
    counter.write_text("0")
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        pool.map(_count_up, [(tmp_path / "out", counter)] * 12)
    assert counter.read_text() == "12"


def _count(path: Path, times: int) -> None:
    for _ in range(times):
        with files.held(path) as there:
            files.write_text(there, str(int(there.read_text() if there.exists() else 0) + 1))


def test_a_held_file_is_edited_by_one_at_a_time(tmp_path: Path) -> None:
    """No edit of several processes is lost; a link stays one, and what fails in the block leaves the file."""
    (tmp_path / "link").symlink_to(tmp_path / "folder" / "count")
    processes = [multiprocessing.Process(target=_count, args=(tmp_path / "link", 50)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert (tmp_path / "folder" / "count").read_text() == "150" and (tmp_path / "link").is_symlink()
    with pytest.raises(RuntimeError), files.held(tmp_path / "link"):
        raise RuntimeError
    _count(tmp_path / "link", 1)
    assert (tmp_path / "link").read_text() == "151"
