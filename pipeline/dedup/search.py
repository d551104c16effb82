"""The search for copies in a set: candidates by codes, checked on pixels; and decoys, by which the search is judged.

A decoy is a pair of which the left picture is mirrored: codes and pixels of two strangers agree as often as before, but
no copy can be among them, unless it is mirrored itself. Each pair of pictures is a decoy once, as it is a candidate
once, so that as many strangers pass as decoys do.
"""

from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from pipeline import engine, params, progress
from pipeline.dedup import comparer
from pipeline.dedup.candidates import find_candidates
from pipeline.dedup.codes import Codes, load_encoder
from pipeline.dedup.equals import find_equals
from pipeline.dedup.inputs import to_32
from pipeline.dedup.probes import VIEWS, encode_views
from pipeline.imageset import Images, ImageSet, Rows
from pipeline.intervals import poisson_interval

SCHEMA = pa.schema([("left", pa.int64()), ("right", pa.int64()), ("hamming", pa.int16()), ("score", pa.float64())])
"""Of pairs: rows, left < right; bits in which the codes of the wholes differ; score (see `comparer`)."""

_LSUN_BEDROOMS = 3_033_042
_ENCODED = 2048
_COMPARED = 4096


class Pairs(params.Section):
    """Section `dedup.SET.pairs`."""

    mode: Literal["exact", "near"] = Field(
        description="what is a copy; exact: equal codes, the paper's way; near: alike codes, and pixels that agree"
    )
    radius: int = Field(ge=0, le=15, description="bits in which codes of pictures that are compared may differ (near)")
    score: float = Field(allow_inf_nan=False, description="least score of a pair that counts as copies (near)")
    nearly: float = Field(
        ge=0, allow_inf_nan=False, description="how much below it pairs are kept for looking at (near)"
    )
    mirrored: bool = Field(description="whether mirrored pictures are copies too (near)")
    max_candidates: int = Field(gt=0, description="pairs that are compared at most (near)")


class Search:
    """One search, by picture and by decoy."""

    def __init__(self, images: ImageSet, codes: Codes, encoder_file: Path, parameters: Pairs, workers: int) -> None:
        self.images = images
        self.codes = codes
        self.encoder_file = encoder_file
        self.parameters = parameters
        self.workers = workers
        self.searched = self.without_content = 0
        self.candidates = {"pairs": 0, "decoys": 0}

    def run(self) -> dict[str, pa.Table]:
        """The three tables."""
        equal = find_equals(self.images, self.codes)
        first = np.unique(equal.pixels, return_index=True)[1]
        rows = self._with_content(np.sort(first).astype(np.int64))
        self.searched = len(rows)
        plain = self._encode(rows, "as it is")
        mirrored = self._encode(rows, "mirrored")
        found = [self._compare(rows, plain, plain, "pairs", "as it is")]
        if self.parameters.mirrored:
            found.append(self._compare(rows, mirrored, plain, "pairs", "mirrored"))
            # A mirrored picture is a copy here: one upside down is none.
            decoys = self._compare(rows, self._encode(rows, "upside down"), plain, "decoys", "upside down")
        else:
            decoys = self._compare(rows, mirrored, plain, "decoys", "mirrored")
        pairs = pa.concat_tables(found).sort_by(
            [("left", "ascending"), ("right", "ascending"), ("score", "descending")]
        )
        pairs = _first_of_each(pairs)
        passed = pc.greater_equal(pairs.column("score"), self.parameters.score)
        return {
            "pairs": pairs.filter(passed),
            "misses": pairs.filter(pc.invert(passed)),
            "decoys": decoys.filter(pc.greater_equal(decoys.column("score"), self.parameters.score)),
        }

    def _with_content(self, rows: Rows) -> Rows:
        """Those of rows int64 (n,) whose pictures say enough to be known again."""
        parts = [rows[start : start + _ENCODED] for start in range(0, len(rows), _ENCODED)]
        enough = [comparer.detail(to_32(self.images.read(part))) >= comparer.LEAST_DETAIL for part in parts]
        kept = rows[np.concatenate(enough)]
        self.without_content = len(rows) - len(kept)
        return kept

    def _encode(self, rows: Rows, turn: "Turn") -> Codes:
        encode = partial(_encode_rows, self.images.folder, self.encoder_file, turn)
        parts = [rows[start : start + _ENCODED] for start in range(0, len(rows), _ENCODED)]
        codes = np.empty((len(VIEWS), len(rows), self.codes.shape[1]), np.uint8)
        done = 0
        with progress.bar(f"encode views, {turn}", len(rows)) as advance:
            for part in engine.map_chunks(encode, parts, workers=self.workers):
                codes[:, done : done + part.shape[1]] = part
                done += part.shape[1]
                advance(part.shape[1])
        return codes

    def _compare(self, rows: Rows, left: Codes, right: Codes, kind: str, turn: "Turn") -> pa.Table:
        """The pairs that pass or nearly pass."""
        most = self.parameters.max_candidates
        a, b = find_candidates(left, right, self.parameters.radius, most=most, title=f"find {kind}")
        self.candidates[kind] += len(a)
        compare = partial(_score_rows, self.images.folder, turn)
        parts = [(rows[a[s : s + _COMPARED]], rows[b[s : s + _COMPARED]]) for s in range(0, len(a), _COMPARED)]
        scores = [np.empty(0)]
        with progress.bar(f"compare {kind}", len(a), "pairs") as advance:
            for part in engine.map_chunks(compare, parts, workers=self.workers):
                scores.append(part)
                advance(len(part))
        score = np.concatenate(scores)
        shown = score >= self.parameters.score - self.parameters.nearly
        hamming = np.bitwise_count(left[0, a] ^ right[0, b]).sum(axis=1).astype(np.int16)
        columns = [rows[a][shown], rows[b][shown], hamming[shown], score[shown]]
        return pa.table(columns, schema=SCHEMA)

    def summarise(self, tables: dict[str, pa.Table]) -> dict[str, Any]:
        """Counts, and what chance explains: each pair of pictures is a decoy once, as it is a candidate once."""
        pairs, decoys = len(tables["pairs"]), len(tables["decoys"])
        low, high = poisson_interval(decoys)
        compared = self.searched * (self.searched - 1) // 2
        bedrooms = _LSUN_BEDROOMS * (_LSUN_BEDROOMS - 1) // 2
        scale = bedrooms / compared if compared else None
        return {
            "searched": self.searched,
            "without_content": self.without_content,
            "candidates": self.candidates["pairs"],
            "decoy_candidates": self.candidates["decoys"],
            "pairs": pairs,
            "nearly": len(tables["misses"]),
            "decoys": decoys,
            "expected_false": decoys,
            "expected_false_low": round(low, 4),
            "expected_false_high": round(high, 4),
            "false_discovery_rate": _share(decoys, pairs),
            "false_discovery_rate_low": _share(low, pairs),
            "false_discovery_rate_high": _share(high, pairs),
            "false_match_rate": decoys / compared if compared else None,
            "expected_false_at_3033042": None if scale is None else round(decoys * scale, 1),
        }


def _share(count: float, of: int) -> float | None:
    return min(1.0, round(count / of, 6)) if of else None


def _first_of_each(pairs: pa.Table) -> pa.Table:
    """Of rows with the same left and right, side by side, the first."""
    left, right = (np.asarray(pairs.column(name)) for name in ("left", "right"))
    new = np.ones(len(pairs), bool)
    new[1:] = (left[1:] != left[:-1]) | (right[1:] != right[:-1])
    return pairs.filter(pa.array(new)).combine_chunks()


Turn = Literal["as it is", "mirrored", "upside down"]


def turned(images: Images, turn: Turn) -> Images:
    """Pictures uint8 (n, H, W, 3) as they are, or turned over."""
    if turn == "mirrored":
        return images[:, :, ::-1]
    return images[:, ::-1] if turn == "upside down" else images


def _encode_rows(images_folder: Path, encoder_file: Path, turn: Turn, rows: Rows) -> Codes:
    images = ImageSet(images_folder).read(rows)
    return encode_views(to_32(turned(images, turn)), load_encoder(encoder_file))


def _score_rows(images_folder: Path, turn: Turn, rows: tuple[Rows, Rows]) -> npt.NDArray[np.float64]:
    images = ImageSet(images_folder)
    left, right = (images.read(side) for side in rows)
    return comparer.score(to_32(turned(left, turn)), to_32(right))
