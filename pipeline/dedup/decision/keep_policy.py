"""The keep policy: the picture of a group that comes first in the rank order is kept."""

import fnmatch
import re
from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from pipeline.core.errors import MissingInput
from pipeline.core.jit import entry_point
from pipeline.dedup.encoder.encoder_input import to_32
from pipeline.dedup.pairs.originals_table import Originals
from pipeline.imageset.format.image_set import Images, ImageSet, Rows

KeepRule = Literal["original", "first", "largest", "sharpest"]

PREFERRED = "preferred"
"""What `better_by` gives for a picture that ranks first because of `prefer`."""

WHOLE = "whole"
"""What `better_by` gives for a picture that ranks before a damaged copy; under every rule, a whole copy is better."""

_BLOCK = 4096


def rank(
    images: ImageSet, keep: Sequence[KeepRule], originals: Originals | None = None, prefer: Sequence[str] = ()
) -> Rows:
    """Compute the position of each picture in the rank order.

    Args:
        images: the image set.
        keep: rules. Each rule decides between pictures that are equal under all rules before it. The row number
            decides last; within a part of the set, rows are in the order of keys.
        originals: result of `compare-sources`; needed for the rule `original`.
        prefer: patterns as of a shell, such as `camera/*`; pictures whose key matches one rank before all others.

    Returns:
        int64 (n,), a permutation of 0..n-1; 0 is the first.

    Raises:
        MissingInput: the rule `original` is used without `originals`.
    """
    values = [value for _, value in _values(images, keep, originals, prefer)]
    order = np.lexsort([-value for value in reversed(values)])
    ranks = np.empty(len(images), np.int64)
    ranks[order] = np.arange(len(images))  # the sort is stable
    return ranks


def better_by(
    images: ImageSet,
    keep: Sequence[KeepRule],
    originals: Originals | None,
    prefer: Sequence[str],
    rows: Rows,
    others: Rows,
) -> list[str | None]:
    """The rule by which each picture ranks before another one, or None if it does not.

    Args:
        images, keep, originals, prefer: as for `rank`.
        rows, others: int64 (n,), the pictures and those that they are compared with.

    Returns:
        `PREFERRED`, a rule, or for `original` the reason for which the picture is preferred to the other one.
    """
    found: list[str | None] = [None] * len(rows)
    undecided = np.ones(len(rows), bool)
    for rule, values in _values(images, keep, originals, prefer):
        difference = values[rows] - values[others]
        for n in np.flatnonzero(undecided & (difference > 0)).tolist():
            found[n] = rule
        undecided &= difference == 0
    reasons = originals.reasons() if originals else {}
    return [
        reasons.get((int(row), int(other)), rule) if rule == "original" else rule
        for rule, row, other in zip(found, rows, others, strict=True)
    ]


def _values(
    images: ImageSet, keep: Sequence[KeepRule], originals: Originals | None, prefer: Sequence[str]
) -> list[tuple[str, Rows]]:
    """The values that rank pictures, larger ones first, with the names of their rules."""
    values: list[tuple[str, Rows]] = []
    if prefer:
        pattern = re.compile("|".join(map(fnmatch.translate, prefer)))
        values.append((PREFERRED, np.array([pattern.match(key) is not None for key in images.keys], np.int64)))
    damaged = np.asarray(images.index.column("damaged").fill_null(False), np.int64)
    values.append((WHOLE, -damaged))
    for rule in keep:
        if rule == "original":
            if originals is None:
                raise MissingInput("keep: original needs --originals, the result folder of compare-sources")
            values.append((rule, originals.net_wins))
            values.append(("largest", _source_pixels(images)))
            values.append(("largest", np.asarray(images.index.column("source_bytes"), np.int64)))
        elif rule == "largest":
            values.append((rule, _source_pixels(images)))
        elif rule == "sharpest":
            values.append((rule, np.concatenate([sharpness(block) for _, block in images.blocks(_BLOCK)])))
        else:
            values.append((rule, -np.arange(len(images))))
    return values


def _source_pixels(images: ImageSet) -> Rows:
    width, height = (np.asarray(images.index.column(f"source_{side}"), np.int64) for side in ("width", "height"))
    return width * height


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
