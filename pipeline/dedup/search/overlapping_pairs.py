"""Candidate pairs of a search in which one picture shows a part of the other one, and their scores."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.core import engine, progress
from pipeline.dedup.index.local_features import LEAST_SIDE, LocalFeatures, LocalMatches, find_features, join, match
from pipeline.dedup.scoring import overlap
from pipeline.dedup.scoring.pair_scorer_highres import CompareSide, source_sides
from pipeline.dedup.search.turns import Turn, turned
from pipeline.imageset.format.image_set import ImageSet, Rows

_FEATURES_BLOCK = 64
_COMPARE_BLOCK = 128


class Overlapping(NamedTuple):
    """Pairs of one turn of the left pictures: rows, int64 (n,), and the maps from left to right, float64 (n, 4)."""

    turn: Turn
    left: Rows
    right: Rows
    maps: npt.NDArray[np.float64]


def features_of(images: ImageSet, rows: Rows, *, workers: int) -> LocalFeatures:
    """The local features of pictures of a set; none if the pictures are smaller than 64 pixels per side.

    The pictures are numbered by their place in `rows`.
    """
    if images.side < LEAST_SIDE:
        return join([], [])
    starts = range(0, len(rows), _FEATURES_BLOCK)
    blocks = [rows[start : start + _FEATURES_BLOCK] for start in starts]
    found = []
    with progress.bar("find local features", len(rows)) as advance:
        for block, part in zip(
            blocks, engine.map_chunks(partial(_find, images.folder), blocks, workers=workers), strict=True
        ):
            found.append(part)
            advance(len(block))
    return join(found, list(starts))


def matches_of(left: LocalFeatures, right: LocalFeatures, turn: Turn, *, within: bool, workers: int) -> LocalMatches:
    """Pairs of pictures with equal features, after turning the left pictures; see `local_features.match`."""
    left = turned_features(left, turn)
    return match(left, right, within=within, title=f"match features ({turn})", workers=workers)


def turned_features(features: LocalFeatures, turn: Turn) -> LocalFeatures:
    """The local features of turned pictures."""
    return features.mirrored() if turn == "mirrored" else features


def score_overlaps(
    sets: tuple[ImageSet, ImageSet], pairs: Sequence[Overlapping], side: CompareSide, least: float, *, workers: int
) -> list[npt.NDArray[np.float64]]:
    """The scores of the pairs of each turn; see `overlap.score`.

    Args:
        sets: the sets of the left and of the right pictures.
        pairs: the pairs of each turn.
        side: side at which pairs are compared.
        least: threshold for copies.
        workers: processes.
    """
    parts = []
    for one in pairs:
        for start in range(0, len(one.left), _COMPARE_BLOCK):
            piece = slice(start, start + _COMPARE_BLOCK)
            parts.append(Overlapping(one.turn, one.left[piece], one.right[piece], one.maps[piece]))
    compare = partial(_score, (sets[0].folder, sets[1].folder), side, least)
    scores = [np.empty(0)]
    with progress.bar("compare overlaps", sum(len(part.left) for part in parts), "pairs") as advance:
        for part in engine.map_chunks(compare, parts, workers=workers):
            scores.append(part)
            advance(len(part))
    return np.split(np.concatenate(scores), np.cumsum([len(one.left) for one in pairs])[:-1])


def _find(folder: Path, rows: Rows) -> LocalFeatures:
    return find_features(ImageSet(folder).read(rows))


def _score(folders: tuple[Path, Path], side: CompareSide, least: float, part: Overlapping) -> npt.NDArray[np.float64]:
    left = _read(ImageSet(folders[0]), part.left, part.turn)
    right = _read(ImageSet(folders[1]), part.right, "unchanged")
    return overlap.score(left, right, part.maps, side, least)


def _read(images: ImageSet, rows: Rows, turn: Turn) -> overlap.Parts:
    long, overviews = images.overviews(rows)
    index = images.index.take(rows)
    width, height = (np.asarray(index.column(f"source_{name}"), np.int64) for name in ("width", "height"))
    boxed = np.asarray(index.column("box").is_valid())  # the square is the box; the rest of the source is not meant
    width, height = (np.where(boxed, 1, size) for size in (width, height))
    squares = np.ascontiguousarray(turned(images.read(rows), turn))
    sides = source_sides(images)[rows]
    return overlap.Parts(squares, overlap.frames(width, height), sides, long, turned(overviews, turn))
