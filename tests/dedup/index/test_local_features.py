"""Local features find the pictures that show a part of another one, with the map between them."""

from collections.abc import Callable

import cv2
import numpy as np
import pytest

from pipeline.core.errors import BadParameters
from pipeline.dedup.index import local_features
from pipeline.dedup.index.local_features import LocalFeatures, find_features, join, match
from pipeline.imageset.format.image_set import Images
from pipeline.prepare.resize import resize

Scenes = Callable[[int, int], Images]


def scaled(pictures: Images | list[Images], side: int = 128) -> Images:
    """Prepare pictures like those of a set."""
    return np.stack([resize(picture, side=side, method="area") for picture in pictures])


@pytest.fixture(scope="module")
def pictures() -> Images:
    """Twelve scenes of many small discs and lines, uint8 (12, 240, 240, 3)."""
    rng = np.random.default_rng(4)
    out = np.empty((12, 240, 240, 3), np.uint8)
    for picture in out:
        picture[:] = rng.integers(60, 200, 3)
        for _ in range(60):
            x, y, x2, y2 = (int(value) for value in rng.integers(0, 240, 4))
            colour = tuple(int(value) for value in rng.integers(0, 256, 3))
            cv2.circle(picture, (x, y), int(rng.integers(3, 20)), colour, -1)
            cv2.line(picture, (x, y), (x2, y2), colour, int(rng.integers(1, 4)))
    return out


def test_a_window_is_found_with_its_map(pictures: Images) -> None:
    """A window of 60 % of the sides maps to its place; pictures of other scenes match nothing."""
    whole = find_features(scaled(pictures))
    windows = find_features(scaled(pictures[:, 48:192, 24:168]))
    found = match(windows, whole, within=False)
    assert found.left.tolist() == found.right.tolist() == list(range(12))
    assert np.abs(found.maps - [0.6, 0.1, 0.6, 0.2]).max() < 0.02


def test_within_a_set_each_pair_is_found_once(pictures: Images) -> None:
    """With `within`, the left picture is the earlier one, and a picture does not match itself."""
    both = np.concatenate([scaled(pictures[:4]), scaled(pictures[:4, 20:220, 20:220])])
    features = find_features(both)
    found = match(features, features, within=True)
    assert list(zip(found.left.tolist(), found.right.tolist(), strict=True)) == [(n, n + 4) for n in range(4)]


def test_features_of_mirrored_pictures_follow_from_the_features(pictures: Images) -> None:
    """Mirrored features match those found in the mirrored pictures, under the identity; unchanged ones do not."""
    images = scaled(pictures)
    again = find_features(np.ascontiguousarray(images[:, :, ::-1]))
    features = find_features(images)
    found = match(features.mirrored(), again, within=False)
    assert found.left.tolist() == found.right.tolist() == list(range(12))
    assert np.abs(found.maps - [1, 0, 1, 0]).max() < 0.02
    assert len(match(features, again, within=False).left) == 0


def test_mirroring_twice_changes_nothing(pictures: Images) -> None:
    """The codes are the same, and the places too, up to rounding."""
    features = find_features(scaled(pictures[:2]))
    twice = features.mirrored().mirrored()
    assert (twice.codes == features.codes).all() and np.allclose(twice.place, features.place)


def test_features_do_not_depend_on_the_other_pictures(pictures: Images) -> None:
    """Pictures one by one and together have the same features."""
    images = scaled(pictures[:3])
    together = find_features(images)
    alone = join([find_features(images[n : n + 1]) for n in range(3)], [0, 1, 2])
    for name in ("picture", "place", "codes"):
        assert (getattr(together, name) == getattr(alone, name)).all()


def test_a_sign_on_many_pictures_matches_none_of_them(pictures: Images) -> None:
    """Features that equal too many others are ignored: 80 different pictures with one logo do not match."""
    rng = np.random.default_rng(8)
    logo = rng.integers(0, 2, (6, 6, 1), np.uint8).repeat(8, axis=0).repeat(8, axis=1) * np.uint8(255)
    images = np.full((80, 128, 128, 3), 128, np.uint8)
    images[:, 40:88, 40:88] = logo
    features = find_features(images)
    assert len(features.codes) > 80 * local_features._FEWEST  # there is enough to match
    assert len(match(features, features, within=True).left) == 0
    few = find_features(images[:10])
    assert len(match(few, few, within=True).left) == 45


def test_plain_pictures_have_no_features() -> None:
    """Pictures of a single colour give no features, and match nothing."""
    empty = find_features(np.full((2, 64, 64, 3), 90, np.uint8))
    assert isinstance(empty, LocalFeatures) and empty.codes.shape == (0, 16)
    assert len(match(empty, empty, within=True).left) == 0


def test_too_many_equal_features_are_refused(pictures: Images, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message says how to do without them."""
    monkeypatch.setattr(local_features, "_MOST_EQUAL", 10)
    features = find_features(scaled(pictures))
    with pytest.raises(BadParameters, match=r"match features: more than 10 pairs .* \(--no-local-features, or"):
        match(features, features, within=True)
