"""Two pictures are aligned in spite of small geometric changes and changes of brightness and contrast."""

import numpy as np
import pytest

from pipeline.dedup.scoring.alignment import align, bilinear, smooth, source_position


@pytest.fixture
def plane() -> np.ndarray:
    """A smooth random picture, float64 (32, 32)."""
    coarse = np.random.default_rng(4).uniform(20, 235, (10, 10))
    return np.array([[value_at_coarse(coarse, y, x) for x in range(32)] for y in range(32)])


def value_at_coarse(coarse: np.ndarray, y: int, x: int) -> float:
    weights = [np.maximum(0, 1 - np.abs(np.arange(10) - at * 9 / 31)) for at in (y, x)]
    return float(weights[0] @ coarse @ weights[1])


def warp(plane: np.ndarray, affine: np.ndarray) -> np.ndarray:
    return np.array([[bilinear(plane, *source_position(affine, y, x)[:2]) for x in range(32)] for y in range(32)])


@pytest.mark.parametrize(
    "affine",
    [
        [0, 0, 0, 0, 0, 0],
        [0, 0, 0, 0, 2, -1],
        [0.05, 0, 0, 0.05, 0, 0],
        [0, 0.035, -0.035, 0, 0, 0],
        [-0.04, 0, 0, -0.04, 1, 1],
    ],
    ids=["none", "moved", "enlarged", "turned", "reduced and moved"],
)
def test_a_known_map_is_recovered(plane: np.ndarray, affine: list[float]) -> None:
    """The map that warped a picture is found to a third of a pixel, though brightness and contrast changed as well."""
    target = 0.7 * warp(plane, np.array(affine, float)) + 40
    found, correlation = align(plane, target, np.zeros(6))
    assert correlation > 0.99
    corners = [(0, 0), (0, 31), (31, 0), (31, 31), (16, 16)]
    for y, x in corners:
        there, here = source_position(np.array(affine, float), y, x)[:2], source_position(found, y, x)[:2]
        assert np.abs(np.subtract(there, here)).max() < 0.34


def test_a_picture_without_contrast_is_not_aligned(plane: np.ndarray) -> None:
    """A constant source gives the correlation -2 and the identity, not a division by zero."""
    affine, correlation = align(np.full((32, 32), 80.0), plane, np.zeros(6))
    assert correlation == -2 and not affine.any()


def test_smoothing_has_the_weights_1_2_1() -> None:
    """A constant plane is unchanged, also at the edges; a single pixel becomes the product of the weights."""
    assert (smooth(np.full((32, 32), 7.0)) == 7).all()
    point = np.zeros((32, 32))
    point[10, 20] = 16
    assert smooth(point)[9:12, 19:22].tolist() == [[1, 2, 1], [2, 4, 2], [1, 2, 1]]
