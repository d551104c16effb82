"""Groups of duplicates: who is kept, and who is removed for whom."""

from collections.abc import Collection, Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from pipeline.imageset.format.image_set import Rows

CannotLink = Mapping[int, Collection[int]]
"""Contents that are never removed for each other; symmetric."""


def buckets_of(ids: npt.NDArray[np.integer]) -> list[Rows]:
    """Rows with equal ids, where there are at least two: rising rows, buckets in the order of their ids."""
    order = np.argsort(ids, kind="stable").astype(np.int64)
    borders = np.concatenate([[0], np.flatnonzero(np.diff(ids[order])) + 1, [len(ids)]])
    several = np.flatnonzero(np.diff(borders) > 1)
    ends = zip(borders[several].tolist(), borders[several + 1].tolist(), strict=True)
    return [order[start:end] for start, end in ends]


def find_representatives(
    ranks: Rows, buckets: Iterable[Rows], contents: Rows, apart: CannotLink, settled: Rows | None = None
) -> Rows:
    """Decide for each picture which kept picture stands for it.

    Pictures are visited in rank order. One that is not yet removed is kept, and takes every picture that is not yet
    assigned and shares a bucket with it, unless the two are judged apart. So each removed picture's keeper is kept and
    shares a bucket with it (there are no chains), and doing it again on what was kept removes nothing.

    The work is linear in the buckets' sizes, but for pairs judged apart inside large ones.

    Args:
        ranks: int64 (n,), place of each picture in the rank order, all different.
        buckets: rows any two of which are verified duplicates of each other; a row may stand in several.
        contents: int64 (n,), equal for equal contents; `apart` speaks of these.
        apart: contents that are never removed for each other.
        settled: int64 (n,), keepers that stand: such a row is never decided on again; -1 for rows that are not settled,
            None for no settled row. A settled keeper is its own, and should rank before all rows that are not settled.

    Returns:
        int64 (n,): the row of the keeper, a kept picture's being its own.
    """
    keepers = np.arange(len(ranks))
    if settled is not None:
        keepers = np.where(settled >= 0, settled, keepers)
    buckets = list(buckets)
    waiting = [bucket.tolist() for bucket in buckets]
    at: dict[int, list[int]] = {}
    for number, bucket in enumerate(buckets):
        for row in bucket.tolist():
            at.setdefault(row, []).append(number)
    visited = {row for row in at if settled is not None and settled[row] >= 0}
    for row in sorted(at, key=ranks.__getitem__):
        visited.add(row)
        if keepers[row] != row:
            continue
        foes = apart.get(int(contents[row]), ())
        for number in at[row]:
            waiting[number] = _take(waiting[number], row, keepers, visited, contents, foes)
    return keepers


def _take(
    candidates: Sequence[int], keeper: int, keepers: Rows, visited: set[int], contents: Rows, foes: Collection[int]
) -> list[int]:
    """Remove for `keeper` whom it may take; those left over, who wait for another keeper."""
    left = []
    for row in candidates:
        if row in visited or keepers[row] != row:
            continue
        if foes and int(contents[row]) in foes:
            left.append(row)
        else:
            keepers[row] = keeper
    return left
