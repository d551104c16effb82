"""Inputs of the encoder and the pair scorer: pictures at 32×32, parts of them, and pictures at a standard contrast.

All computations use integers or single float operations that every CPU rounds equally, so the bytes are equal on every
machine.
"""

import numpy as np
import numpy.typing as npt

from pipeline.core.jit import compiled, entry_point
from pipeline.imageset.format.image_set import Images
from pipeline.prepare.resize import area_average

SIDE = 32
INPUTS = 3 * SIDE * SIDE

Bytes = npt.NDArray[np.uint8]
Box = tuple[int, int, int, int]
"""Top, left, height, width in pixels of a 32×32 picture. Outside the picture, its edge pixels are repeated."""

_LEAST_DEVIATION = 8
_LEVELS_PER_DEVIATION = 40
_CHROMA = 0.4
"""Weight of the colour differences. It is below 1, because copies lose colour more often than luma."""


def to_32(images: Images) -> Images:
    """Reduce pictures uint8 (n, side, side, 3) to uint8 (n, 32, 32, 3); see `area_average`."""
    return area_average(images, SIDE)


def flatten(pictures: Images) -> Bytes:
    """Reshape uint8 (n, 32, 32, 3) to uint8 (n, 3072), channels first."""
    return np.ascontiguousarray(pictures.transpose(0, 3, 1, 2)).reshape(len(pictures), INPUTS)


def cut(pictures: Images, box: Box) -> Images:
    """Scale a part of each picture to 32×32 by linear interpolation.

    Args:
        pictures: uint8 (n, 32, 32, 3).

    Returns:
        uint8 (n, 32, 32, 3).
    """
    out = np.empty(pictures.shape, np.uint8)
    _cut_all(np.ascontiguousarray(pictures), *box, out)
    return out


@entry_point("(uint8[:,:,:,::1], int64, int64, int64, int64, uint8[:,:,:,::1])")
def _cut_all(pictures: Images, top: int, left: int, height: int, width: int, out: Images) -> None:
    for i in range(len(pictures)):
        resample(pictures[i], top, left, height, width, out[i])


@compiled
def resample(picture: Images, top: int, left: int, height: int, width: int, out: Images) -> None:
    """Scale a part of one picture to 32×32 by linear interpolation in units of 1/64 pixel; halves are rounded up.

    Args:
        picture: uint8 (32, 32, 3), contiguous.
        top, left, height, width: a `Box`.
        out: uint8 (32, 32, 3), receives the result; must not be `picture`.
    """
    lines, between = (
        picture.reshape(32, 96),
        np.empty(96, np.int32),
    )  # vertically first: a line is contiguous
    x0, fx = np.empty(32, np.int64), np.empty(32, np.int32)
    for j in range(32):
        x = min(max((2 * j + 1) * width + 64 * left - 32, 0), 31 * 64)
        x0[j] = 3 * min(x // 64, 30)
        fx[j] = x - 64 * min(x // 64, 30)
    for i in range(32):
        y = min(max((2 * i + 1) * height + 64 * top - 32, 0), 31 * 64)
        y0 = min(y // 64, 30)
        fy = np.int32(y - 64 * y0)
        above, below, to = lines[y0], lines[y0 + 1], out[i]
        for k in range(96):
            between[k] = np.int32(above[k]) * (np.int32(64) - fy) + np.int32(below[k]) * fy
        for j in range(32):
            for c in range(3):
                left_of, right_of = between[x0[j] + c], between[x0[j] + 3 + c]
                to[j, c] = (left_of * (np.int32(64) - fx[j]) + right_of * fx[j] + np.int32(2048)) >> np.int32(12)


def blur(pictures: Images) -> Images:
    """Average squares of 4×4 pixels and interpolate linearly between their centres.

    Args:
        pictures: uint8 (n, 32, 32, 3).
    """
    out = np.empty(pictures.shape, np.uint8)
    _blur_all(np.ascontiguousarray(pictures), out)
    return out


@entry_point("(uint8[:,:,:,::1], uint8[:,:,:,::1])")
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
    """Scale luma and colour to a standard contrast, for the encoder.

    The luma minus its mean, and the two colour differences (ITU-R BT.601) at a lower weight, are divided by the
    standard deviation of the luma. The divisor is at least 8 levels, so that noise is not amplified.

    Args:
        pictures: uint8 (n, 32, 32, 3).

    Returns:
        uint8 (n, 3072), channels first; 128 represents zero, and 40 levels are one standard deviation.
    """
    out = np.empty((len(pictures), INPUTS), np.uint8)
    _normalise(np.ascontiguousarray(pictures), out)
    return out


@entry_point("(uint8[:,:,:,::1], uint8[:,::1])")
def _normalise(pictures: Images, out: Bytes) -> None:
    planes = np.empty((3, 1024), np.int32)  # luma - mean, blue - luma, red - luma, in 1/1,024,000 of a level
    for i in range(len(pictures)):
        rgb = pictures[i].reshape(1024, 3)
        total = squares = np.int64(0)
        for j in range(1024):
            r, g, b = np.int32(rgb[j, 0]), np.int32(rgb[j, 1]), np.int32(rgb[j, 2])
            luma = np.int32(299 * r + 587 * g + 114 * b)
            total += luma
            squares += np.int64(luma) * luma
            planes[0, j] = np.int32(1024 * luma)
            planes[1, j] = np.int32(1024 * (1000 * b - luma))
            planes[2, j] = np.int32(1024 * (1000 * r - luma))
        # The radicand is 1024² times the variance; it is exact and below 2**63.
        deviation = np.sqrt(np.float64(1024 * squares - total * total))
        unit = _LEVELS_PER_DEVIATION / max(deviation, 1000.0 * 1024 * _LEAST_DEVIATION)
        scales = (unit, unit * _CHROMA * 0.564, unit * _CHROMA * 0.713)
        for plane in range(3):
            scale, values, to = scales[plane], planes[plane], out[i, 1024 * plane : 1024 * (plane + 1)]
            mean = np.int32(total) if plane == 0 else np.int32(0)
            for j in range(1024):
                value = np.rint(scale * np.float64(np.int32(values[j] - mean))) + 128.0
                to[j] = np.uint8(np.int32(min(max(value, 0.0), 255.0)))
