"""The handlers of the routes for verdicts, without HTTP."""

from pathlib import Path
from typing import Any

import pytest

from pipeline.dedup.decision.verdicts import Verdict, read_verdicts, write_verdicts
from pipeline.dedup.results.result_folders import find_folders
from pipeline.review.duplicates.app import Review
from pipeline.review.duplicates.dedup_result import DedupResult
from pipeline.review.duplicates.pair_lists import PairLists
from pipeline.review.duplicates.source_pictures import SourcePictures
from pipeline.review.duplicates.verdict_store import VerdictStore
from tests.review.duplicates.results import make_result, remove_again

COPIES = 3


@pytest.fixture
def review(tmp_path: Path) -> Review:
    folders = find_folders(make_result(tmp_path / "found", 4, COPIES))
    result = DedupResult(folders)
    return Review(
        PairLists(result, VerdictStore(folders.verdicts, "me")), SourcePictures(result.pictures, (), None), "found"
    )


def judge(review: Review, number: int, label: str, **flags: bool) -> dict[str, Any]:
    body = {"kind": "removed", "id": number, "label": label, "keep": False, "always": False, "group": False}
    return dict(review.judge({**body, **flags})["pair"]["verdict"])


def test_a_verdict_replaces_the_earlier_one(review: Review) -> None:
    """A judgement is complete: nothing of the earlier one is left."""
    assert judge(review, 1, "near", keep=True) == {"label": "near", "keep": True, "always": False}
    assert judge(review, 1, "near", always=True) == {"label": "near", "keep": False, "always": True}
    assert judge(review, 1, "") == {"label": "", "keep": False, "always": False}
    assert read_verdicts(review.store.path) == []


def test_a_verdict_for_a_group_changes_one_value(review: Review) -> None:
    """A label for a group leaves the "always keep" of its pairs, and the reverse; one undo restores all of them."""
    judge(review, 4, "", always=True)
    judge(review, 4, "similar", group=True)
    group = [pair["verdict"] for pair in review.lists.describe("removed", range(COPIES, 2 * COPIES))]
    assert [verdict["label"] for verdict in group] == ["similar"] * COPIES
    assert [verdict["always"] for verdict in group] == [False, True, False]
    judge(review, 3, "", always=True, group=True)
    group = [pair["verdict"] for pair in review.lists.describe("removed", range(COPIES, 2 * COPIES))]
    assert all(verdict["label"] == "similar" and verdict["always"] for verdict in group)
    assert len(read_verdicts(review.store.path)) == 2 * COPIES
    for nonce in ("one", "two"):
        assert review.undo({"nonce": nonce})["kind"] == "removed"
    assert [verdict.always_keep for verdict in read_verdicts(review.store.path)] == [True]


def test_a_repeated_undo_undoes_one_edit(review: Review) -> None:
    """The page repeats an undo whose answer was lost, with the same nonce."""
    judge(review, 1, "near")
    judge(review, 2, "near")
    first = review.undo({"nonce": "x"})
    assert first == review.undo({"nonce": "x"}) == {"kind": "removed", "id": 2, "undoable": 1}
    assert len(read_verdicts(review.store.path)) == 1
    assert review.undo({"nonce": "y"})["id"] == 1
    assert review.undo({"nonce": "z"}) == {"kind": "", "id": None, "undoable": 0}


def test_a_verdict_on_a_near_miss_leaves_always_keep(review: Review) -> None:
    """A verdict on a near miss does not change that one of its pictures is always kept."""
    pair = review.lists.describe("misses", [0])[0]
    side = pair["removed"]
    always = Verdict(side["sha256"], "", side["key"], "", "", "", "me", "")
    write_verdicts(review.store.path, [always])
    body = {"kind": "misses", "id": 0, "keep": False, "group": False}
    for label, flag in (("similar", True), ("different", False)):  # the page may have the current or an older state
        assert review.judge({**body, "label": label, "always": flag})["pair"]["verdict"]["label"] == label
        assert always in read_verdicts(review.store.path)
    review.judge({**body, "label": "", "always": False})
    assert read_verdicts(review.store.path) == [always]


def test_a_chosen_representative_is_not_swapped_back(tmp_path: Path) -> None:
    """After a swap and a new run, judging the pair as near copies again must not swap the two back."""
    found = make_result(tmp_path / "found", 4, COPIES)
    folders = find_folders(found)

    def opened() -> Review:
        result = DedupResult(folders)
        lists = PairLists(result, VerdictStore(folders.verdicts, "me"))
        return Review(lists, SourcePictures(result.pictures, (), None), "found")

    before = opened()
    chosen = before.lists.describe("removed", [1])[0]["removed"]
    judge(before, 1, "near", keep=True)
    remove_again(found)
    after = opened()
    pairs = after.lists.describe("removed", range(len(after.result.lists["removed"])))
    number = next(pair["id"] for pair in pairs if pair["kept"] == chosen and pair["verdict"]["label"])
    for group in (False, True):
        judge(after, number, "same_pixels", group=group)
        assert [v.keep for v in read_verdicts(folders.verdicts) if v.keep] == [chosen["sha256"]]
    remove_again(found)
    assert opened().lists.describe("removed", [number])[0]["kept"] == chosen
    judge(after, number, "different")
    assert not any(verdict.keep for verdict in read_verdicts(folders.verdicts))
