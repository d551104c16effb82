"""Pictures are compared where they overlap: parts of one picture are copies; collages and other scenes are not."""

from collections.abc import Callable

import numpy as np
import pytest

from pipeline.dedup.scoring import overlap, pair_scorer_highres
from pipeline.imageset.format.image_set import Images
from pipeline.prepare.resize import resize, squeeze

Scenes = Callable[[int, int], Images]
LEAST = 3.0


@pytest.fixture
def sources(scenes: Scenes) -> Images:
    """Eight scenes, uint8 (8, 128, 128, 3)."""
    return np.stack([resize(picture, side=128, method="area") for picture in scenes(8, 3)])


def parts(pictures: list[Images], side: int = 128) -> overlap.Parts:
    """Prepare pictures of any size like those of a set."""
    squares = np.stack([resize(picture, side=side, method="area") for picture in pictures])
    sizes = np.array([picture.shape[:2] for picture in pictures])
    long = np.flatnonzero(sizes.max(axis=1) >= 2 * sizes.min(axis=1))
    overviews = np.array([squeeze(pictures[row], 32) for row in long]).reshape(-1, 32, 32, 3).astype(np.uint8)
    frames = overlap.frames(sizes[:, 1], sizes[:, 0])
    return overlap.Parts(squares, frames, sizes.min(axis=1), long, overviews)


def window(y: float, x: float, share: float) -> list[float]:
    """The map from a window of a square picture to the picture."""
    return [share, x, share, y]


def test_a_window_is_a_copy_of_its_picture_and_of_no_other(sources: Images) -> None:
    """Windows of 60 % of the sides pass against their pictures, and fail against the next ones under the same map."""
    windows = parts([np.ascontiguousarray(picture[38:115, 13:90]) for picture in sources])
    maps = np.array([window(38 / 128, 13 / 128, 77 / 128)] * 8)
    assert (overlap.score(windows, parts(list(sources)), maps, "auto", LEAST) >= LEAST).all()
    others = parts(list(np.roll(sources, 1, axis=0)))
    assert (overlap.score(windows, others, maps, "auto", LEAST) < LEAST).all()


def test_whole_pictures_score_as_in_the_search(sources: Images) -> None:
    """Under the identity, the score is that of the whole pictures."""
    left, right = parts(list(sources)), parts(list(np.roll(sources // 2 + 60, 2, axis=2)))
    identity = np.tile([1.0, 0.0, 1.0, 0.0], (8, 1))
    for side in (32, 64, 128):
        sides = np.full(8, side)
        expected = pair_scorer_highres.score(left.squares, right.squares, sides, LEAST)
        found = overlap.score(left, right, identity, side, LEAST)  # type: ignore[arg-type]
        assert np.abs(found - expected).max() < 0.5  # the two reductions round differently


def test_a_picture_in_a_collage_is_no_copy_of_it(sources: Images) -> None:
    """A picture that is less than a quarter of a collage is not compared: removing either would lose something."""
    collage = np.concatenate(
        [np.concatenate(list(sources[:2]), axis=1), np.concatenate(list(sources[2:4]), axis=1)], axis=0
    )
    collage = np.pad(collage, ((4, 4), (4, 4), (0, 0)))
    share = 128 / len(collage)
    maps = np.array([window(4 / len(collage), 4 / len(collage), share)])
    assert overlap.score(parts([sources[0]]), parts([collage]), maps, 32, LEAST).tolist() == [-np.inf]


def test_overlapping_shots_that_do_not_contain_each_other_are_no_copies(sources: Images) -> None:
    """The left and the right 70 % of one picture share 57 % of each: neither contains the other."""
    left, right = (parts([np.ascontiguousarray(sources[0][:, cut])]) for cut in (slice(0, 90), slice(38, 128)))
    # Squares of 90 pixels from the middle row range; shifted by 38 pixels.
    maps = np.array([[1.0, -38 / 90, 1.0, 0.0]])
    assert overlap.score(left, right, maps, 32, LEAST).tolist() == [-np.inf]


def test_long_pictures_are_compared_beyond_their_squares(sources: Images) -> None:
    """A strip of a picture is a copy of it; a strip with the same middle and other ends is not."""
    picture = sources[0]
    strip = np.ascontiguousarray(picture[40:104])
    middle = slice(32, 96)
    forged = strip.copy()
    forged[:, :32], forged[:, 96:] = sources[1][40:104, :32], sources[1][40:104, 96:]
    assert (strip[:, middle] == forged[:, middle]).all()
    maps = np.array([[0.5, 0.25, 0.5, 40 / 128]] * 2)
    found = overlap.score(parts([strip, forged]), parts([picture, picture]), maps, 32, LEAST)
    assert found[0] >= LEAST > found[1]


def test_regions_with_few_pixels_are_compared_at_a_smaller_side(sources: Images) -> None:
    """`auto` takes the largest side at which the regions have detail, which depends on the map."""
    pictures = parts(list(sources[:3]))
    shares = np.array([1.0, 0.5, 0.3])
    boxes = np.stack([np.zeros(3), np.zeros(3), shares, shares], axis=1)
    assert overlap._sides(pictures, boxes, "auto").tolist() == [128, 64, 32]
    assert overlap._sides(pictures, boxes, 64).tolist() == [64, 64, 32]
