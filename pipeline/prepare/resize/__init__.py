"""The only resize: area averaging in whole numbers, for decoded pictures and for batches of stored squares.

A careless resize changes the input of networks and the value of metrics. So no library default is used here, and the
result is bit-identical for every CPU and library version.
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
    """Crop the largest centred square of a picture and scale it to `side`.

    Args:
        image: uint8 (H, W, 3).
        side: height and width of the result.
        method: `area`: see `area_average`. `cv2-bilinear` follows the DCGAN authors' released code: OpenCV's bilinear
            sampling without antialiasing to short side `side`, with the long side rounded; then a centre crop, whose
            offset is rounded, halves upwards.

    Returns:
        uint8 (side, side, 3).
    """
    return area_average(image[None], side)[0] if method == "area" else _bilinear(image, side)


def area_average(images: Images, side: int) -> Images:
    """Crop the largest centred square of each picture and scale it to `side` by averaging over areas (antialiased).

    Args:
        images: uint8 (n, H, W, 3).
        side: height and width of the result.

    Returns:
        uint8 (n, side, side, 3): each pixel is the exact mean of the source area that it covers, rounded half up;
        partly covered source pixels are weighted by the covered share. `images` itself is returned if its pictures are
        squares of that side.
    """
    if images.shape[1:3] == (side, side):
        return images
    short = min(images.shape[1:3])
    return _averages(images, short, short, side)


def squeeze(image: Image, side: int) -> Image:
    """Scale a whole picture, uint8 (H, W, 3), to a square of the given side by averaging over areas: uint8."""
    height, width = image.shape[:2]
    squeezed: Image = _averages(image[None], height, width, side)[0]
    return squeezed


def _averages(images: Images, height: int, width: int, side: int) -> Images:
    """Scale the middle of each picture, `height` × `width` pixels, to `side` × `side`."""
    out = np.empty((len(images), side, side, 3), np.uint8)
    source = np.ascontiguousarray(images).view()
    source.flags.writeable = False  # decoders return read-only arrays as well: one type is compiled, and none is copied
    _area(source, height, width, out)
    return out


@entry_point("(Array(uint8, 4, 'C', True), int64, int64, uint8[:,:,:,::1])")
def _area(images: Images, middle_height: int, middle_width: int, out: Images) -> None:
    """Compute the means from sums of whole numbers: int32 for a line, float64 (exact below 2**53) for a square.

    The division is in float64, which is fast. It is exact enough: a quotient below 256 of whole numbers with a divisor
    below 2**44 is never rounded up to the next whole number.
    """
    height, width, side = images.shape[1], images.shape[2], out.shape[1]
    tops, down = _shares(height, middle_height, side)
    lefts, across = _shares(width, middle_width, side)
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
            for k in range(down.shape[1]):  # lines first: their bytes are contiguous
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
def _shares(extent: int, middle: int, side: int) -> tuple[Whole, Whole]:
    """Divide the `middle` pixels of a line into `side` equal parts; return which pixels each covers, and by how much.

    Lengths are in units of 1/(2·side) pixel, or of a common multiple of it that keeps them whole: the middle starts at
    (extent - middle)·side, and each part is 2·middle wide.

    Returns:
        The first pixel of each part, int64 (side,); and the covered length of this and the following pixels in these
        units, int64 (side, n), zero after the end of a part.
    """
    unit, wide, margin = 2 * side, 2 * middle, (extent - middle) * side
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
