"""Inputs of the encoder and the pair scorer are computed as documented, in integers."""

import hashlib
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.dedup.encoder.encoder_input import blur, cut, flatten, normalise, to_32
from pipeline.dedup.encoder.letterbox import strip_bars


def averaged(image: np.ndarray, to: int = 32) -> np.ndarray:
    """The definition of area averaging, in fractions: uint8 (to, to); halves are rounded up."""
    side = len(image)
    shares = np.array(  # in units of 1/to of a pixel
        [[max(0, min((i + 1) * side, (j + 1) * to) - max(i * side, j * to)) for j in range(side)] for i in range(to)]
    )
    sums = shares.dot(image.astype(np.int64)).dot(shares.T)
    return np.array([[int(Fraction(int(value), side**2) + Fraction(1, 2)) for value in row] for row in sums], np.uint8)


@settings(max_examples=12, deadline=None)
@given(st.sampled_from([32, 64, 96, 33, 40, 48, 50, 20, 1]), st.integers(0, 2**32 - 1))
def test_pictures_of_any_side_are_averaged_exactly(side: int, seed: int) -> None:
    """Averages of whole pictures are exact before the last rounding, for any side."""
    image = np.random.default_rng(seed).integers(0, 256, (side, side, 3)).astype(np.uint8)
    small = flatten(to_32(image[None])).reshape(3, 32, 32)
    channel = seed % 3
    assert np.array_equal(small[channel], averaged(image[:, :, channel]))


def test_halves_are_rounded_up_and_white_stays_white() -> None:
    """Both ends of the range are preserved, and a tie is rounded up."""
    image = np.full((1, 64, 64, 3), 255, np.uint8)
    assert (to_32(image) == 255).all()
    image[:, :, ::2] = 254
    assert (to_32(image) == 255).all()


@pytest.fixture
def pictures() -> np.ndarray:
    """Pictures with much detail and no bars, uint8 (20, 32, 32, 3)."""
    coarse = np.random.default_rng(0).integers(0, 256, (20, 8, 8, 3)).astype(np.uint8)
    return coarse.repeat(4, axis=1).repeat(4, axis=2)


def test_level_and_contrast_do_not_change_the_input(pictures: np.ndarray) -> None:
    """Half the contrast around another level gives the same input, except for rounding."""
    paler = (pictures / 2 + 60).round().astype(np.uint8)
    there, here = normalise(pictures).astype(int), normalise(paler).astype(int)
    assert np.abs(there - here).max() <= 2
    luma = here[:, :1024]
    assert np.abs(luma.mean(axis=1) - 128).max() < 1 and np.abs(luma.std(axis=1) - 40).max() < 1


def test_noise_on_a_constant_picture_is_not_amplified() -> None:
    """A deviation below 8 levels counts as 8 levels; a constant picture gives 128 everywhere."""
    even = np.full((1, 32, 32, 3), 90, np.uint8)
    assert (normalise(even) == 128).all()
    even[0, ::2] += 2
    assert np.abs(normalise(even)[0, :1024].astype(int) - 128).max() == 5


def test_parts_are_interpolated_between_pixels(pictures: np.ndarray) -> None:
    """The whole picture stays unchanged, a move by two pixels repeats the edge, and a ramp stays a ramp."""
    assert np.array_equal(cut(pictures, (0, 0, 32, 32)), pictures)
    moved = cut(pictures, (0, -2, 32, 32))
    assert np.array_equal(moved[:, :, 2:], pictures[:, :, :-2])
    assert (moved[:, :, :2] == pictures[:, :, :1]).all()
    ramp = np.broadcast_to((8 * np.arange(32, dtype=np.uint8))[None, :, None, None], (1, 32, 32, 3)).copy()
    steps = np.diff(cut(ramp, (8, 8, 16, 16))[0, :, 0, 0].astype(int))
    assert steps.tolist() == [4] * 31


def test_blurring_uses_only_means_of_squares(pictures: np.ndarray) -> None:
    """Only the means of squares of 4×4 pixels matter: shuffling the pixels within a square changes nothing."""
    rng = np.random.default_rng(1)
    cells = pictures.reshape(20, 8, 4, 8, 4, 3).transpose(0, 1, 3, 2, 4, 5).reshape(20, 64, 16, 3)
    shuffled = rng.permuted(cells, axis=2).reshape(20, 8, 8, 4, 4, 3).transpose(0, 1, 3, 2, 4, 5)
    assert np.array_equal(blur(shuffled.reshape(pictures.shape)), blur(pictures))
    assert (blur(np.full((1, 32, 32, 3), 77, np.uint8)) == 77).all()


def test_the_input_is_the_same_bytes_everywhere(pictures: np.ndarray) -> None:
    """The output equals stored bytes; a change of rounding requires a new schema version of the codes."""
    made = [strip_bars(pictures), cut(pictures, (2, 2, 28, 28)), blur(pictures), normalise(pictures)]
    assert (
        hashlib.sha256(b"".join(array.tobytes() for array in made)).hexdigest()
        == "05b829c8a7d4d28d869ff71b4c7ab8ee60679ab5f4b6353d99087b21202af87d"
    )


def test_the_memory_layout_does_not_matter(pictures: np.ndarray) -> None:
    """A mirrored view gives the same result as a mirrored copy."""
    view = pictures[:, :, ::-1]
    copy = np.ascontiguousarray(view)
    for change in (strip_bars, blur, normalise, lambda pictures: cut(pictures, (2, -2, 28, 32))):
        assert np.array_equal(change(view), change(copy))
