"""Pairs of pictures worth comparing: those that meet in one of the searches."""

import numpy as np

from pipeline.core import progress
from pipeline.core.errors import BadParameters
from pipeline.dedup.encoder.codes import Codes
from pipeline.dedup.index.hamming_index import pairs_between
from pipeline.dedup.index.views import PROBES
from pipeline.imageset.format.image_set import Rows


def find_candidates(
    left: Codes, right: Codes, radius: int, *, within: bool, most: int, title: str, workers: int = 1
) -> tuple[Rows, Rows]:
    """All pairs of which some view of `left` picture i, and of `right` picture j, lie within the radius.

    Args:
        left, right: uint8 (views, n, 16) and uint8 (views, m, 16).
        within: left and right are the same pictures (the left ones may be mirrored, for decoys), and only i < j counts.
        radius: Hamming radius of the whole pictures' codes; see `Probe.nearer`.
        most: pairs that are gathered at most.
        title: of the progress bar.
        workers: threads.

    Returns:
        i and j, each int64 (pairs,), ordered by i, then j, each pair once.

    Raises:
        BadParameters: there are more pairs than `most`.
    """
    count = right.shape[1]
    found = np.empty(0, np.int64)
    with progress.bar(title, len(PROBES), "searches") as advance:
        for probe in PROBES:
            if radius >= probe.nearer:
                met = _meetings(left[probe.left], right[probe.right], radius - probe.nearer, within, workers)
                found = np.union1d(found, met)
            if len(found) > most:
                raise BadParameters(
                    f"{title}: more than {most:,} pairs to compare at radius {radius}; choose a smaller radius, or a "
                    "higher max_candidates (some thousand pairs a second are compared)"
                )
            advance(1)
    return found // count, found % count


def _meetings(left: Codes, right: Codes, radius: int, within: bool, workers: int) -> Rows:
    """Pairs as i · count of right + j."""
    met = []
    for pairs in pairs_between(left, right, radius, workers=workers):
        taken = pairs.left < pairs.right if within else slice(None)
        met.append(pairs.left[taken] * len(right) + pairs.right[taken])
    return np.concatenate([np.empty(0, np.int64), *met])
