"""The keep policy: the picture of a group that comes first in the rank order is kept."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from pipeline.core.jit import entry_point
from pipeline.dedup.encoder.encoder_input import to_32
from pipeline.imageset.format.image_set import Images, ImageSet, Rows

KeepRule = Literal["first", "largest", "sharpest"]

_BLOCK = 4096


def rank(images: ImageSet, keep: Sequence[KeepRule]) -> Rows:
    """Compute the position of each picture in the rank order.

    Args:
        images: the image set.
        keep: rules. Each rule decides between pictures that are equal under all rules before it. The row number
            decides last; within a part of the set, rows are in the order of keys.

    Returns:
        int64 (n,), a permutation of 0..n-1; 0 is the first.
    """
    order = np.lexsort([-_rule_values(images, rule) for rule in reversed(keep)])
    ranks = np.empty(len(images), np.int64)
    ranks[order] = np.arange(len(images))  # the sort is stable
    return ranks


def _rule_values(images: ImageSet, rule: KeepRule) -> npt.NDArray[np.int64]:
    if rule == "largest":
        width, height = (np.asarray(images.index.column(f"source_{side}"), np.int64) for side in ("width", "height"))
        return width * height
    if rule == "sharpest":
        return np.concatenate([sharpness(block) for _, block in images.blocks(_BLOCK)])
    return np.zeros(len(images), np.int64)


def sharpness(images: Images) -> npt.NDArray[np.int64]:
    """Energy of the Laplacian of the grey picture at 32×32; pictures with more detail have higher values.

    All pictures are reduced to one size, so that the size does not decide.

    Args:
        images: uint8 (n, side, side, 3).

    Returns:
        int64 (n,), sum of squares, in units of (level / 1000)².
    """
    energy = np.empty(len(images), np.int64)
    _sharpness(to_32(images), energy)
    return energy


@entry_point("(uint8[:,:,:,::1], int64[::1])")
def _sharpness(pictures: Images, energy: Rows) -> None:
    grey = np.empty((32, 32), np.int32)
    for i in range(len(pictures)):
        for y in range(32):
            for x in range(32):
                r, g, b = np.int32(pictures[i, y, x, 0]), np.int32(pictures[i, y, x, 1]), np.int32(pictures[i, y, x, 2])
                grey[y, x] = 299 * r + 587 * g + 114 * b
        total = np.int64(0)
        for y in range(1, 31):
            for x in range(1, 31):
                around = np.int64(grey[y - 1, x]) + grey[y + 1, x] + grey[y, x - 1] + grey[y, x + 1]
                laplacian = around - 4 * np.int64(grey[y, x])
                total += laplacian * laplacian
        energy[i] = total
