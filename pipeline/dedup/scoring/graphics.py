"""Icons, line art and diagrams: pictures with large areas of a single colour.

The few edges of such a picture can be aligned with those of many others: two white rectangles of different size and
place are an affine map of each other, and then agree in every band of `pair_scorer`. So two such pictures are copies
only if they also agree without an alignment.
"""

import numpy as np
import numpy.typing as npt

from pipeline.imageset.format.image_set import Images

_CELL = 4
_FLAT_LEVELS = 3
_FLAT_SHARE = 0.5
"""A picture is a graphic if in this share of its cells, no channel varies by more than these levels. That applies to
0.1 % of Tiny ImageNet's photographs and 0.03 % of CIFAR-10's; icons have a share of 0.73 or more."""

_MIN_CORRELATION = 0.95
"""Copies of icons (JPEG quality 30, a third of the size, 3 % cropped away) have 0.97 or more; rectangles of which one
is moved by 4 % of the side have 0.85 or less."""


def is_graphic(small: Images) -> npt.NDArray[np.bool_]:
    """Whether at least half of a picture consists of cells of a single colour.

    Args:
        small: uint8 (n, 32, 32, 3).

    Returns:
        bool (n,).
    """
    cells = small.reshape(len(small), 32 // _CELL, _CELL, 32 // _CELL, _CELL, 3)
    ranges = cells.max(axis=(2, 4)) - cells.min(axis=(2, 4))
    graphic: npt.NDArray[np.bool_] = (ranges.max(axis=3) <= _FLAT_LEVELS).mean(axis=(1, 2)) >= _FLAT_SHARE
    return graphic


def differ_in_place(left: Images, right: Images) -> npt.NDArray[np.bool_]:
    """Whether picture i of `left` and picture i of `right` are both graphics that do not agree without an alignment.

    Args:
        left, right: uint8 (n, 32, 32, 3).

    Returns:
        bool (n,).
    """
    both = np.flatnonzero(is_graphic(left) & is_graphic(right))
    # Sums of integers are exact, so the result is the same on every machine.
    a, b = (pictures[both].reshape(len(both), 32 * 32 * 3).astype(np.int64) for pictures in (left, right))
    a, b = (a.shape[1] * values - values.sum(axis=1, keepdims=True) for values in (a, b))
    together, scale = (a * b).sum(axis=1), (a * a).sum(axis=1).astype(np.float64) * (b * b).sum(axis=1)
    differ = np.zeros(len(left), bool)
    differ[both] = (together <= 0) | (together.astype(np.float64) ** 2 < _MIN_CORRELATION**2 * scale)
    return differ
