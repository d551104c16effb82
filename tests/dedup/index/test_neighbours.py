"""The neighbours are those of a full sort, whatever the sizes of the blocks."""

import numpy as np
import pytest

from pipeline.dedup.index import neighbours
from pipeline.dedup.index.efficientnet import Features


@pytest.fixture
def vectors() -> Features:
    """Vectors of small whole numbers, so that many products are equal: int16 (60, 3)."""
    return np.random.default_rng(3).integers(-4, 5, (60, 3)).astype(np.int16)


@pytest.mark.parametrize("blocks", [(1024, 8192), (7, 11), (64, 1)])
@pytest.mark.parametrize("within", [False, True])
def test_neighbours_equal_a_full_sort(
    vectors: Features, within: bool, blocks: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The nearest come first, and of equally near ones the lower number; a picture is not its own neighbour."""
    monkeypatch.setattr(neighbours, "_ROWS", blocks[0])
    monkeypatch.setattr(neighbours, "_COLUMNS", blocks[1])
    left = vectors if within else vectors[::-1][:31]
    products = left.astype(np.int64) @ vectors.astype(np.int64).T
    if within:
        np.fill_diagonal(products, np.iinfo(np.int64).min)
    expected = np.argsort(-products.astype(float), axis=1, kind="stable")
    for count in (1, 5, 100):
        found = neighbours.nearest(left, vectors, count, within=within)
        assert (found == expected[:, : min(count, 59 if within else 60)]).all()


def test_few_pictures_have_few_neighbours(vectors: Features) -> None:
    """One picture has no neighbour in its set, and no picture has one in an empty set."""
    assert neighbours.nearest(vectors[:1], vectors[:1], 5, within=True).shape == (1, 0)
    assert neighbours.nearest(vectors[:2], vectors[:0], 5, within=False).shape == (2, 0)
    assert neighbours.nearest(vectors[:0], vectors[:0], 5, within=True).shape == (0, 0)
