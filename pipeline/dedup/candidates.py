"""Pairs of pictures worth comparing: those that meet in one of the searches."""

from typing import Any

import numpy as np

from pipeline import progress
from pipeline.dedup.codes import Codes
from pipeline.dedup.neighbours import pairs_between
from pipeline.dedup.probes import PROBES
from pipeline.errors import BadParameters
from pipeline.imageset import Rows


def find_candidates(left: Codes, right: Codes, radius: int, *, most: int, title: str) -> tuple[Rows, Rows]:
    """All pairs i < j of which some view of `left` picture i, and of `right` picture j, lie within the radius.

    Left and right are the same pictures; the left ones may be mirrored, for decoys.

    Args:
        left, right: uint8 (views, n, 16).
        radius: Hamming radius of the whole pictures' codes; see `Probe.nearer`.
        most: pairs that are gathered at most.
        title: of the progress bar.

    Returns:
        i and j, each int64 (pairs,), ordered by i, then j, each pair once.

    Raises:
        BadParameters: there are more pairs than `most`.
    """
    count = left.shape[1]
    found = np.empty(0, np.int64)
    with progress.bar(title, len(PROBES), "searches") as advance:
        for probe in PROBES:
            if radius >= probe.nearer:
                met = _within(left[probe.left], right[probe.right], radius - probe.nearer, count)
                found = np.union1d(found, met)
            if len(found) > most:
                raise BadParameters(
                    f"{title}: more than {most:,} pairs to compare at radius {radius}; choose a smaller radius, or a "
                    "higher max_candidates (some thousand pairs a second are compared)"
                )
            advance(1)
    return found // count, found % count


def _within(left: Codes, right: Codes, radius: int, count: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Pairs i < j as i · count + j."""
    met = [
        pairs.left[ahead].astype(np.int64) * count + pairs.right[ahead]
        for pairs in pairs_between(left, right, radius)
        for ahead in [pairs.left < pairs.right]
    ]
    return np.concatenate([np.empty(0, np.int64), *met])
