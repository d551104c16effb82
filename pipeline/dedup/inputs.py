"""What the encoder and the comparer look at: a picture at 32×32, its parts, it without bars, at a standard contrast.

All of it is whole numbers, or single operations that every processor rounds alike: the same bytes everywhere.
"""

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from pipeline.compiled import compiled
from pipeline.imageset import Images

SIDE = 32
INPUTS = 3 * SIDE * SIDE

Bytes = npt.NDArray[np.uint8]
Box = tuple[int, int, int, int]
"""top, left, height, width in pixels of a 32×32 picture; it may reach beyond the picture, whose edge is repeated."""

Kind = Literal["pixels", "normalised"]

_WIDEST_BAR = 10
_BAR_TOLERANCE = 12
_LEAST_DEVIATION = 8
_LEVELS_PER_DEVIATION = 40
_CHROMA = 0.4
"""Colour says less than light: copies lose it more often."""


def to_32(images: Images) -> Images:
    """Area-average whole pictures to 32×32, in whole numbers, halves rounded up.

    Args:
        images: uint8 (n, side, side, 3), side at most 2,896; a side that 32 does not divide is averaged by exact
            shares of pixels.

    Returns:
        uint8 (n, 32, 32, 3).
    """
    side = images.shape[1]
    if side % SIDE == 0:
        width, sums = side // SIDE, np.zeros((len(images), SIDE, SIDE, 3), np.uint32)
        for y in range(width):
            for x in range(width):
                sums += images[:, y::width, x::width]
    else:
        width, sums = side, _shared_sums(_shared_sums(images, 1), 2)
    small: Images = ((2 * sums + width * width) // (2 * width * width)).astype(np.uint8)
    return small


def _shared_sums(values: npt.NDArray[Any], axis: int) -> npt.NDArray[np.uint32]:
    """Sums along an axis over each of 32 equal intervals; a value that two of them share counts in parts to each.

    In units of 1/32 of a value, a value is 32 wide and an interval as wide as there are values.
    """
    span = values.shape[axis]
    starts = np.arange(SIDE) * span
    ends = starts + span
    broadcast = [1] * values.ndim
    broadcast[axis] = SIDE
    total = np.zeros((*values.shape[:axis], SIDE, *values.shape[axis + 1 :]), np.uint32)
    for offset in range(span // SIDE + 2):
        at = starts // SIDE + offset
        overlap = np.maximum(np.minimum(ends, (at + 1) * SIDE) - np.maximum(starts, at * SIDE), 0)
        taken = values.take(np.minimum(at, span - 1), axis)
        total += taken * overlap.astype(np.uint32).reshape(broadcast)
    return total


def flatten(pictures: Images) -> Bytes:
    """uint8 (n, 32, 32, 3) as uint8 (n, 3072), channels first."""
    return np.ascontiguousarray(pictures.transpose(0, 3, 1, 2)).reshape(len(pictures), INPUTS)


def strip_bars(pictures: Images) -> Images:
    """Cut off bars of one colour at the four sides (frames, letterboxes), and scale what they held to 32×32.

    A bar's pixels lie within 12 levels of its outermost line's mean, and it takes at most 10 lines. The line where bar
    and picture meet is a mixture of both, and goes too. A picture that would keep less than 12 lines stays as it is.

    Args:
        pictures: uint8 (n, 32, 32, 3).
    """
    return _strip(pictures, _WIDEST_BAR, _BAR_TOLERANCE)


@compiled
def _strip(pictures: Images, widest: int, tolerance: int) -> Images:
    out = pictures.copy()
    for i in range(len(pictures)):
        bars = np.zeros(4, np.int64)
        for side in range(4):
            bars[side] = _bar(pictures[i], side, widest, tolerance)
        height, width = 32 - bars[0] - bars[1], 32 - bars[2] - bars[3]
        if bars.any() and height >= 12 and width >= 12:
            _resample(pictures[i], bars[0], bars[2], height, width, out[i])
    return out


@compiled
def _bar(picture: Images, side: int, widest: int, tolerance: int) -> int:
    """How many lines the bar at a side (0 top, 1 bottom, 2 left, 3 right) takes, the mixed one included."""
    colour = np.zeros(3, np.int64)
    for line in range(widest + 1):
        for place in range(32):
            at = line if side % 2 == 0 else 31 - line
            pixel = picture[at, place] if side < 2 else picture[place, at]
            for channel in range(3):
                if line == 0:
                    colour[channel] += np.int64(pixel[channel])
                # In units of 1/32 level, for the colour is a sum of 32.
                elif abs(32 * np.int64(pixel[channel]) - colour[channel]) > 32 * tolerance:
                    return line + 1
        if line == 0 and not _is_flat(picture, side, colour, tolerance):
            return 0
    return 0


@compiled
def _is_flat(picture: Images, side: int, colour: npt.NDArray[np.int64], tolerance: int) -> bool:
    for place in range(32):
        at = 0 if side % 2 == 0 else 31
        pixel = picture[at, place] if side < 2 else picture[place, at]
        for channel in range(3):
            if abs(32 * np.int64(pixel[channel]) - colour[channel]) > 32 * tolerance:
                return False
    return True


def cut(pictures: Images, box: Box) -> Images:
    """A part of each picture, scaled to 32×32 by linear interpolation.

    Args:
        pictures: uint8 (n, 32, 32, 3).
    """
    out = np.empty_like(pictures)
    _cut_all(pictures, *box, out)
    return out


@compiled
def _cut_all(pictures: Images, top: int, left: int, height: int, width: int, out: Images) -> None:
    for i in range(len(pictures)):
        _resample(pictures[i], top, left, height, width, out[i])


@compiled
def _resample(picture: Images, top: int, left: int, height: int, width: int, out: Images) -> None:
    """Linear interpolation in units of 1/64 pixel."""
    for i in range(32):
        y = min(max((2 * i + 1) * height + 64 * top - 32, 0), 31 * 64)
        y0, fy = min(y // 64, 30), y - 64 * min(y // 64, 30)
        for j in range(32):
            x = min(max((2 * j + 1) * width + 64 * left - 32, 0), 31 * 64)
            x0, fx = min(x // 64, 30), x - 64 * min(x // 64, 30)
            for c in range(3):
                above = np.int64(picture[y0, x0, c]) * (64 - fx) + np.int64(picture[y0, x0 + 1, c]) * fx
                below = np.int64(picture[y0 + 1, x0, c]) * (64 - fx) + np.int64(picture[y0 + 1, x0 + 1, c]) * fx
                out[i, j, c] = (above * (64 - fy) + below * fy + 2048) >> 12


def blur(pictures: Images) -> Images:
    """Means over squares of 4×4 pixels, and linear interpolation between their centres.

    Args:
        pictures: uint8 (n, 32, 32, 3).
    """
    out = np.empty_like(pictures)
    _blur_all(pictures, out)
    return out


@compiled
def _blur_all(pictures: Images, out: Images) -> None:
    sums = np.empty((8, 8), np.int64)
    for i in range(len(pictures)):
        for c in range(3):
            sums[:] = 0
            for y in range(32):
                for x in range(32):
                    sums[y // 4, x // 4] += pictures[i, y, x, c]
            for y in range(32):  # in units of 1/8 of a square
                at_y = min(max(2 * y - 3, 0), 56)
                y0 = min(at_y // 8, 6)
                for x in range(32):
                    at_x = min(max(2 * x - 3, 0), 56)
                    x0 = min(at_x // 8, 6)
                    fy, fx = at_y - 8 * y0, at_x - 8 * x0
                    above = sums[y0, x0] * (8 - fx) + sums[y0, x0 + 1] * fx
                    below = sums[y0 + 1, x0] * (8 - fx) + sums[y0 + 1, x0 + 1] * fx
                    out[i, y, x, c] = (above * (8 - fy) + below * fy + 512) >> 10


def normalise(pictures: Images) -> Bytes:
    """Light and colour at a standard contrast, for the encoder.

    Luma less its mean, and the two colour differences (ITU-R BT.601) at a lower weight, are divided by the standard
    deviation of the luma (at least 8 levels, so that noise is not blown up).

    Args:
        pictures: uint8 (n, 32, 32, 3).

    Returns:
        uint8 (n, 3072), channels first; 128 is zero, 40 levels one standard deviation.
    """
    out = np.empty((len(pictures), INPUTS), np.uint8)
    _normalise(pictures, out)
    return out


@compiled
def _normalise(pictures: Images, out: Bytes) -> None:
    luma = np.empty(1024, np.int64)  # in thousandths of a level
    for i in range(len(pictures)):
        rgb = pictures[i].reshape(1024, 3)
        total = squares = 0
        for j in range(1024):
            luma[j] = 299 * np.int64(rgb[j, 0]) + 587 * np.int64(rgb[j, 1]) + 114 * np.int64(rgb[j, 2])
            total += luma[j]
            squares += luma[j] * luma[j]
        # 1024² times the variance: below 2**63, and exact.
        deviation = np.sqrt(np.float64(1024 * squares - total * total))
        unit = _LEVELS_PER_DEVIATION / max(deviation, 1000.0 * 1024 * _LEAST_DEVIATION)
        blue, red = unit * _CHROMA * 0.564, unit * _CHROMA * 0.713
        for j in range(1024):
            values = (
                unit * (1024 * luma[j] - total),
                blue * (1024 * (1000 * np.int64(rgb[j, 2]) - luma[j])),
                red * (1024 * (1000 * np.int64(rgb[j, 0]) - luma[j])),
            )
            for plane in range(3):
                out[i, 1024 * plane + j] = np.uint8(min(max(np.rint(values[plane]) + 128, 0), 255))


def encoder_input(images: Images, kind: Kind) -> Bytes:
    """Whole pictures uint8 (n, side, side, 3) as an encoder's input, uint8 (n, 3072), channels first.

    Args:
        kind: `pixels`, the paper's: the picture as it is; `normalised`: see `normalise`.
    """
    small = to_32(images)
    return normalise(small) if kind == "normalised" else flatten(small)
