"""Outputs appear complete or not at all, finished work is kept, and two processes never work on one output."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline.core import files
from pipeline.core.errors import BadParameters, Busy, CorruptData
from pipeline.core.workspace import MARK, forget, make_once, resumable_steps, take_over, workspace, write_mark


def test_an_interrupted_workspace_keeps_scratch_for_the_same_work_only(tmp_path: Path) -> None:
    """The same digest resumes; another one starts over; results are never taken over half-made."""
    output = tmp_path / "out"
    with pytest.raises(RuntimeError), workspace(output, "first") as work:
        assert work
        (work.scratch / "chunk").write_text("done")
        (work.result / "half").write_text("half")
        raise RuntimeError
    assert not output.exists()
    with pytest.raises(RuntimeError), workspace(output, "first") as work:
        assert work
        assert (work.scratch / "chunk").exists()
        assert list(work.result.iterdir()) == []
        raise RuntimeError
    with workspace(output, "second") as work:
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
    with workspace(output, "digest"):
        assert files.read_json(output / "source.json") == "old"


def test_publishing_replaces_an_older_output(tmp_path: Path) -> None:
    """A second run's folder takes the place of the first one's, whole."""
    output = tmp_path / "out"
    for name in ("old", "new"):
        with workspace(output, name) as work:
            assert work
            (work.result / name).write_text(name)
            work.publish()
    assert sorted(path.name for path in output.iterdir()) == [MARK, "new"]


@pytest.mark.parametrize("place", [".", "mine", "mine/note.txt"])
def test_a_user_s_own_folder_is_never_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    """A misdirected `--to` is refused before any work; an empty folder is taken."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "note.txt").write_text("precious")
    with pytest.raises(BadParameters, match="--to "), workspace(Path(place), "work"):
        pass
    assert (tmp_path / "mine" / "note.txt").read_text() == "precious"
    (tmp_path / "empty").mkdir()
    with workspace(Path("empty"), "work") as work:
        assert work
        work.publish()


def test_the_mark_decides_what_is_replaced(tmp_path: Path) -> None:
    """Any folder with the mark is replaced, whatever it holds; one of version 0.1, without it, is refused by name."""
    output = tmp_path / "out"
    output.mkdir()
    files.write_json(output / "matches.json", {})
    with (
        pytest.raises(BadParameters, match=r"contains matches\.json but not the mark .* version 0\.1"),
        workspace(output, "a"),
    ):
        pass
    write_mark(output)
    marks = [(output / MARK).read_bytes()]
    with workspace(output, "a") as work:
        assert work
        work.publish()
    assert [path.name for path in output.iterdir()] == [MARK]
    assert marks == [(output / MARK).read_bytes()], "the mark is the same everywhere"


HOLD = """
import sys, time
from pathlib import Path
from pipeline.core.workspace import workspace
with workspace(Path(sys.argv[1]), sys.argv[2]) as work:
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
    with hold(tmp_path / "out", "same", 0.7) as first, workspace(tmp_path / "out", "same") as work:
        assert work is None
        assert first.wait() == 0
    assert (tmp_path / "out" / "by").read_text() == "the first"


def test_a_second_process_with_other_work_starts_over(tmp_path: Path) -> None:
    """What was published meanwhile came from other parameters: it is not taken."""
    with hold(tmp_path / "out", "one", 0.7), workspace(tmp_path / "out", "another") as work:
        assert work is not None
        work.publish()
    assert [path.name for path in (tmp_path / "out").iterdir()] == [MARK]


def test_a_second_process_gives_up_and_names_the_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error of a process that waited too long names the other process and the next step."""
    monkeypatch.setattr("pipeline.core.workspace.PATIENCE_SECONDS", 0.3)
    with hold(tmp_path / "out", "same", 2.0) as first:
        with pytest.raises(Busy, match=f"process {first.pid} "), workspace(tmp_path / "out", "same"):
            pass
        first.kill()


def test_a_killed_holder_blocks_nobody(tmp_path: Path) -> None:
    """kill -9 releases the lock, and what was finished is there for the next."""
    with hold(tmp_path / "out", "same", 60) as first:
        (tmp_path / ".out.partial" / "scratch" / "chunk").write_text("done")
        first.send_signal(signal.SIGKILL)
        first.wait()
    start = time.monotonic()
    with workspace(tmp_path / "out", "same") as work:
        assert work
        assert (work.scratch / "chunk").read_text() == "done"
    assert time.monotonic() - start < 30


def _count_up(arguments: tuple[Path, Path]) -> None:
    output, counter = arguments
    with workspace(output, f"{os.getpid()}") as work:
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


def step(output: Path, work_digest: str) -> bool:
    """Whether a step had to be done."""
    with workspace(output, work_digest) as work:
        if work is None:
            return False
        files.write_json(work.result / "codes.json", work_digest)
        work.publish()
    return True


def test_finished_steps_are_taken_over(tmp_path: Path) -> None:
    """After an interruption and after an end, the same step is not done again; another is."""
    one, two = tmp_path / "one", tmp_path / "two"
    for done, ending in ((True, KeyboardInterrupt), (False, OSError)):
        with pytest.raises(ending), resumable_steps(tmp_path):
            assert step(one, "same") == done
            raise ending
    with resumable_steps(tmp_path):
        assert not step(one, "same") and step(two, "other") and step(one, "changed")
    with resumable_steps(tmp_path):
        assert not step(one, "changed") and not step(two, "other")
    assert files.read_json(one / "codes.json") == "changed"


def test_make_once_repeats_nothing_for_the_same_inputs(tmp_path: Path) -> None:
    """Other inputs, a step that another work has replaced, or a step that is gone call the function again."""
    one, calls = tmp_path / "one", list[str]()

    def make(work_digest: str) -> None:
        calls.append(work_digest)
        step(one, work_digest)

    with resumable_steps(tmp_path):
        for inputs, work_digest in (("a", "1"), ("a", "1"), ("b", "1"), ("a", "1"), ("a", "1")):
            make_once(one, [inputs], lambda: make(work_digest))  # noqa: B023 (called at once)
        assert calls == ["1", "1", "1"]
        step(one, "2")
        make_once(one, ["a"], lambda: make("1"))
        (one / "codes.json").unlink(), (one / MARK).unlink(), one.rmdir()
        make_once(one, ["a"], lambda: make("1"))
    assert calls == ["1"] * 5
    make_once(tmp_path / "elsewhere" / "one", ["a"], lambda: calls.append("not in steps"))
    assert calls[-1] == "not in steps"


def test_a_step_is_taken_over_from_another_folder(tmp_path: Path) -> None:
    """With its record; a forgotten one is done again."""
    old, new = tmp_path / "old", tmp_path / "new"
    with resumable_steps(old):
        step(old / "one", "same")
    with resumable_steps(new):
        take_over(old / "one", new)
        assert not step(new / "one", "same")
        forget(new / "one")
        assert step(new / "one", "same")


def test_a_step_that_is_gone_or_was_made_by_other_code_is_done_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is not there cannot be taken over, what an older version made need not be what this one makes."""
    with pytest.raises(KeyboardInterrupt), resumable_steps(tmp_path):
        step(tmp_path / "one", "same"), step(tmp_path / "two", "same")
        raise KeyboardInterrupt
    (tmp_path / "one").rename(tmp_path / "elsewhere")
    with pytest.raises(KeyboardInterrupt), resumable_steps(tmp_path):
        assert step(tmp_path / "one", "same")
        monkeypatch.setattr("pipeline.core.workspace.all_code_digest", lambda: "of another version")
        assert step(tmp_path / "two", "same")
        raise KeyboardInterrupt


@pytest.mark.parametrize("error", [CorruptData("one: damaged; make it again"), FileNotFoundError("one")])
def test_damage_makes_all_steps_anew(tmp_path: Path, error: Exception) -> None:
    """What is found damaged may be what was taken over: it must not be taken over for ever."""
    with pytest.raises(type(error)), resumable_steps(tmp_path):
        step(tmp_path / "one", "same")
        raise error
    with resumable_steps(tmp_path):
        assert step(tmp_path / "one", "same")
