"""Frames, letterboxes and other bars of one colour: where they are, and a picture without them.

Strangers agree in their frames, and a copy may have lost or gained one: so what was added for certain is cut off before
a picture is encoded, and what may be a bar is cut off in one view of it, and where pixels are compared.
"""

import numpy as np
import numpy.typing as npt

from pipeline.core.jit import compiled, entry_point
from pipeline.dedup.encoder.encoder_input import resample
from pipeline.imageset.format.image_set import Images

Line = npt.NDArray[np.int32]
Bounds = tuple[int, int, int, int]

_WIDEST_BAR = 10

_ALONE: Bounds = (8_000, 21_000, 17_000, 0)
"""Of a bar: how far light, and blue and red less light, lie from its colour at most, in 1/1000 level (of BT.601's
colour differences these are 12 levels); and how many pixels of a line may lie further."""

_OF_A_PAIR: Bounds = (16_000, 42_000, 34_000, 3)
"""The same of a bar that has its like at the opposite side."""

_END_OF_FRAME, _END_OF_LETTERBOX = 8, 20
"""Pixels that lie further on the first line behind such a bar, or on the next: a picture's edge, which is straight."""


def strip_bars(pictures: Images) -> Images:
    """Cut off bars of one colour at the four sides, and scale what they held to 32×32.

    Frames and letterboxes: see `strip_frame`. Of any other bar all pixels lie within 8 levels of light and 12 of colour
    of its outermost line's median. A bar takes at most 10 lines. The line where bar and picture meet is a mixture of
    both, and goes too. A picture that would keep less than 12 lines stays as it is.

    Args:
        pictures: uint8 (n, 32, 32, 3).
    """
    return _strip(pictures, False)


def strip_frame(pictures: Images) -> Images:
    """Cut off bars that were added for certain: frames at all four sides, letterboxes at two opposite ones.

    Two opposite bars are of one colour and, but for one line, equally wide, and end where a straight edge begins, which
    hardly an object before an even background has. That is evidence enough to overlook a corner, or what compression
    left: of each line 3 pixels may be of any colour, and all others lie within 16 levels of light and 24 of colour. A
    frame one pixel wide that JPEG has mixed with the picture is not known.

    Args:
        pictures: uint8 (n, 32, 32, 3).
    """
    return _strip(pictures, True)


def without_bars(pictures: Images) -> npt.NDArray[np.int64]:
    """What `strip_bars` keeps of each picture: int64 (n, 4), each a `Box`; the whole where it cuts nothing off."""
    return _boxes(np.ascontiguousarray(pictures), False)


def _strip(pictures: Images, certain_alone: bool) -> Images:
    pictures = np.ascontiguousarray(pictures)
    out = pictures.copy()
    _cut_off(pictures, _boxes(pictures, certain_alone), out)
    return out


@entry_point("(uint8[:,:,:,::1], int64[:,::1], uint8[:,:,:,::1])")
def _cut_off(pictures: Images, boxes: npt.NDArray[np.int64], out: Images) -> None:
    for i in range(len(pictures)):
        if boxes[i, 2] < 32 or boxes[i, 3] < 32:
            resample(pictures[i], boxes[i, 0], boxes[i, 1], boxes[i, 2], boxes[i, 3], out[i])


@entry_point("(uint8[:,:,:,::1], boolean)")
def _boxes(pictures: Images, certain_alone: bool) -> npt.NDArray[np.int64]:
    out = np.empty((len(pictures), 4), np.int64)
    bars, ends = np.empty((2, 2), np.int64), np.empty(2, np.int64)
    line, colours = np.empty((3, 32), np.int32), np.empty((2, 3), np.int32)
    for i in range(len(pictures)):
        for axis in range(2):
            ends[axis] = _pair(pictures[i], axis, line, colours, bars[axis])
        framed = min(ends[0], ends[1]) >= _END_OF_FRAME
        for axis in range(2):
            if not framed and ends[axis] < _END_OF_LETTERBOX:
                for far in range(2):
                    bars[axis, far] = 0
                    if not certain_alone and _is_even(pictures[i], axis, far, False, line, colours[far]):
                        bars[axis, far] = _bar(pictures[i], axis, far, False, line, colours[far])[0]
        height, width = 32 - bars[0, 0] - bars[0, 1], 32 - bars[1, 0] - bars[1, 1]
        if height < 12 or width < 12:
            out[i, 0], out[i, 1], out[i, 2], out[i, 3] = 0, 0, 32, 32
        else:
            out[i, 0], out[i, 1], out[i, 2], out[i, 3] = bars[0, 0], bars[1, 0], height, width
    return out


@compiled
def _pair(picture: Images, axis: int, line: Line, colours: Line, bars: npt.NDArray[np.int64]) -> int:
    """How many lines two opposite bars take, into `bars`; and how many pixels lie off where they end: 0 for no pair."""
    for far in range(2):
        if not _is_even(picture, axis, far, True, line, colours[far]):
            return 0
    for plane in range(3):
        if abs(colours[0, plane] - colours[1, plane]) > _OF_A_PAIR[plane]:
            return 0
    least = 32
    for far in range(2):
        bars[far], end = _bar(picture, axis, far, True, line, colours[far])
        least = min(least, end)
    return least if abs(bars[0] - bars[1]) <= 1 else 0


@compiled
def _is_even(picture: Images, axis: int, far: int, paired: bool, line: Line, colour: Line) -> bool:
    """Whether the outermost line is one of a bar; its medians go into `colour`."""
    bounds = _OF_A_PAIR if paired else _ALONE
    _read(picture, axis, far, 0, line)
    pairs = 0  # a bar's pixels differ by twice the bound at most: a quick no for nearly all pictures
    for place in range(16):
        pairs += abs(line[0, place] - line[0, place + 16]) > 2 * bounds[0]
    if pairs > bounds[3]:
        return False
    for plane in range(3):
        colour[plane] = _median(line[plane])
    return _off(line, colour, bounds) <= bounds[3]


@compiled
def _bar(picture: Images, axis: int, far: int, paired: bool, line: Line, colour: Line) -> tuple[int, int]:
    """How many lines a bar takes, the mixed one included, and how many pixels lie off that one or the next."""
    bounds = _OF_A_PAIR if paired else _ALONE
    end = 0
    for number in range(1, _WIDEST_BAR + 2):
        _read(picture, axis, far, number, line)
        off = _off(line, colour, bounds)
        if end > bounds[3]:
            return number, max(end, off)
        end = off
    return 0, 0


@compiled
def _read(picture: Images, axis: int, far: int, number: int, line: Line) -> None:
    """Light, and blue and red less light, of a line across an axis (0: top to bottom), counted from one of its ends."""
    at = 31 - number if far else number
    for place in range(32):
        y, x = (at, place) if axis == 0 else (place, at)
        r, g, b = np.int32(picture[y, x, 0]), np.int32(picture[y, x, 1]), np.int32(picture[y, x, 2])
        luma = np.int32(299 * r + 587 * g + 114 * b)
        line[0, place], line[1, place], line[2, place] = luma, 1000 * b - luma, 1000 * r - luma


@compiled
def _off(line: Line, colour: Line, bounds: Bounds) -> int:
    """How many pixels lie further from the colour than a bar's."""
    count = 0
    for place in range(32):
        far = False
        for plane in range(3):
            far |= abs(line[plane, place] - colour[plane]) > bounds[plane]
        count += far
    return count


@compiled
def _median(values: Line) -> int:
    """The 17th of 32 values in order, by counting: for so few, faster than sorting them."""
    for value in values:
        below = equal = 0
        for other in values:
            below += other < value
            equal += other == value
        if below <= 16 < below + equal:
            return int(value)
    return 0
