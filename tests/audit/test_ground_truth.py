"""Precision and recall against planted copies, on cases small enough to count by hand."""

from pathlib import Path

import pytest

from pipeline.audit.ground_truth import Planted, measure, read_planted
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
    """a1 was found, b1 was not; c1 and c were removed for c2, which is right; e removed for f is wrong."""
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


def test_two_pictures_without_a_group_are_not_in_the_same_group() -> None:
    """A planted pair without any group was not found."""
    found = measure(PLANTED[:1], {"a": None, "a1": None}, {})
    assert found["recall"]["cropped"]["share"] == 0
    assert found["precision"] == {"found": 0, "of": 0, "share": None, "low": 0, "high": 1}


@pytest.mark.parametrize("text", ["", "key,original\n", "key,original,transform\na,b\n", "key,original,transform\n\n"])
def test_another_file_is_refused(tmp_path: Path, text: str) -> None:
    """A file with another header or other columns is refused with its line."""
    path = tmp_path / "planted.csv"
    path.write_text(text)
    with pytest.raises(CorruptData, match=r"planted\.csv, line \d"):
        read_planted(path)


def test_a_list_is_read(tmp_path: Path) -> None:
    """A file in the format that the miniature writes is read."""
    path = tmp_path / "planted.csv"
    path.write_text("key,original,transform\na1,a,cropped\n")
    assert read_planted(path) == PLANTED[:1]
