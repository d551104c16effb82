"""Tell which of two files of one size was saved from the other one, by the rounding of JPEG's coefficients.

A JPEG stores multiples of quantisation steps. If it was saved from another picture, the coefficients of that picture
lie anywhere between these multiples: on average, a quarter of a step away. If the other picture was saved from the
JPEG, with a finer quantisation or none, its coefficients lie close to the multiples.
"""

import cv2
import numpy as np
import numpy.typing as npt

from pipeline.dedup.originals.measures import Image

Coefficients = npt.NDArray[np.float32]

_MOST_BLOCKS = 600
_LEAST_STEP = 3
"""Smaller steps are close to the rounding of pixels."""
_FEWEST = 200
_CLOSE, _QUARTER = 0.14, (0.18, 0.32)
"""Median distances, in steps, of a picture saved from the JPEG, and of one that the JPEG was saved from."""
_CLEARLY, _FAR = 1.3, 9.0


def coefficients(image: Image) -> Coefficients:
    """Cosine transforms of the luma of up to 600 blocks of 8×8 pixels, spread over the picture: float32 (n, 64).

    Pictures of one size give the same blocks.

    Args:
        image: uint8 (H, W, 3) RGB.
    """
    down, across = image.shape[0] // 8, image.shape[1] // 8
    count = min(down * across, _MOST_BLOCKS)
    if not count:
        return np.empty((0, 64), np.float32)
    chosen = np.linspace(0, down * across - 1, count).astype(np.int64)
    cells = image[: 8 * down, : 8 * across].reshape(down, 8, across, 8, 3)[chosen // across, :, chosen % across]
    luma = cells.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32) - 128
    return np.stack([cv2.dct(block) for block in np.ascontiguousarray(luma)]).reshape(-1, 64)


Blocks = tuple[Coefficients, tuple[int, ...] | None]
"""The coefficients of a picture, and its quantisation steps if it is a JPEG; see `Encoding.steps`."""


def distance(jpeg: Coefficients, steps: tuple[int, ...], other: Coefficients) -> float | None:
    """Median distance of a picture's coefficients from those of a JPEG where these are not zero, in steps.

    Args:
        jpeg, other: results of `coefficients` for pictures of one size.
        steps: quantisation steps of the JPEG.

    Returns:
        None if too few coefficients are not zero.
    """
    step = np.array(steps, np.float32)
    used = (step >= _LEAST_STEP) & (np.abs(jpeg) > 0.75 * step)
    used[:, 0] = False  # the mean of a block shows brightness, which may have been changed
    if used.sum() < _FEWEST:
        return None
    return float(np.median((np.abs(other - jpeg) / step)[used]))


def earlier_of(left: Blocks, right: Blocks) -> int | None:
    """Which of two pictures of one size the other one was saved from: 0, 1, or None if that is not clear."""
    away = [distance(jpeg[0], jpeg[1], other[0]) if jpeg[1] else None for jpeg, other in ((left, right), (right, left))]
    known = [_FAR if value is None else value for value in away]
    nearer = int(known[1] < known[0])
    if known[nearer] < _CLOSE:
        return nearer if known[1 - nearer] > _CLEARLY * known[nearer] else None
    quarter = [_QUARTER[0] < value < _QUARTER[1] for value in known]
    return quarter.index(False) if sum(quarter) == 1 else None
