"""The one resize against a naive reference, and its two rules of cropping."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.prepare.resize import area_average, resize

shapes = st.tuples(st.integers(1, 90), st.integers(1, 90))
sides = st.integers(1, 40)


def naive_area(image, side):
    """Mean over each output pixel's square, from overlaps in float64, axis by axis."""

    def overlaps(extent, short):
        edges = (extent - short) / 2 + np.arange(side + 1) * short / side
        pixels = np.arange(extent)
        inside = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
        return np.maximum(inside, 0) * side / short

    short = min(image.shape[:2])
    rows, columns = (overlaps(extent, short) for extent in image.shape[:2])
    return np.einsum("iy,yxc,jx->ijc", rows, image.astype(np.float64), columns)


@settings(deadline=None, max_examples=60)
@given(shape=shapes, side=sides, seed=st.integers(0, 2**32 - 1))
def test_area_is_the_mean_over_squares(shape, side, seed):
    """Equal to the reference up to rounding, for any ratio, enlarging included."""
    image = np.random.default_rng(seed).integers(0, 256, (*shape, 3), dtype=np.uint8)
    made = resize(image, side=side, method="area")
    assert made.shape == (side, side, 3) and made.dtype == np.uint8
    assert np.abs(made - naive_area(image, side)).max() <= 0.5 + 1e-6


@pytest.mark.parametrize("method", ["area", "cv2-bilinear"])
@settings(deadline=None, max_examples=40)
@given(shape=shapes, side=sides, colour=st.tuples(*[st.integers(0, 255)] * 3))
def test_a_flat_picture_stays_flat(method, shape, side, colour):
    """No drift in level, no dark border, in any shape."""
    image = np.full((*shape, 3), colour, np.uint8)
    assert (resize(image, side=side, method=method) == np.array(colour)).all()


@settings(deadline=None, max_examples=40)
@given(shape=shapes, side=sides, seed=st.integers(0, 2**32 - 1))
def test_area_does_not_lean_to_a_side(shape, side, seed):
    """Mirroring or transposing commutes with it to the last bit."""
    image = np.random.default_rng(seed).integers(0, 256, (*shape, 3), dtype=np.uint8)
    made = resize(image, side=side, method="area")
    assert (resize(image[:, ::-1], side=side, method="area") == made[:, ::-1]).all()
    assert (resize(image.transpose(1, 0, 2), side=side, method="area") == made.transpose(1, 0, 2)).all()


def test_a_large_picture_is_exact():
    """Sums beyond 2**31, where a 32-bit table would wrap."""
    image = np.full((3000, 4000, 3), 255, np.uint8)
    image[::2] = 253
    assert (resize(image, side=30, method="area") == 254).all()


def exact_area(image, side):
    """The definition in whole numbers: the mean over each output pixel's square, rounded half up."""

    def shares(extent, short):  # in units of 1/(2·side) pixel
        edges = (extent - short) * side + 2 * short * np.arange(side + 1)
        pixels = 2 * side * np.arange(extent)
        inside = np.minimum(edges[1:, None], pixels + 2 * side) - np.maximum(edges[:-1, None], pixels)
        return np.maximum(inside, 0)

    short = min(image.shape[:2])
    rows, columns = (shares(extent, short) for extent in image.shape[:2])
    sums = np.stack([rows @ image[..., channel].astype(np.int64) @ columns.T for channel in range(3)], axis=-1)
    area = (2 * short) ** 2
    return (2 * sums + area) // (2 * area)


@settings(deadline=None, max_examples=40)
@given(
    shape=st.one_of(
        st.tuples(st.integers(1, 24), st.integers(1, 24)),
        st.sampled_from([(32, 32), (24, 24), (40, 40), (20, 21), (16, 19)]),
    ),
    side=st.sampled_from([1, 2, 3, 4, 5, 8, 10, 16, 20]),
    levels=st.sampled_from([2, 4, 256]),
    seed=st.integers(0, 2**32 - 1),
)
def test_area_is_the_exact_mean_rounded_half_up(shape, side, levels, seed):
    """To the last bit, for one decoded picture and for a batch; few levels give many ties."""
    images = np.random.default_rng(seed).integers(0, levels, (2, *shape, 3), dtype=np.uint8)
    made = area_average(images, side)
    for image, small in zip(images, made, strict=True):
        assert (small == exact_area(image, side)).all()
        assert (resize(image, side=side, method="area") == small).all()


@pytest.mark.parametrize(("stored", "side"), [(64, 32), (128, 32), (128, 64), (80, 64), (144, 128), (33, 32), (20, 32)])
def test_batches_of_stored_squares_are_averaged_exactly(stored, side):
    """The sides that sets are stored at and compared at, by whole pixels and by shares of them; views too."""
    images = np.random.default_rng(stored).integers(0, 256, (3, stored, stored, 3), dtype=np.uint8)
    made = area_average(images, side)
    assert made.dtype == np.uint8 and made.shape == (3, side, side, 3)
    assert (made[1] == exact_area(images[1], side)).all()
    assert (area_average(images[:, :, ::-1], side) == made[:, :, ::-1]).all()
    assert area_average(made, side) is made


@pytest.mark.parametrize("shape", [(48, 81), (81, 48), (64, 64), (100, 64), (64, 101), (375, 500)])
def test_bilinear_is_the_released_codes(shape):
    """Short side by INTER_LINEAR, long side rounded, crop offset rounded, halves upwards as in Python 2."""
    image = np.random.default_rng(1).integers(0, 256, (*shape, 3), dtype=np.uint8)
    height, width = shape
    scale = 64 / min(shape)
    size = (int(np.floor(width * scale + 0.5)), int(np.floor(height * scale + 0.5)))
    scaled = cv2.resize(image, size, interpolation=cv2.INTER_LINEAR) if min(shape) != 64 else image
    top, left = (int(np.floor((extent - 64) / 2 + 0.5)) for extent in scaled.shape[:2])
    assert (resize(image, side=64, method="cv2-bilinear") == scaled[top : top + 64, left : left + 64]).all()


def test_the_methods_differ_where_it_matters():
    """Fine stripes vanish in the mean and alias without antialiasing."""
    image = np.zeros((256, 256, 3), np.uint8)
    image[:, ::8] = 255
    area, bilinear = (resize(image, side=32, method=method) for method in ("area", "cv2-bilinear"))
    assert np.ptp(area) == 0 and area.max() == 32
    assert (bilinear == 0).all()
