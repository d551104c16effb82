"""Candidate pairs of a search whose pictures are similar for EfficientNet-Lite0, and the maps between the pictures.

The network only proposes pairs. Local features of the two pictures give the map between them, and the pixels decide:
see `overlapping_pairs.score_overlaps`.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pipeline.core import engine, progress
from pipeline.dedup.index.efficientnet import BATCH, DIMENSIONS, Features, features_of
from pipeline.dedup.index.local_features import LocalFeatures, match_given
from pipeline.dedup.index.neighbours import nearest
from pipeline.dedup.search.overlapping_pairs import Overlapping, turned_features
from pipeline.dedup.search.turns import Turn, turned
from pipeline.imageset.format.image_set import ImageSet, Rows

_IDENTITY = np.array([1.0, 0.0, 1.0, 0.0])


def neighbour_pairs(
    sets: tuple[ImageSet, ImageSet],
    rows: Sequence[Rows],
    local: Sequence[LocalFeatures],
    candidates: Sequence[tuple[Turn, Rows, Rows]],
    count: int,
    *,
    workers: int,
) -> list[Overlapping]:
    """The pairs of a picture and one of its neighbours, for each turn of the left pictures.

    A pair without a map gets the map that changes nothing, unless it is already a candidate.

    Args:
        sets: the sets of the left and of the right pictures.
        rows: the searched rows of the set, or of both sets if they differ.
        local: the local features of these rows.
        candidates: the turns, and for each of them the candidate pairs that are already known: rows, int64 (n,).
        count: number of neighbours of each left picture.
        workers: processes or threads.
    """
    within = len(rows) == 1
    wanted: list[tuple[int, Turn]] = [(0, turn) for turn, *_ in candidates]
    features = _features(sets, rows, wanted if within else [*wanted, (1, "unchanged")], workers)
    right = features[0 if within else -1]
    found = []
    for (turn, *known), left in zip(candidates, features, strict=False):
        near = nearest(left, right, count, within=within, title=f"find neighbours ({turn})")
        a, b = np.repeat(np.arange(len(left)), near.shape[1]), near.reshape(-1)
        if within:  # to turn the one picture or the other is the same comparison
            a, b = np.minimum(a, b), np.maximum(a, b)
        pairs = np.unique(a * len(right) + b)
        mapped = match_given(
            turned_features(local[0], turn), local[-1], pairs // len(right), pairs % len(right), workers=workers
        )
        compared = [np.searchsorted(all_rows, some) for all_rows, some in zip((rows[0], rows[-1]), known, strict=True)]
        others = [one * len(right) + other for one, other in (compared, (mapped.left, mapped.right))]
        plain = np.setdiff1d(pairs, np.concatenate(others))
        a = np.concatenate([mapped.left, plain // len(right)])
        b = np.concatenate([mapped.right, plain % len(right)])
        maps = np.concatenate([mapped.maps, np.tile(_IDENTITY, (len(plain), 1))])
        found.append(Overlapping(turn, rows[0][a], rows[-1][b], maps))
    return found


def _features(
    sets: tuple[ImageSet, ImageSet], rows: Sequence[Rows], wanted: Sequence[tuple[int, Turn]], workers: int
) -> list[Features]:
    """The features of the network, for each pair (number of the set, turn) in `wanted`."""
    parts, places = [], []
    for number, (side, turn) in enumerate(wanted):
        for start in range(0, len(rows[side]), BATCH):
            parts.append((sets[side].folder, turn, rows[side][start : start + BATCH]))
            places.append((number, start))
    features = [np.empty((len(rows[side]), DIMENSIONS), np.int16) for side, _ in wanted]
    with progress.bar("compute network features", sum(map(len, features))) as advance:
        for (number, start), part in zip(places, engine.map_chunks(_compute, parts, workers=workers), strict=True):
            features[number][start : start + len(part)] = part
            advance(len(part))
    return features


def _compute(part: tuple[Path, Turn, Rows]) -> Features:
    folder, turn, rows = part
    return features_of(turned(ImageSet(folder).read(rows), turn))
