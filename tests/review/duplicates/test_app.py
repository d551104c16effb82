"""What the routes do with a verdict, beneath HTTP."""

from pathlib import Path
from typing import Any

import pytest

from pipeline.dedup.decision.verdicts import Verdict, read_verdicts, write_verdicts
from pipeline.review.duplicates.app import Review
from pipeline.review.duplicates.listing import Listing
from pipeline.review.duplicates.locate import locate
from pipeline.review.duplicates.result import Result
from pipeline.review.duplicates.source_pictures import Sources
from pipeline.review.duplicates.verdict_store import VerdictStore
from tests.review.duplicates.results import again, make_result

COPIES = 3


@pytest.fixture
def review(tmp_path: Path) -> Review:
    folders = locate(make_result(tmp_path / "found", 4, COPIES))
    result = Result(folders)
    return Review(Listing(result, VerdictStore(folders.verdicts, "me")), Sources(result.pictures, (), None), "found")


def say(review: Review, number: int, label: str, **flags: bool) -> dict[str, Any]:
    said = {"kind": "removed", "id": number, "label": label, "keep": False, "always": False, "group": False}
    return dict(review.judge({**said, **flags})["pair"]["verdict"])


def test_all_there_is_to_say_of_a_pair(review: Review) -> None:
    """The last word replaces the one before, whole."""
    assert say(review, 1, "near", keep=True) == {"label": "near", "keep": True, "always": False}
    assert say(review, 1, "near", always=True) == {"label": "near", "keep": False, "always": True}
    assert say(review, 1, "") == {"label": "", "keep": False, "always": False}
    assert read_verdicts(review.store.path) == []


def test_a_verdict_for_a_group_leaves_what_was_said_besides(review: Review) -> None:
    """A label for all keeps an "always keep" of one of them, and the other way round; one undo takes it back."""
    say(review, 4, "", always=True)
    say(review, 4, "similar", group=True)
    group = [pair["verdict"] for pair in review.listing.describe("removed", range(COPIES, 2 * COPIES))]
    assert [verdict["label"] for verdict in group] == ["similar"] * COPIES
    assert [verdict["always"] for verdict in group] == [False, True, False]
    say(review, 3, "", always=True, group=True)
    group = [pair["verdict"] for pair in review.listing.describe("removed", range(COPIES, 2 * COPIES))]
    assert all(verdict["label"] == "similar" and verdict["always"] for verdict in group)
    assert len(read_verdicts(review.store.path)) == 2 * COPIES
    for nonce in ("one", "two"):
        assert review.undo({"nonce": nonce})["kind"] == "removed"
    assert [verdict.always_keep for verdict in read_verdicts(review.store.path)] == [True]


def test_an_undo_asked_twice_is_one(review: Review) -> None:
    """The answer was lost, and the page asks again."""
    say(review, 1, "near")
    say(review, 2, "near")
    first = review.undo({"nonce": "x"})
    assert first == review.undo({"nonce": "x"}) == {"kind": "removed", "id": 2, "undoable": 1}
    assert len(read_verdicts(review.store.path)) == 1
    assert review.undo({"nonce": "y"})["id"] == 1
    assert review.undo({"nonce": "z"}) == {"kind": "", "id": None, "undoable": 0}


def test_a_near_miss_leaves_what_was_said_of_its_picture(review: Review) -> None:
    """A picture that is always kept may nearly match another one: a verdict on the two says nothing of that."""
    pair = review.listing.describe("misses", [0])[0]
    side = pair["removed"]
    always = Verdict(side["sha256"], "", side["key"], "", "", "", "me", "")
    write_verdicts(review.store.path, [always])
    said = {"kind": "misses", "id": 0, "keep": False, "group": False}
    for label, flag in (("similar", True), ("different", False)):  # as the page has it, or has it from before
        assert review.judge({**said, "label": label, "always": flag})["pair"]["verdict"]["label"] == label
        assert always in read_verdicts(review.store.path)
    review.judge({**said, "label": "", "always": False})
    assert read_verdicts(review.store.path) == [always]


def test_a_keeper_that_was_chosen_stays(tmp_path: Path) -> None:
    """After the next run the other one is kept: to say again that they are near copies does not swap them back."""
    found = make_result(tmp_path / "found", 4, COPIES)
    folders = locate(found)

    def opened() -> Review:
        result = Result(folders)
        listing = Listing(result, VerdictStore(folders.verdicts, "me"))
        return Review(listing, Sources(result.pictures, (), None), "found")

    before = opened()
    chosen = before.listing.describe("removed", [1])[0]["removed"]
    say(before, 1, "near", keep=True)
    again(found)
    after = opened()
    pairs = after.listing.describe("removed", range(len(after.result.lists["removed"])))
    number = next(pair["id"] for pair in pairs if pair["kept"] == chosen and pair["verdict"]["label"])
    for group in (False, True):
        say(after, number, "same_pixels", group=group)
        assert [v.keep for v in read_verdicts(folders.verdicts) if v.keep] == [chosen["sha256"]]
    again(found)
    assert opened().listing.describe("removed", [number])[0]["kept"] == chosen
    say(after, number, "different")
    assert not any(verdict.keep for verdict in read_verdicts(folders.verdicts))
