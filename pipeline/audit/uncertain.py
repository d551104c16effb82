"""The removals that are the least certain: where there are errors, they stand here first."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.core import files
from pipeline.core.errors import CorruptData
from pipeline.dedup.pairs.classes_table import digest_ids
from pipeline.dedup.pairs.pairs_table import load_pairs
from pipeline.imageset.format.image_set import ImageSet, Rows

Floats = npt.NDArray[np.float64]

SEARCHED = ("same_code", "near_code", "given_pair")
"""Reasons that can be wrong: pictures of equal pixels are copies, and of another set's there is no picture here."""


@dataclass(frozen=True)
class Uncertain:
    """Removals in the order of their certainty.

    Attributes:
        rows: of removed pictures, the least certain first.
        measure: what they are ordered by: the score of the pair, or the similarity where no pair has a score.
        of: how many such pairs there are; pairs of the same pixels count once.
        scores: float64 (n,), of each picture of the set the score of the pair it was removed for; NaN where none is.
    """

    rows: list[int]
    measure: Literal["score", "similarity"]
    of: int
    scores: Floats


def choose(
    images: ImageSet, table: pa.Table, made_from: Mapping[str, Any], pairs_folder: Path | None, most: int
) -> Uncertain:
    """The least certain removals. A pair without a figure comes first, for nothing speaks for it.

    Args:
        table: the manifest.
        made_from: what the manifest says it was made from.
        pairs_folder: what `find-pairs` wrote; None where it is not at hand: then similarity decides.
        most: how many.

    Raises:
        MissingInput, CorruptData: of the pairs; or they are not those that the manifest was made from.
    """
    removed = table.append_column("row", pa.array(np.arange(len(table)))).filter(
        pc.is_in(table.column("reason"), pa.array(SEARCHED))
    )
    rows = np.asarray(removed.column("row"), np.int64)
    keepers = np.asarray(pc.index_in(removed.column("kept_key"), value_set=table.column("key")), np.int64)
    left, right, score = _scored(images, made_from, pairs_folder)
    # What was compared is pixels: of several pictures that have the same ones, only one stands in the pairs.
    ids = _pixel_ids(images, np.concatenate([rows, keepers, left, right]))
    a, b, of_left, of_right = np.split(ids, np.cumsum([len(rows), len(keepers), len(left)]))
    pairs = _unordered(a, b, len(ids))
    found = _look_up(pairs, _unordered(of_left, of_right, len(ids)), score)
    scores = np.full(len(table), np.nan)
    scores[rows] = found
    by_score = bool(np.isfinite(found).any())
    certainty = found if by_score else np.asarray(removed.column("similarity"), np.float64)
    order = np.lexsort((rows, np.nan_to_num(certainty, nan=-np.inf)))
    first = np.sort(np.unique(pairs[order], return_index=True)[1])
    return Uncertain(rows[order[first[:most]]].tolist(), "score" if by_score else "similarity", len(first), scores)


def _scored(images: ImageSet, made_from: Mapping[str, Any], folder: Path | None) -> tuple[Rows, Rows, Floats]:
    """Rows and scores of the pairs; none where there is no folder."""
    if folder is None:
        return np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0)
    found = load_pairs(folder, images)
    if found.detector != made_from["detector"]:
        raise CorruptData(f"--pairs {folder}: not those that --dedup was made from; run remove-duplicates again")
    table = files.read_table(folder / "pairs.parquet", f"--pairs {folder}", "run find-pairs again", columns=["score"])
    return found.left, found.right, np.asarray(table.column("score"), np.float64)


def _pixel_ids(images: ImageSet, rows: Rows) -> Rows:
    """Equal ids for rows whose stored pictures are equal: int64 (n,)."""
    distinct, places = np.unique(rows, return_inverse=True)
    return digest_ids(images.stored_digests(distinct))[places]


def _unordered(a: Rows, b: Rows, count: int) -> Rows:
    """One number for each pair of ids below `count`, whichever comes first."""
    return np.minimum(a, b) * count + np.maximum(a, b)


def _look_up(wanted: Rows, pairs: Rows, score: Floats) -> Floats:
    """The score of each wanted pair, the highest where there are several; NaN where there is none."""
    order = np.lexsort((-score, pairs))
    known, first = np.unique(pairs[order], return_index=True)
    best = np.append(score[order][first], np.nan)
    at = np.searchsorted(known, wanted)
    at[np.append(known, -1)[at] != wanted] = len(known)
    return best[at]
