"""Find and cut off frames, letterboxes and other bars of one colour.

Unrelated pictures may have the same frame, and a copy may have lost or gained one. Frames and letterboxes that were
certainly added are therefore cut off before a picture is encoded. Anything else that may be a bar is cut off in one of
the views of the picture, and when pixels are compared.
"""

import numpy as np
import numpy.typing as npt

from pipeline.core.jit import compiled, entry_point
from pipeline.dedup.encoder.encoder_input import resample
from pipeline.imageset.format.image_set import Images

Line = npt.NDArray[np.int32]
Tolerance = tuple[int, int, int, int]

_MAX_BAR_WIDTH = 10

_SINGLE_BAR: Tolerance = (8_000, 21_000, 17_000, 0)
"""Tolerance of a single bar: how far luma, blue minus luma and red minus luma may differ from the bar's colour, in
1/1000 level (8 levels of luma, 12 of BT.601's colour differences), and how many pixels per line may differ more."""

_OPPOSITE_BARS: Tolerance = (16_000, 42_000, 34_000, 3)
"""Tolerance of a bar with a similar bar on the opposite side."""

_MIN_FRAME_EDGE, _MIN_LETTERBOX_EDGE = 8, 20
"""Minimum number of pixels (of 32) that differ from the bar on the first or second line of the picture behind it."""


def strip_bars(pictures: Images) -> Images:
    """Cut off bars of one colour at the four sides and scale the rest to 32×32.

    Besides the frames and letterboxes that `strip_frame` cuts off, a bar is any run of at most 10 lines whose pixels
    all lie within 8 levels of luma and 12 of colour of the outermost line's median. The next line is cut off too,
    because it mixes bar and picture. A picture that would keep fewer than 12 lines is returned unchanged.

    Args:
        pictures: uint8 (n, 32, 32, 3).

    Returns:
        A new array, uint8 (n, 32, 32, 3).
    """
    return _strip(pictures, False)


def strip_frame(pictures: Images) -> Images:
    """Cut off frames (bars on all four sides) and letterboxes (bars on two opposite sides) and scale the rest to 32×32.

    Two opposite bars have one colour, differ in width by at most one line, and end at a straight edge; an object on a
    plain background seldom has such an edge. Because this is strong evidence, the tolerance is wide enough for rounded
    corners and compression: in each line 3 pixels may have any colour, and all others lie within 16 levels of luma and
    24 of colour. A frame that is one pixel wide and was mixed with the picture by JPEG is not found.

    Args:
        pictures: uint8 (n, 32, 32, 3).

    Returns:
        A new array, uint8 (n, 32, 32, 3).
    """
    return _strip(pictures, True)


def content_boxes(pictures: Images) -> npt.NDArray[np.int64]:
    """Return the part of each picture that `strip_bars` keeps.

    Args:
        pictures: uint8 (n, 32, 32, 3).

    Returns:
        int64 (n, 4): top, left, height and width in pixels; (0, 0, 32, 32) where nothing is cut off.
    """
    return _boxes(np.ascontiguousarray(pictures), False)


def _strip(pictures: Images, certain_only: bool) -> Images:
    pictures = np.ascontiguousarray(pictures)
    out = pictures.copy()
    _cut_off(pictures, _boxes(pictures, certain_only), out)
    return out


@entry_point("(uint8[:,:,:,::1], int64[:,::1], uint8[:,:,:,::1])")
def _cut_off(pictures: Images, boxes: npt.NDArray[np.int64], out: Images) -> None:
    for i in range(len(pictures)):
        if boxes[i, 2] < 32 or boxes[i, 3] < 32:
            resample(pictures[i], boxes[i, 0], boxes[i, 1], boxes[i, 2], boxes[i, 3], out[i])


@entry_point("(uint8[:,:,:,::1], boolean)")
def _boxes(pictures: Images, certain_only: bool) -> npt.NDArray[np.int64]:
    out = np.empty((len(pictures), 4), np.int64)
    bars, ends = np.empty((2, 2), np.int64), np.empty(2, np.int64)
    line, colours = np.empty((3, 32), np.int32), np.empty((2, 3), np.int32)
    for i in range(len(pictures)):
        for axis in range(2):
            ends[axis] = _find_opposite_bars(pictures[i], axis, line, colours, bars[axis])
        framed = min(ends[0], ends[1]) >= _MIN_FRAME_EDGE
        for axis in range(2):
            if not framed and ends[axis] < _MIN_LETTERBOX_EDGE:
                for far in range(2):
                    bars[axis, far] = 0
                    if not certain_only and _is_bar_line(pictures[i], axis, far, False, line, colours[far]):
                        bars[axis, far] = _measure_bar(pictures[i], axis, far, False, line, colours[far])[0]
        height, width = 32 - bars[0, 0] - bars[0, 1], 32 - bars[1, 0] - bars[1, 1]
        if height < 12 or width < 12:
            out[i, 0], out[i, 1], out[i, 2], out[i, 3] = 0, 0, 32, 32
        else:
            out[i, 0], out[i, 1], out[i, 2], out[i, 3] = bars[0, 0], bars[1, 0], height, width
    return out


@compiled
def _find_opposite_bars(picture: Images, axis: int, line: Line, colours: Line, bars: npt.NDArray[np.int64]) -> int:
    """Find two similar bars on opposite sides; write their widths in lines to `bars`.

    Returns:
        The number of pixels that differ where a bar ends, 0..32, the smaller one of both sides; 0 if there is no pair.
    """
    for far in range(2):
        if not _is_bar_line(picture, axis, far, True, line, colours[far]):
            return 0
    for plane in range(3):
        if abs(colours[0, plane] - colours[1, plane]) > _OPPOSITE_BARS[plane]:
            return 0
    least = 32
    for far in range(2):
        bars[far], end = _measure_bar(picture, axis, far, True, line, colours[far])
        least = min(least, end)
    return least if abs(bars[0] - bars[1]) <= 1 else 0


@compiled
def _is_bar_line(picture: Images, axis: int, far: int, paired: bool, line: Line, colour: Line) -> bool:
    """Tell whether the outermost line can belong to a bar; if so, write its median colour to `colour`."""
    tolerance = _OPPOSITE_BARS if paired else _SINGLE_BAR
    _read_line(picture, axis, far, 0, line)
    pairs = 0  # two pixels of a bar differ by at most twice the bound: rejects nearly all pictures quickly
    for place in range(16):
        pairs += abs(line[0, place] - line[0, place + 16]) > 2 * tolerance[0]
    if pairs > tolerance[3]:
        return False
    for plane in range(3):
        colour[plane] = _median(line[plane])
    return _count_outliers(line, colour, tolerance) <= tolerance[3]


@compiled
def _measure_bar(picture: Images, axis: int, far: int, paired: bool, line: Line, colour: Line) -> tuple[int, int]:
    """Measure a bar: its width in lines with the mixed line, and how many pixels differ on that line or the next.

    Returns (0, 0) if the bar is wider than 10 lines.
    """
    tolerance = _OPPOSITE_BARS if paired else _SINGLE_BAR
    end = 0
    for number in range(1, _MAX_BAR_WIDTH + 2):
        _read_line(picture, axis, far, number, line)
        outliers = _count_outliers(line, colour, tolerance)
        if end > tolerance[3]:
            return number, max(end, outliers)
        end = outliers
    return 0, 0


@compiled
def _read_line(picture: Images, axis: int, far: int, number: int, line: Line) -> None:
    """Write luma, blue minus luma and red minus luma of a row (axis 0) or column (axis 1) to `line`, in 1/1000 level.

    Args:
        far: 0 to count lines from the top or left, 1 from the bottom or right.
        number: number of the line, from 0.
        line: int32 (3, 32).
    """
    at = 31 - number if far else number
    for place in range(32):
        y, x = (at, place) if axis == 0 else (place, at)
        r, g, b = np.int32(picture[y, x, 0]), np.int32(picture[y, x, 1]), np.int32(picture[y, x, 2])
        luma = np.int32(299 * r + 587 * g + 114 * b)
        line[0, place], line[1, place], line[2, place] = luma, 1000 * b - luma, 1000 * r - luma


@compiled
def _count_outliers(line: Line, colour: Line, tolerance: Tolerance) -> int:
    """Count the pixels of a line that differ from a bar's colour by more than the tolerance."""
    count = 0
    for place in range(32):
        far = False
        for plane in range(3):
            far |= abs(line[plane, place] - colour[plane]) > tolerance[plane]
        count += far
    return count


@compiled
def _median(values: Line) -> int:
    """Return the 17th smallest of 32 values by counting, which is faster than sorting."""
    for value in values:
        below = equal = 0
        for other in values:
            below += other < value
            equal += other == value
        if below <= 16 < below + equal:
            return int(value)
    return 0
