"""The one resize: short side to `side`, centre crop, in one call and in whole numbers.

A careless resize changes what networks see and what metrics say, so nothing here is left to a library's default, and
the result does not depend on processor or library version in the last bit.
"""

from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

from pipeline.core.jit import compiled

Image = npt.NDArray[np.uint8]
Whole = npt.NDArray[np.int64]
Method = Literal["area", "cv2-bilinear"]


def resize(image: Image, *, side: int, method: Method) -> Image:
    """The largest centred square of a picture, scaled to `side`.

    Args:
        image: uint8 (H, W, 3).
        side: height and width of the result.
        method: `area` gives each pixel the exact mean of the part of the source that it covers (antialiased; rounded
            half up). `cv2-bilinear` follows the paper's released code: OpenCV's bilinear sampling without antialiasing
            to short side `side`, the long side rounded, then a crop whose offset is rounded, halves upwards.

    Returns:
        uint8 (side, side, 3).
    """
    return _area(np.ascontiguousarray(image), side) if method == "area" else _bilinear(image, side)


@compiled
def _area(image: Image, side: int) -> Image:
    """Means over squares, all in whole numbers; those of a line are held as doubles, which are exact below 2**53.

    A quotient of whole numbers, below 256 and with a divisor below 2**44, is never rounded up to the next whole one:
    so the division may be one of doubles, which is quick.
    """
    height, width = image.shape[0], image.shape[1]
    short = min(height, width)
    tops, down = _shares(height, short, side)
    lefts, across = _shares(width, short, side)
    first, last = lefts[0], lefts[-1] + across.shape[1]
    lines = image.reshape(height, 3 * width)[:, 3 * first : 3 * last]
    sums = np.empty(lines.shape[1], np.int32)
    totals = np.empty(3 * side)
    half, whole = 2.0 * short * short, 4.0 * short * short
    made = np.empty((side, side, 3), np.uint8)
    for row in range(side):
        sums[:] = 0
        for k in range(down.shape[1]):
            share, line = np.int32(down[row, k]), lines[tops[row] + k]
            if share == 0:
                continue
            for i in range(len(sums)):
                sums[i] += share * np.int32(line[i])
        for column in range(side):
            red, green, blue = half, half, half
            i = 3 * (lefts[column] - first)
            for k in range(across.shape[1]):
                part = np.float64(across[column, k])
                red += part * sums[i]
                green += part * sums[i + 1]
                blue += part * sums[i + 2]
                i += 3
            totals[3 * column], totals[3 * column + 1], totals[3 * column + 2] = red, green, blue
        to = made[row].reshape(3 * side)
        for i in range(3 * side):
            to[i] = np.uint8(np.int32(totals[i] / whole))
    return made


@compiled
def _shares(extent: int, short: int, side: int) -> tuple[Whole, Whole]:
    """Which pixels of a line each of `side` equal parts of its middle covers, and by how much.

    In units of 1/(2·side) pixel the middle starts at (extent - short)·side and each part is 2·short wide.

    Returns:
        The first pixel of each part, int64 (side,), and the shares, in these units, of it and of those that follow,
        int64 (side, n), zero where a part has ended.
    """
    unit = 2 * side
    most = min(extent, (2 * short + unit - 2) // unit + 1)
    firsts, shares = np.empty(side, np.int64), np.zeros((side, most), np.int64)
    for part in range(side):
        start = (extent - short) * side + 2 * short * part
        stop = start + 2 * short
        firsts[part] = min(start // unit, extent - most)
        for k in range(most):
            pixel = firsts[part] + k
            shares[part, k] = max(0, min(stop, (pixel + 1) * unit) - max(start, pixel * unit))
    return firsts, shares


def _bilinear(image: Image, side: int) -> Image:
    height, width = image.shape[:2]
    short = min(height, width)
    if short != side:
        scaled = [(2 * extent * side + short) // (2 * short) for extent in (width, height)]
        image = np.asarray(cv2.resize(image, scaled, interpolation=cv2.INTER_LINEAR), np.uint8)
    top, left = ((extent - side + 1) // 2 for extent in image.shape[:2])
    return np.ascontiguousarray(image[top : top + side, left : left + side])
