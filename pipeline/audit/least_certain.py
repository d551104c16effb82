"""Find the least certain removals, which are the most likely errors of the detector."""

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

UNCERTAIN_REASONS = ("same_code", "near_code", "mirrored", "given_pair")
"""Reasons that can be wrong. Pictures with equal pixels are certainly copies; other sets cannot be shown."""


@dataclass(frozen=True)
class LeastCertain:
    """The least certain removals.

    Attributes:
        rows: rows of removed pictures, the least certain first.
        measure: name of the measure that sorts them: the score of the pair, or the similarity if no pair has a score.
        of: number of removals that could be wrong; several pairs that show the same pixels count once.
        scores: float64 (n,), for each picture of the set the score of the pair because of which it was removed, or NaN.
    """

    rows: list[int]
    measure: Literal["score", "similarity"]
    of: int
    scores: Floats


def find_least_certain(
    images: ImageSet, table: pa.Table, made_from: Mapping[str, Any], pairs_folder: Path | None, count: int
) -> LeastCertain:
    """Sort removals by certainty and take the first `count`. A pair without a score or similarity comes first.

    Args:
        table: the manifest.
        made_from: metadata of the manifest, with the digests of its inputs.
        pairs_folder: written by `find-pairs`; None if it is not available, and then similarity is used.

    Raises:
        MissingInput, CorruptData: the pairs cannot be read, or the manifest was made from other pairs.
    """
    removed = table.append_column("row", pa.array(np.arange(len(table)))).filter(
        pc.is_in(table.column("reason"), pa.array(UNCERTAIN_REASONS))
    )
    rows = np.asarray(removed.column("row"), np.int64)
    representatives = np.asarray(pc.index_in(removed.column("kept_key"), value_set=table.column("key")), np.int64)
    left, right, score = _read_scores(images, made_from, pairs_folder)
    # The search uses one picture of each pixel class, so the pairs do not contain the others.
    ids = _pixel_ids(images, np.concatenate([rows, representatives, left, right]))
    a, b, left_ids, right_ids = np.split(ids, np.cumsum([len(rows), len(representatives), len(left)]))
    pairs = _pair_ids(a, b, len(ids))
    found = _find_scores(pairs, _pair_ids(left_ids, right_ids, len(ids)), score)
    scores = np.full(len(table), np.nan)
    scores[rows] = found
    by_score = bool(np.isfinite(found).any())
    certainty = found if by_score else np.asarray(removed.column("similarity"), np.float64)
    order = np.lexsort((rows, np.nan_to_num(certainty, nan=-np.inf)))
    first = np.sort(np.unique(pairs[order], return_index=True)[1])
    return LeastCertain(rows[order[first[:count]]].tolist(), "score" if by_score else "similarity", len(first), scores)


def _read_scores(images: ImageSet, made_from: Mapping[str, Any], folder: Path | None) -> tuple[Rows, Rows, Floats]:
    """Rows and scores of the pairs; empty if there is no folder."""
    if folder is None:
        return np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0)
    found = load_pairs(folder, images)
    if found.detector != made_from["detector"]:
        raise CorruptData(f"--pairs {folder}: not the pairs that --dedup was made from; run remove-duplicates again")
    table = files.read_table(folder / "pairs.parquet", f"--pairs {folder}", "run find-pairs again", columns=["score"])
    return found.left, found.right, np.asarray(table.column("score"), np.float64)


def _pixel_ids(images: ImageSet, rows: Rows) -> Rows:
    """Ids of the rows, equal if and only if the stored pixels are: int64 (n,)."""
    distinct, places = np.unique(rows, return_inverse=True)
    return digest_ids(images.stored_digests(distinct))[places]


def _pair_ids(a: Rows, b: Rows, count: int) -> Rows:
    """A number for each pair of ids below `count` that does not depend on their order: int64 (n,)."""
    return np.minimum(a, b) * count + np.maximum(a, b)


def _find_scores(wanted: Rows, pairs: Rows, score: Floats) -> Floats:
    """The highest score of each wanted pair; NaN if it has none."""
    order = np.lexsort((-score, pairs))
    known, first = np.unique(pairs[order], return_index=True)
    best = np.append(score[order][first], np.nan)
    at = np.searchsorted(known, wanted)
    at[np.append(known, -1)[at] != wanted] = len(known)
    return best[at]
