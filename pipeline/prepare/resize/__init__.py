"""The only resize: area averaging in whole numbers, for decoded pictures and for batches of stored squares.

A careless resize changes what networks see and what metrics say, so nothing here is left to a library's default, and
the result does not depend on processor or library version in the last bit.
"""

from typing import Literal

import numpy as np
import numpy.typing as npt

from pipeline.core.jit import compiled, entry_point

Image = npt.NDArray[np.uint8]
Images = npt.NDArray[np.uint8]
Whole = npt.NDArray[np.int64]
Method = Literal["area", "cv2-bilinear"]


def resize(image: Image, *, side: int, method: Method) -> Image:
    """The largest centred square of a picture, scaled to `side`.

    Args:
        image: uint8 (H, W, 3).
        side: height and width of the result.
        method: `area`: see `area_average`. `cv2-bilinear` follows the paper's released code: OpenCV's bilinear sampling
            without antialiasing to short side `side`, the long side rounded, then a crop whose offset is rounded,
            halves upwards.

    Returns:
        uint8 (side, side, 3).
    """
    return area_average(image[None], side)[0] if method == "area" else _bilinear(image, side)


def area_average(images: Images, side: int) -> Images:
    """The largest centred square of each picture, scaled to `side` by averaging over areas (antialiased).

    Args:
        images: uint8 (n, H, W, 3).
        side: height and width of the result.

    Returns:
        uint8 (n, side, side, 3): each pixel is the exact mean of the part of the source that it covers, a source pixel
        counting by the share that is covered, rounded half up; `images` itself where they are squares of that side.
    """
    if images.shape[1:3] == (side, side):
        return images
    out = np.empty((len(images), side, side, 3), np.uint8)
    _area(np.require(images, np.uint8, ["C", "W"]), out)
    return out


@entry_point("(uint8[:,:,:,::1], uint8[:,:,:,::1])")
def _area(images: Images, out: Images) -> None:
    """Sums of whole numbers; those of a line are held as int32, those of a square as doubles, exact below 2**53.

    A quotient of whole numbers, below 256 and with a divisor below 2**44, is never rounded up to the next whole one:
    so the division may be one of doubles, which is quick.
    """
    height, width, side = images.shape[1], images.shape[2], out.shape[1]
    short = min(height, width)
    tops, down = _shares(height, short, side)
    lefts, across = _shares(width, short, side)
    first, last = lefts[0], lefts[-1] + across.shape[1]
    parts = across.astype(np.float64)
    lefts = 3 * (lefts - first)
    sums = np.empty(3 * (last - first), np.int32)
    totals = np.empty(3 * side)
    area = np.float64(down[0].sum() * across[0].sum())
    for number in range(len(images)):
        lines = images[number].reshape(height, 3 * width)[:, 3 * first : 3 * last]
        for row in range(side):
            sums[:] = 0
            for k in range(down.shape[1]):  # lines first: their bytes lie side by side
                share, line = np.int32(down[row, k]), lines[tops[row] + k]
                if share == 0:
                    continue
                for i in range(len(sums)):
                    sums[i] += share * np.int32(line[i])
            for column in range(side):
                red = green = blue = 0.0
                i = lefts[column]
                for k in range(parts.shape[1]):
                    part = parts[column, k]
                    red += part * sums[i]
                    green += part * sums[i + 1]
                    blue += part * sums[i + 2]
                    i += 3
                totals[3 * column], totals[3 * column + 1], totals[3 * column + 2] = red, green, blue
            to = out[number, row].reshape(3 * side)
            for i in range(3 * side):
                to[i] = np.uint8(np.int32((2.0 * totals[i] + area) / (2.0 * area)))


@compiled
def _shares(extent: int, short: int, side: int) -> tuple[Whole, Whole]:
    """Which pixels of a line each of `side` equal parts of its middle covers, and by how much.

    In units of 1/(2·side) pixel, or in larger ones where that divides all of them, the middle starts at
    (extent - short)·side and each part is 2·short wide.

    Returns:
        The first pixel of each part, int64 (side,), and the shares, in these units, of it and of those that follow,
        int64 (side, n), zero where a part has ended.
    """
    unit, wide, margin = 2 * side, 2 * short, (extent - short) * side
    common, other = unit, wide
    while other:
        common, other = other, common % other
    other = margin
    while other:
        common, other = other, common % other
    unit, wide, margin = unit // common, wide // common, margin // common
    most = min(extent, (wide + unit - 2) // unit + 1)
    firsts, shares = np.empty(side, np.int64), np.zeros((side, most), np.int64)
    for part in range(side):
        start = margin + wide * part
        stop = start + wide
        firsts[part] = min(start // unit, extent - most)
        for k in range(most):
            pixel = firsts[part] + k
            shares[part, k] = max(0, min(stop, (pixel + 1) * unit) - max(start, pixel * unit))
    return firsts, shares


def _bilinear(image: Image, side: int) -> Image:
    import cv2  # slow to import, and only this method needs it

    height, width = image.shape[:2]
    short = min(height, width)
    if short != side:
        scaled = [(2 * extent * side + short) // (2 * short) for extent in (width, height)]
        image = np.asarray(cv2.resize(image, scaled, interpolation=cv2.INTER_LINEAR), np.uint8)
    top, left = ((extent - side + 1) // 2 for extent in image.shape[:2])
    return np.ascontiguousarray(image[top : top + side, left : left + side])
