"""What is least certain comes first, by the score of its pair where there is one."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.audit import uncertain
from pipeline.core.errors import CorruptData
from pipeline.dedup.decision import manifest
from pipeline.imageset.format.image_set import Images, ImageSet

GIVEN = "key_a,key_b,score\na,b,7\nc,d,3\ne,f,5\n"


@pytest.fixture
def noise() -> Images:
    """Eight pictures of nothing."""
    return np.random.default_rng(0).integers(0, 256, (8, 32, 32, 3)).astype(np.uint8)


def choose(folder: Path, most: int = 9, pairs: bool = True) -> uncertain.Uncertain:
    images = ImageSet(folder / "set")
    table, made_from = manifest.read(folder / "dedup", images)
    return uncertain.choose(images, table, made_from, folder / "pairs" if pairs else None, most)


def test_the_lowest_score_comes_first(audit: Callable[..., Any], noise: Images, tmp_path: Path) -> None:
    """In the order of their scores, as many as were asked for, and the page says the score."""
    page, _ = audit(noise, list("abcdefgh"), given=GIVEN, uncertain=2)
    found = choose(tmp_path, 2)
    assert (found.rows, found.measure, found.of) == ([3, 5], "score", 3)
    np.testing.assert_array_equal(found.scores, [np.nan, 7, np.nan, 3, np.nan, 5, np.nan, np.nan])
    assert "2 of 3 pairs of unequal pixels, those of the lowest score" in page
    assert page.index("score 3.00") < page.index("score 5.00") < page.index('id="largest"') < page.index("score 7.00")
    assert choose(tmp_path, 0).rows == []


def test_a_pair_speaks_for_all_pictures_with_its_pixels(
    audit: Callable[..., Any], noise: Images, tmp_path: Path
) -> None:
    """Neither the keeper nor what is removed need stand in the pair; the same pixels are shown once."""
    # a is c, b is d and f; only one of each stands in the pairs. The first stays.
    noise[[2, 3, 5]] = noise[[0, 1, 1]]
    audit(noise, list("abcdefgh"), given="key_a,key_b,score\nc,d,4\ne,h,6\n")
    found = choose(tmp_path)
    assert (found.rows, found.of) == ([1, 7], 2)
    np.testing.assert_array_equal(found.scores, [np.nan, 4, np.nan, 4, np.nan, 4, np.nan, 6])


def test_without_scores_similarity_decides(audit: Callable[..., Any], noise: Images, tmp_path: Path) -> None:
    """Pairs without scores, or no pairs at hand: the least similar first, and before it a pair without contrast."""
    noise[3] = noise[2] // 2 + 40
    noise[5] = 7
    page, _ = audit(noise, list("abcdefgh"), given="key_a,key_b\nc,d\na,b\ne,f\n", uncertain=1)
    for pairs in (True, False):
        found = choose(tmp_path, pairs=pairs)
        assert (found.rows, found.measure) == ([5, 1, 3], "similarity")
        assert np.isnan(found.scores).all()
    assert "those of the lowest similarity" in page


def test_equal_pixels_are_certain(audit: Callable[..., Any], noise: Images, tmp_path: Path) -> None:
    """They are copies whatever a score says; then there is nothing to show, and that is said."""
    noise[1] = noise[0]
    page, metrics = audit(noise, uncertain=5)
    assert metrics["removed"] == 1 and choose(tmp_path).rows == []
    assert page.count("No picture was removed but for equal bytes or pixels.") == 2


def test_pairs_of_another_search_are_refused(audit: Callable[..., Any], noise: Images, tmp_path: Path) -> None:
    """The scores have to be those that decided."""
    audit(noise, list("abcdefgh"), given=GIVEN)
    about = json.loads((tmp_path / "pairs" / "pairs.json").read_text())
    (tmp_path / "pairs" / "pairs.json").write_text(json.dumps({**about, "detector": "other"}))
    with pytest.raises(CorruptData, match="not those that --dedup was made from; run remove-duplicates again"):
        choose(tmp_path)
