"""Which sources are compared, and with which others."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from pipeline.dedup.originals.groups import MOST_COMPARED, Group, find_groups
from pipeline.dedup.pairs.classes_table import SEARCHED, Classes
from pipeline.dedup.pairs.decoys import LayoutTest
from pipeline.dedup.pairs.pairs_table import SCHEMA, PairsTable
from pipeline.imageset.format.image_set import Images, ImageSet


@pytest.fixture
def groups(make_set: Callable[..., Path], blobs: Callable[[int], Images]) -> Callable[..., list[Group]]:
    """A function that finds the groups of a set with given classes and pairs."""

    def find(
        contents: Sequence[int],
        pixels: Sequence[int],
        pairs: Sequence[tuple[int, int]] = (),
        codes: Sequence[int] | None = None,
        mode: Literal["exact", "near"] = "near",
        mirrored: Sequence[int] = (),
        name: str = "set",
    ) -> list[Group]:
        images = ImageSet(make_set(blobs(len(contents)), name, sources=[f"source {n}" for n in contents]))
        same = [np.array(values, np.int64) for values in (contents, pixels, pixels, codes or range(len(contents)))]
        classes = Classes(*same, np.full(len(contents), SEARCHED, np.int8))
        left, right = np.array(pairs, np.int64).reshape(-1, 2).T
        flags = np.isin(np.arange(len(left)), mirrored)
        found = PairsTable(mode, "", left, right, flags, True, None, SCHEMA.empty_table(), LayoutTest())
        return find_groups(images, classes, found)

    return find


def test_pairs_and_equal_pixels_make_groups(groups: Callable[..., list[Group]]) -> None:
    """A pair is valid for all pictures with equal pixels; of equal files, one is compared; others are left out."""
    found = groups(contents=[0, 1, 2, 0, 4, 5, 6], pixels=[0, 1, 1, 0, 4, 5, 6], pairs=[(0, 1), (4, 6)])
    assert found == [Group([0, 1, 2], [(0, 1), (0, 2), (1, 2)], []), Group([4, 6], [(4, 6)], [])]


def test_mirrored_pairs_are_marked(groups: Callable[..., list[Group]]) -> None:
    """A mirrored pair is one for all pictures with equal pixels, but for two that are also an unchanged pair."""
    found = groups(range(5), [0, 1, 1, 3, 4], pairs=[(0, 1), (0, 3), (1, 3)], mirrored=[0, 1])
    pairs = [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]
    assert found == [Group([0, 1, 2, 3], pairs, [], frozenset({(0, 1), (0, 2), (0, 3)}))]
    (found,) = groups(range(2), range(2), pairs=[(0, 1), (0, 1)], mirrored=[1], name="both")
    assert found.pairs == [(0, 1)] and not found.mirrored


def test_equal_files_alone_are_no_group(groups: Callable[..., list[Group]]) -> None:
    """There is nothing to compare between two names of one content."""
    assert groups(contents=[0, 0, 2], pixels=[0, 0, 2]) == []


def test_a_chain_is_compared_along_its_pairs_only(groups: Callable[..., list[Group]]) -> None:
    """Pictures that are not copies of each other are not compared, though a third one connects them."""
    assert groups([0, 1, 2], [0, 1, 2], [(0, 1), (1, 2)]) == [Group([0, 1, 2], [(0, 1), (1, 2)], [])]


def test_equal_codes_count_in_mode_exact(groups: Callable[..., list[Group]]) -> None:
    """Equal codes make pictures duplicates in mode exact, and in no other mode."""
    same = {"contents": [0, 1, 2], "pixels": [0, 1, 2], "codes": [0, 1, 0]}
    assert groups(**same, mode="exact") == [Group([0, 2], [(0, 2)], [])]


def test_a_large_group_is_cut(groups: Callable[..., list[Group]]) -> None:
    """The pictures with the most pixels and bytes are compared; here those with the longest files, which come last."""
    count = MOST_COMPARED + 10
    (found,) = groups(range(count), [0] * count)
    assert found.rows == list(range(10, count)) and found.others == list(range(10))
    assert len(found.pairs) == MOST_COMPARED * (MOST_COMPARED - 1) // 2
