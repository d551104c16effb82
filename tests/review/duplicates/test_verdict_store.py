"""No acknowledged verdict is lost, with several tabs and processes, `dcgan restore`, and kill -9."""

import hashlib
import os
import signal
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.core.errors import BadParameters, CorruptData
from pipeline.dedup.decision.verdicts import LABELS, Verdict, read_verdicts, write_verdicts
from pipeline.review.duplicates.verdict_store import Judgement, Side, VerdictStore

ROOT = Path(__file__).parents[3]


def side(number: int) -> Side:
    return Side(hashlib.sha256(str(number).encode()).hexdigest(), f"key {number}")


def judged(number: int, label: str = "near", keep: bool = False, always: bool = False) -> Judgement:
    return Judgement(side(2 * number), side(2 * number + 1), label, keep, always)


def labels_by_key(path: Path) -> dict[str, str]:
    """Label of each verdict by its first key."""
    return {verdict.key_a: verdict.label for verdict in read_verdicts(path)}


judgements = st.builds(judged, st.integers(0, 3), st.sampled_from(["", *LABELS]), always=st.booleans())


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.lists(judgements, min_size=1, max_size=3)), max_size=12))
def test_two_raters_edit_and_undo(edits: list[tuple[bool, list[Judgement]]]) -> None:
    """The last judgement of each rater on each pair counts; undoing all edits restores the file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "verdicts.csv")
        others = [Verdict(side(0).sha256, side(1).sha256, "a", "b", "similar", "", "one", "a-sample")]
        write_verdicts(path, others)
        stores = VerdictStore(path, "one"), VerdictStore(path, "two")
        last: list[dict[str, Judgement]] = [{}, {}]
        for second, made in edits:
            stores[second].judge(made)
            last[second] |= {judgement.removed.key: judgement for judgement in made}
        for store, wanted in zip(stores, last, strict=True):
            labels = {v.key_a: v.label for v in store.mine().values() if not v.always_keep}
            assert labels == {key: judgement.label for key, judgement in wanted.items() if judgement.label}
            always = {v.key_a for v in store.mine().values() if v.always_keep}
            assert always == {key for key, judgement in wanted.items() if judgement.always}
        for store in stores:
            while store.undoable():
                assert store.undo() is not None
            assert store.undo() is None
        assert read_verdicts(path) == others


def test_the_order_of_the_sides_does_not_matter(tmp_path: Path) -> None:
    """A verdict on the same pair with swapped sides replaces the earlier one."""
    store = VerdictStore(tmp_path / "verdicts.csv", "one")
    store.judge([judged(1, "near", keep=True)])
    assert [verdict.keep for verdict in read_verdicts(store.path)] == [side(2).sha256]
    first = judged(1, "different")
    store.judge([replace(first, removed=first.kept, kept=first.removed)])
    assert [verdict.label for verdict in read_verdicts(store.path)] == ["different"]


def test_contradictory_judgements_are_refused(tmp_path: Path) -> None:
    """If one judgement is wrong, none is written."""
    store = VerdictStore(tmp_path / "verdicts.csv", "one")
    for wrong in (judged(1, "nonsense"), judged(1, "", keep=True), replace(judged(1), kept=None)):
        with pytest.raises(BadParameters):
            store.judge([judged(2), wrong])
    assert not store.path.exists()


def test_undo_leaves_later_changes(tmp_path: Path) -> None:
    """A verdict that a second server changed in the meantime is not undone."""
    one, two = (VerdictStore(tmp_path / "verdicts.csv", "me") for _ in range(2))
    one.judge([judged(1), judged(2)], "a group")
    two.judge([judged(2, "similar")])
    assert one.undo() == "a group"
    assert labels_by_key(one.path) == {"key 4": "similar"}


def test_a_repeated_request_is_one_edit(tmp_path: Path) -> None:
    """A request that is repeated after a lost answer counts as one edit for undo."""
    store = VerdictStore(tmp_path / "verdicts.csv", "me")
    store.judge([judged(1)])
    store.judge([judged(1)])
    assert store.undoable() == 1


def test_a_damaged_file_is_not_overwritten(tmp_path: Path) -> None:
    """The error names the line, and the file is unchanged."""
    path = tmp_path / "verdicts.csv"
    path.write_text("my notes\n")
    with pytest.raises(CorruptData, match="line 1"):
        VerdictStore(path, "me").judge([judged(1)])
    assert path.read_text() == "my notes\n"


def test_threads_and_a_symbolic_link(tmp_path: Path) -> None:
    """Edits of several threads are all saved; a symbolic link to the file is not replaced by a file."""
    (tmp_path / "real").mkdir()
    write_verdicts(tmp_path / "real" / "verdicts.csv", [])
    path = tmp_path / "verdicts.csv"
    path.symlink_to("real/verdicts.csv")
    store = VerdictStore(path, "me")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: store.judge([judged(number)]), range(60)))
    assert path.is_symlink() and len(store.mine()) == 60


WRITER = """
import sys
from pathlib import Path
from pipeline.review.duplicates.verdict_store import Judgement, Side, VerdictStore
import hashlib
store = VerdictStore(Path(sys.argv[1]), sys.argv[2])
for number in range(int(sys.argv[3]), int(sys.argv[4])):
    name = f"{sys.argv[2]} {number}"
    a, b = (Side(hashlib.sha256(f"{name} {n}".encode()).hexdigest(), name) for n in "ab")
    store.judge([Judgement(a, b, "near")])
    print(number, flush=True)
"""


def writer(path: Path, rater: str, first: int, end: int) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path), rater, str(first), str(end)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_two_processes_at_once(tmp_path: Path) -> None:
    """Two servers that edit one file lose no verdict."""
    path = tmp_path / "verdicts.csv"
    processes = [writer(path, rater, 0, 100) for rater in ("one", "two")]
    assert [process.communicate(timeout=600)[0].count("\n") for process in processes] == [100, 100]
    assert len(read_verdicts(path)) == 200


def test_killed_during_edits(tmp_path: Path) -> None:
    """After kill -9, acknowledged verdicts are saved, the file is readable, and the lock is free."""
    path = tmp_path / "verdicts.csv"
    acknowledged = 0
    for _ in range(5):
        process = writer(path, "me", acknowledged, 100_000)
        assert process.stdout is not None
        for _ in range(10):
            acknowledged = int(process.stdout.readline()) + 1
        os.kill(process.pid, signal.SIGKILL)
        process.communicate(timeout=120)
        there = {int(verdict.key_a.split()[1]) for verdict in read_verdicts(path)}
        assert there >= set(range(acknowledged))
