"""Which picture of a group stays: the first in rank order."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from pipeline.dedup.inputs import to_32
from pipeline.imageset import Images, ImageSet, Rows

Rule = Literal["first", "largest", "sharpest"]

_BLOCK = 4096


def rank(images: ImageSet, keep: Sequence[Rule]) -> Rows:
    """The place of each picture in the rank order.

    Args:
        keep: rules, each deciding where those before it leave a tie; the last tie is decided by the key.

    Returns:
        int64 (n,), all different, 0 first.
    """
    order = np.lexsort([-_worth(images, rule) for rule in reversed(keep)])
    ranks = np.empty(len(images), np.int64)
    ranks[order] = np.arange(len(images))  # the sort is stable, and rows are in key order
    return ranks


def _worth(images: ImageSet, rule: Rule) -> npt.NDArray[np.int64]:
    if rule == "largest":
        width, height = (np.asarray(images.index.column(f"source_{side}"), np.int64) for side in ("width", "height"))
        return width * height
    if rule == "sharpest":
        return np.concatenate([sharpness(block) for _, block in images.blocks(_BLOCK)])
    return np.zeros(len(images), np.int64)


def sharpness(images: Images) -> npt.NDArray[np.int64]:
    """Energy of the Laplacian of the grey 32×32 picture: more for more detail.

    At one size for all, so that what is compared is the same picture in two states and not two sizes of it.

    Args:
        images: uint8 (n, side, side, 3).

    Returns:
        int64 (n,), in squares of thousandths of a level, summed.
    """
    grey = to_32(images).astype(np.int64) @ np.array([299, 587, 114])
    inner = grey[:, 1:-1, 1:-1]
    laplacian = grey[:, :-2, 1:-1] + grey[:, 2:, 1:-1] + grey[:, 1:-1, :-2] + grey[:, 1:-1, 2:] - 4 * inner
    energy: npt.NDArray[np.int64] = (laplacian * laplacian).sum(axis=(1, 2))
    return energy
