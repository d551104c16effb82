"""Candidate pairs: pairs of pictures whose codes differ in few bits for at least one pair of views."""

import numpy as np

from pipeline.core import progress
from pipeline.core.errors import BadParameters
from pipeline.dedup.encoder.codes import Codes
from pipeline.dedup.index.hamming_index import pairs_between
from pipeline.dedup.index.views import VIEW_PAIRS
from pipeline.imageset.format.image_set import Rows


def find_candidates(
    left: Codes, right: Codes, radius: int, *, within: bool, most: int, title: str, workers: int = 1
) -> tuple[Rows, Rows]:
    """Find all pairs (i, j) such that codes of left picture i and right picture j lie within the radius in a view pair.

    Args:
        left, right: uint8 (views, n, 16) and uint8 (views, m, 16).
        radius: Hamming radius for the codes of whole pictures; see `ViewPair.radius_offset`.
        within: whether left and right are the same pictures (the left ones may be mirrored, for decoys). If so, only
            pairs with i < j are returned.
        most: maximum number of pairs.
        title: title of the progress bar.
        workers: threads.

    Returns:
        i and j, each int64 (pairs,), without repetitions, ordered by i, then j.

    Raises:
        BadParameters: there are more pairs than `most`.
    """
    count = right.shape[1]
    found = np.empty(0, np.int64)
    with progress.bar(title, len(VIEW_PAIRS), "searches") as advance:
        for pair in VIEW_PAIRS:
            if radius >= pair.radius_offset:
                near = _pairs_within(left[pair.left], right[pair.right], radius - pair.radius_offset, within, workers)
                found = np.union1d(found, near)
            if len(found) > most:
                raise BadParameters(
                    f"{title}: more than {most:,} pairs to compare at radius {radius}; choose a smaller radius, or a "
                    "higher max_candidates (a few thousand pairs are compared per second)"
                )
            advance(1)
    return found // count, found % count


def _pairs_within(left: Codes, right: Codes, radius: int, within: bool, workers: int) -> Rows:
    """Pairs (i, j) of codes within the radius, as numbers i · len(right) + j."""
    found = []
    for pairs in pairs_between(left, right, radius, workers=workers):
        chosen = pairs.left < pairs.right if within else slice(None)
        found.append(pairs.left[chosen] * len(right) + pairs.right[chosen])
    return np.concatenate([np.empty(0, np.int64), *found])
