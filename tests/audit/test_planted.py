"""Precision and recall against planted copies, counted on a case that one can count by hand."""

from pathlib import Path

import pytest

from pipeline.audit.planted import Planted, measure, read_planted
from pipeline.core.errors import CorruptData
from pipeline.intervals import binomial_interval

PLANTED = [
    Planted("a1", "a", "cropped"),
    Planted("b1", "b", "cropped"),
    Planted("c1", "c", "marked"),
    Planted("c2", "c", "marked"),
    Planted("gone", "d", "marked"),
]


def test_a_case_by_hand() -> None:
    """a1 was found; b1 was not; c1 and c2 were removed for each other's original; e for f is wrong."""
    groups = {"a": 0, "a1": 0, "b": None, "b1": None, "c": 1, "c1": 1, "c2": 1, "d": None, "e": 2, "f": 2}
    found = measure(PLANTED, groups, {"a1": "a", "c1": "c2", "c": "c2", "e": "f"})
    low, high = binomial_interval(1, 2)
    assert found["recall"]["cropped"] == {
        "found": 1,
        "of": 2,
        "share": 0.5,
        "low": round(low, 4),
        "high": round(high, 4),
    }
    assert (found["recall"]["marked"]["found"], found["recall"]["marked"]["of"]) == (2, 2)
    assert (found["recall"]["all"]["found"], found["recall"]["all"]["of"]) == (3, 4)
    assert (found["precision"]["found"], found["precision"]["of"], found["precision"]["share"]) == (3, 4, 0.75)
    assert found["missing_pairs"] == 1


def test_two_that_are_in_no_group_are_not_in_the_same() -> None:
    """No group is not a group."""
    found = measure(PLANTED[:1], {"a": None, "a1": None}, {})
    assert found["recall"]["cropped"]["share"] == 0
    assert found["precision"] == {"found": 0, "of": 0, "share": None, "low": 0, "high": 1}


@pytest.mark.parametrize("text", ["", "key,original\n", "key,original,transform\na,b\n", "key,original,transform\n\n"])
def test_another_file_is_refused(tmp_path: Path, text: str) -> None:
    """With its line."""
    path = tmp_path / "planted.csv"
    path.write_text(text)
    with pytest.raises(CorruptData, match=r"planted\.csv, line \d"):
        read_planted(path)


def test_a_list_is_read(tmp_path: Path) -> None:
    """As the miniature writes it."""
    path = tmp_path / "planted.csv"
    path.write_text("key,original,transform\na1,a,cropped\n")
    assert read_planted(path) == PLANTED[:1]
