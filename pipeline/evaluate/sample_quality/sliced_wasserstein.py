"""The sliced Wasserstein distance between patches of Laplacian pyramids (Karras et al. 2018, section 5).

Each level of the pyramid has the structures of one scale. Patches of 7×7 pixels are cut from it and normalised by
channel. Random projections map the patches of both sets to numbers; in one dimension, the Wasserstein distance is the
mean difference of the sorted numbers. Lower is better; 0 means equal patches, and two halves of one set of real
pictures give the noise floor. The measure is blind to where in the picture a patch lies, and to memorised pictures.
"""

from collections.abc import Iterator

import cv2
import numpy as np
import numpy.typing as npt

from pipeline.core.errors import BadParameters
from pipeline.imageset.format.image_set import Images
from pipeline.seeding import numpy_rng

PATCH = 7
"""Side of a patch in pixels."""
COARSEST = 16
"""Side of the last level of the pyramid in pixels."""
PATCHES = 64
"""Patches per picture and level; 128 in the paper."""
PROJECTIONS = 512
_BLOCK = 32
"""Directions at a time, which bounds the memory."""
UNIT = 1000.0
"""Distances are given in thousandths of the patches' standard deviation, as in the paper."""

Patches = npt.NDArray[np.float32]


def sliced_wasserstein(left: Images, right: Images, *, seed: int) -> dict[int, float]:
    """The distance between two sets of pictures on each level of the pyramid.

    Equal sets have the distance 0, and exchanging the sets does not change it. Patches and projections follow from the
    seed and the numbers of the pictures, so distances of one seed can be compared with each other.

    Args:
        left, right: uint8 (n, side, side, C), the same n and side, which is a power of two of at least 16.
        seed: seed of positions and projections.

    Returns:
        Side of the level in pixels -> distance, from fine to coarse; `average` gives one number.

    Raises:
        BadParameters: the shapes differ, or the side is not a power of two of at least 16.
    """
    if left.shape != right.shape:
        raise BadParameters(f"sliced Wasserstein distance: sets of shapes {left.shape} and {right.shape}, expected one")
    side = left.shape[1]
    if side < COARSEST or side & (side - 1):
        raise BadParameters(f"sliced Wasserstein distance: pictures of {side} pixels, expected 16, 32, 64, …")
    distances = {}
    while side >= COARSEST:
        directions = _directions(left.shape[3] * PATCH**2, numpy_rng(seed, "directions", side))
        ours, theirs = (_patches(images, side, seed) for images in (left, right))
        blocks = np.split(directions, PROJECTIONS // _BLOCK, axis=1)
        distances[side] = UNIT * float(np.mean([_mean_difference(ours, theirs, block) for block in blocks]))
        side //= 2
    return distances


def average(distances: dict[int, float]) -> float:
    """The mean over the levels."""
    return sum(distances.values()) / len(distances)


def laplacian_level(picture: npt.NDArray[np.float32], side: int) -> npt.NDArray[np.float32]:
    """The level of a picture's Laplacian pyramid with this side (Burt and Adelson 1983).

    It is the picture reduced to the side, less its own reduction to half of it, enlarged again; on the coarsest level,
    the reduced picture itself. OpenCV's filter is the binomial one of 5×5 pixels.

    Args:
        picture: float32 (S, S, C), S a power of two.
        side: S, S/2, …, 16.
    """
    while picture.shape[0] > side:
        picture = _reduced(picture)
    if side == COARSEST:
        return picture
    return picture - _with_channels(np.asarray(cv2.pyrUp(_reduced(picture)), np.float32))


def _reduced(picture: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    return _with_channels(np.asarray(cv2.pyrDown(picture), np.float32))


def _with_channels(picture: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """OpenCV leaves out the last axis of grey pictures."""
    return picture if picture.ndim == 3 else picture[..., None]


def _patches(images: Images, side: int, seed: int) -> Patches:
    """Patches of all pictures on a level, float32 (n · PATCHES, PATCH · PATCH · C), normalised by channel."""
    patches = np.concatenate(list(_cut(images, side, seed)))
    mean, deviation = patches.mean(axis=(0, 1), dtype=np.float64), patches.std(axis=(0, 1), dtype=np.float64)
    normalised = (patches - mean.astype(np.float32)) / np.maximum(deviation, 1e-6).astype(np.float32)
    return np.asarray(normalised.reshape(len(patches), -1), np.float32)


def _cut(images: Images, side: int, seed: int) -> Iterator[Patches]:
    corners = numpy_rng(seed, "patches", side).integers(0, side - PATCH + 1, (len(images), PATCHES, 2))
    for image, places in zip(images, corners, strict=True):
        level = laplacian_level(image.astype(np.float32), side)
        windows = np.lib.stride_tricks.sliding_window_view(level, (PATCH, PATCH), (0, 1))  # (y, x, C, 7, 7)
        yield windows[places[:, 0], places[:, 1]].transpose(0, 2, 3, 1).reshape(PATCHES, PATCH**2, -1)


def _directions(length: int, rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """Random directions, float32 (length, PROJECTIONS), each of length 1."""
    directions = rng.standard_normal((length, PROJECTIONS))
    return np.asarray(directions / np.linalg.norm(directions, axis=0), np.float32)


def _mean_difference(left: Patches, right: Patches, directions: npt.NDArray[np.float32]) -> float:
    """The one-dimensional Wasserstein distance along directions, float32 (length, k), averaged over them."""
    ends = [np.sort((patches @ directions).T, axis=1) for patches in (left, right)]
    return float(np.abs(ends[0] - ends[1]).mean(dtype=np.float64))
