"""Groups of duplicates: each group has one kept picture, its representative, and the pictures removed for it."""

from collections.abc import Collection, Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from pipeline.imageset.format.image_set import Rows

CannotLink = Mapping[int, Collection[int]]
"""For each content, the contents that must not be in the same group; symmetric."""


def buckets_of(ids: npt.NDArray[np.integer]) -> list[Rows]:
    """For each id that at least two rows have, in increasing order, the rows with this id, increasing."""
    order = np.argsort(ids, kind="stable").astype(np.int64)
    borders = np.concatenate([[0], np.flatnonzero(np.diff(ids[order])) + 1, [len(ids)]])
    several = np.flatnonzero(np.diff(borders) > 1)
    ends = zip(borders[several].tolist(), borders[several + 1].tolist(), strict=True)
    return [order[start:end] for start, end in ends]


def find_representatives(
    ranks: Rows, buckets: Iterable[Rows], contents: Rows, cannot_link: CannotLink, prior: Rows | None = None
) -> Rows:
    """Find the representative of each picture: the kept picture for which it is removed, or the picture itself.

    Pictures are visited in rank order. A picture that is not yet removed is kept. It becomes the representative of all
    pictures that share a bucket with it, except visited or removed pictures and those that `cannot_link` forbids. So
    the representative of a removed picture is kept and shares a bucket with it (there are no chains), and a second run
    on the kept pictures removes nothing.

    The time is linear in the total size of the buckets, except for forbidden pairs within large buckets.

    Args:
        ranks: int64 (n,), position of each picture in the rank order, all different.
        buckets: rows, any two of which are duplicates; a row may be in several buckets.
        contents: int64 (n,), equal for equal contents; the numbers in `cannot_link`.
        cannot_link: contents that must not be removed for each other.
        prior: int64 (n,), representatives from an earlier result, which do not change; -1 for rows without an earlier
            decision; None if no row has one. An earlier representative is its own representative, and should rank
            before all rows without an earlier decision.

    Returns:
        int64 (n,): the row of the representative, which is the row itself for kept pictures.
    """
    representatives = np.arange(len(ranks))
    if prior is not None:
        representatives = np.where(prior >= 0, prior, representatives)
    buckets = list(buckets)
    waiting = [bucket.tolist() for bucket in buckets]
    buckets_with: dict[int, list[int]] = {}
    for number, bucket in enumerate(buckets):
        for row in bucket.tolist():
            buckets_with.setdefault(row, []).append(number)
    visited = {row for row in buckets_with if prior is not None and prior[row] >= 0}
    for row in sorted(buckets_with, key=ranks.__getitem__):
        visited.add(row)
        if representatives[row] != row:
            continue
        forbidden = cannot_link.get(int(contents[row]), ())
        for number in buckets_with[row]:
            waiting[number] = _assign(waiting[number], row, representatives, visited, contents, forbidden)
    return representatives


def prefer_buckets(
    representatives: Rows,
    ranks: Rows,
    buckets: Sequence[Rows],
    contents: Rows,
    cannot_link: CannotLink,
    prior: Rows | None = None,
) -> Rows:
    """Give removed pictures a representative that shares one of the given buckets with them, if a kept picture does.

    No other picture is kept or removed by this.

    Args:
        representatives: int64 (n,), from `find_representatives` with these and other buckets.
        ranks, contents, cannot_link, prior: as for `find_representatives`.
        buckets: the preferred buckets.

    Returns:
        int64 (n,): the new representatives. Of several kept pictures, the one that ranks first is chosen.
    """
    buckets_with: dict[int, set[int]] = {}
    for number, bucket in enumerate(buckets):
        for row in bucket.tolist():
            buckets_with.setdefault(row, set()).add(number)
    found = representatives.copy()
    for row, numbers in buckets_with.items():
        representative = int(representatives[row])
        earlier = prior is not None and prior[row] >= 0
        if representative == row or earlier or numbers & buckets_with.get(representative, set()):
            continue
        forbidden = cannot_link.get(int(contents[row]), ())
        shared = np.concatenate([buckets[number] for number in numbers])
        kept = [
            other for other in shared[representatives[shared] == shared].tolist() if contents[other] not in forbidden
        ]
        found[row] = min(kept, key=ranks.__getitem__, default=representative)
    return found


def _assign(
    candidates: Sequence[int],
    representative: int,
    representatives: Rows,
    visited: set[int],
    contents: Rows,
    forbidden: Collection[int],
) -> list[int]:
    """Remove all allowed candidates for `representative`; return the forbidden ones, which may get another."""
    remaining = []
    for row in candidates:
        if row in visited or representatives[row] != row:
            continue
        if forbidden and int(contents[row]) in forbidden:
            remaining.append(row)
        else:
            representatives[row] = representative
    return remaining
