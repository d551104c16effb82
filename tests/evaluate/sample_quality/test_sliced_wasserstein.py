"""The sliced Wasserstein distance: equality with a plain implementation, and what it must and must not see."""

import numpy as np
import pytest
import scipy.ndimage

from pipeline.core.errors import BadParameters
from pipeline.evaluate.sample_quality import sliced_wasserstein as module
from pipeline.evaluate.sample_quality.sliced_wasserstein import average, laplacian_level, sliced_wasserstein
from pipeline.imageset.format.image_set import Images
from pipeline.seeding import numpy_rng

BINOMIAL = np.outer([1, 4, 6, 4, 1], [1, 4, 6, 4, 1])[..., None] / 256


def textures(count: int, seed: int, side: int = 32, channels: int = 3, blur: float = 1.0) -> Images:
    """Smooth noise, uint8 (count, side, side, channels)."""
    noise = np.random.default_rng(seed).normal(size=(count, side, side, channels))
    smooth = scipy.ndimage.gaussian_filter(noise, (0, blur, blur, 0))
    return np.clip(127.5 + 40 * smooth / smooth.std(), 0, 255).astype(np.uint8)


def reference_level(picture: np.ndarray, side: int) -> np.ndarray:
    """The Laplacian level by SciPy's convolution: borders are mirrored, as in Karras et al. 2018."""

    def reduce(image: np.ndarray) -> np.ndarray:
        return scipy.ndimage.convolve(image, BINOMIAL, mode="mirror")[::2, ::2]

    while len(picture) > side:
        picture = reduce(picture)
    if side == 16:
        return picture
    small = reduce(picture)
    spread = np.zeros_like(picture)
    spread[::2, ::2] = small
    return picture - scipy.ndimage.convolve(spread, 4 * BINOMIAL, mode="mirror")


def reference_distance(left: Images, right: Images, side: int, seed: int) -> float:
    """One level of the distance, patch by patch and direction by direction."""
    rows = []
    for images in (left, right):
        corners = numpy_rng(seed, "patches", side).integers(0, side - 6, (len(images), module.PATCHES, 2))
        patches = [
            laplacian_level(image.astype(np.float32), side)[y : y + 7, x : x + 7].astype(np.float64)
            for image, places in zip(images, corners, strict=True)
            for y, x in places
        ]
        stacked = np.stack(patches)
        stacked = (stacked - stacked.mean(axis=(0, 1, 2))) / stacked.std(axis=(0, 1, 2))
        rows.append(stacked.reshape(len(stacked), -1))
    directions = numpy_rng(seed, "directions", side).standard_normal((rows[0].shape[1], module.PROJECTIONS))
    directions /= np.linalg.norm(directions, axis=0)
    distances = [
        np.abs(np.sort(rows[0] @ direction) - np.sort(rows[1] @ direction)).mean() for direction in directions.T
    ]
    return 1000 * float(np.mean(distances))


@pytest.mark.parametrize("side", [32, 16])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_level_equals_the_convolution_of_the_paper_inside_the_picture(side: int, channels: int) -> None:
    """At the lower and right borders, OpenCV enlarges with the last pixel and the paper's code with zeros."""
    picture = textures(1, seed=3, channels=channels)[0].astype(np.float32)
    found, expected = laplacian_level(picture, side), reference_level(picture.astype(np.float64), side)
    assert found.shape == (side, side, channels)
    np.testing.assert_allclose(found[:-3, :-3], expected[:-3, :-3], atol=1e-3)


@pytest.mark.parametrize("channels", [1, 3])
def test_distances_equal_a_plain_implementation(channels: int) -> None:
    """In double precision, patch by patch."""
    left, right = textures(6, 1, channels=channels), textures(6, 2, channels=channels, blur=1.5)
    found = sliced_wasserstein(left, right, seed=5)
    assert list(found) == [32, 16]
    for side, distance in found.items():
        assert distance == pytest.approx(reference_distance(left, right, side, 5), rel=1e-4)


def test_equal_sets_have_no_distance_and_the_order_of_the_two_does_not_matter() -> None:
    """A distance, not a divergence."""
    left, right = textures(8, 1), textures(8, 2)
    assert average(sliced_wasserstein(left, left, seed=1)) == 0
    assert sliced_wasserstein(left, right, seed=1) == sliced_wasserstein(right, left, seed=1)


def test_it_grows_with_the_difference_in_texture() -> None:
    """Other pictures of the same texture are near (the noise floor); blurred ones are further away, the more so."""
    base = textures(64, 1)
    floor, near, far = (
        average(sliced_wasserstein(base, textures(64, 2, blur=blur), seed=1)) for blur in (1.0, 1.5, 2.5)
    )
    assert floor < near < far and 2 * floor < far


def test_sets_that_cannot_be_compared_are_named() -> None:
    """Different counts, and sides that cannot be halved."""
    with pytest.raises(BadParameters, match=r"shapes \(4, 32, 32, 3\) and \(5, 32, 32, 3\)"):
        sliced_wasserstein(textures(4, 1), textures(5, 1), seed=1)
    with pytest.raises(BadParameters, match="pictures of 28 pixels"):
        sliced_wasserstein(textures(4, 1, side=28), textures(4, 1, side=28), seed=1)
