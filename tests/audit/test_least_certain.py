"""Removals are sorted by certainty: by the score of the pair if there are scores, else by similarity."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.audit.least_certain import LeastCertain, find_least_certain
from pipeline.core.errors import CorruptData
from pipeline.dedup.decision import manifest
from pipeline.imageset.format.image_set import Images, ImageSet

GIVEN = "key_a,key_b,score\na,b,7\nc,d,3\ne,f,5\n"


@pytest.fixture
def noise() -> Images:
    """Eight pictures of noise."""
    return np.random.default_rng(0).integers(0, 256, (8, 32, 32, 3)).astype(np.uint8)


def choose(folder: Path, count: int = 9, pairs: bool = True) -> LeastCertain:
    images = ImageSet(folder / "set")
    table, made_from = manifest.read(folder / "dedup", images)
    return find_least_certain(images, table, made_from, folder / "pairs" if pairs else None, count)


def test_the_lowest_score_comes_first(audit: Callable[..., Any], noise: Images, tmp_path: Path) -> None:
    """The requested number, in the order of their scores, and the page shows the score."""
    page, _ = audit(noise, list("abcdefgh"), given=GIVEN, uncertain=2)
    found = choose(tmp_path, 2)
    assert (found.rows, found.measure, found.of) == ([3, 5], "score", 3)
    np.testing.assert_array_equal(found.scores, [np.nan, 7, np.nan, 3, np.nan, 5, np.nan, np.nan])
    assert "The lowest scores come first" in page
    assert page.index("score 3.00") < page.index("score 5.00") < page.index("score 7.00")
    assert choose(tmp_path, 0).rows == []


def test_a_score_holds_for_all_pictures_with_the_same_pixels(
    audit: Callable[..., Any], noise: Images, tmp_path: Path
) -> None:
    """The scored pair may consist of other pictures with the same pixels; pairs of the same pixels are shown once."""
    # a equals c; b equals d and f; the pairs contain one of each. The first picture is kept.
    noise[[2, 3, 5]] = noise[[0, 1, 1]]
    audit(noise, list("abcdefgh"), given="key_a,key_b,score\nc,d,4\ne,h,6\n")
    found = choose(tmp_path)
    assert (found.rows, found.of) == ([1, 7], 2)
    np.testing.assert_array_equal(found.scores, [np.nan, 4, np.nan, 4, np.nan, 4, np.nan, 6])


def test_without_scores_similarity_decides(audit: Callable[..., Any], noise: Images, tmp_path: Path) -> None:
    """Pairs without scores, or no pairs: the least similar first, and before it a pair without contrast."""
    noise[3] = noise[2] // 2 + 40
    noise[5] = 7
    page, _ = audit(noise, list("abcdefgh"), given="key_a,key_b\nc,d\na,b\ne,f\n", uncertain=1)
    for pairs in (True, False):
        found = choose(tmp_path, pairs=pairs)
        assert (found.rows, found.measure) == ([5, 1, 3], "similarity")
        assert np.isnan(found.scores).all()
    assert "The lowest similarities (the pairs have no scores) come first" in page
    assert page.index("<code>f</code>") < page.index("<code>b</code>") < page.index("<code>d</code>")


def test_equal_pixels_are_certain(audit: Callable[..., Any], noise: Images, tmp_path: Path) -> None:
    """Pictures of equal pixels are copies with any score: none is uncertain, and the page shows no distances."""
    noise[1] = noise[0]
    page, metrics = audit(noise, uncertain=5)
    assert metrics["removed"] == 1 and choose(tmp_path).rows == []
    assert page.count("All removed pictures have the bytes or pixels of their representatives.") == 1


def test_pairs_of_another_search_are_refused(audit: Callable[..., Any], noise: Images, tmp_path: Path) -> None:
    """The scores must be the ones that the removals were decided by."""
    audit(noise, list("abcdefgh"), given=GIVEN)
    about = json.loads((tmp_path / "pairs" / "pairs.json").read_text())
    (tmp_path / "pairs" / "pairs.json").write_text(json.dumps({**about, "detector": "other"}))
    with pytest.raises(CorruptData, match="not the pairs that --dedup was made from; run remove-duplicates again"):
        choose(tmp_path)
