"""The search for copies: codes select candidate pairs, a score of the pixels accepts them, decoys estimate errors.

Accepted pairs that agree only in a layout that they share with other pictures are doubtful (`shared_layout`).

The search runs twice: with the left pictures unchanged, and with the left pictures mirrored. An accepted pair of the
second search is a mirrored match. It is either a mirrored copy or a decoy: mirroring does not change how often the
codes and pixels of two unrelated pictures agree, so the number of mirrored matches that are no mirrored copies
estimates the number of accepted pairs of unrelated pictures.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from pipeline.core import engine, jit, params, progress
from pipeline.core.errors import BadParameters
from pipeline.dedup.encoder.codes import BITS, Codes, encode, load_encoder
from pipeline.dedup.encoder.encoder_input import SIDE, to_32
from pipeline.dedup.encoder.letterbox import strip_bars
from pipeline.dedup.index import efficientnet, local_features
from pipeline.dedup.index.bands import choose
from pipeline.dedup.index.candidate_pairs import find_candidates
from pipeline.dedup.index.exact_match import find_classes
from pipeline.dedup.index.hamming_index import pairs_within
from pipeline.dedup.index.views import VIEWS, encode_views
from pipeline.dedup.pairs.classes_table import EXACT_ONLY, NO_DETAIL, SEVERAL_FRAMES
from pipeline.dedup.pairs.decoys import estimate_false_pairs
from pipeline.dedup.pairs.pairs_table import SCHEMA
from pipeline.dedup.scoring import common_part, graphics, pair_scorer, pair_scorer_highres
from pipeline.dedup.search.neighbour_pairs import neighbour_pairs
from pipeline.dedup.search.overlapping_pairs import Overlapping, features_of, matches_of, score_overlaps
from pipeline.dedup.search.shared_layout import Compared, Examined, examine
from pipeline.dedup.search.turns import Turn, turned
from pipeline.imageset.format.image_set import Images, ImageSet, Rows
from pipeline.prepare.resize import area_average

LOWEST_SCORE = -3.0
"""Pairs with at least this score at 32×32 are compared in all ways that the search has, for thresholds down to 0 at the
usual margin of near misses."""

_LSUN_BEDROOMS = 3_033_042
_ENCODE_BLOCK = 2048
_COMPARE_BLOCK = 1024
TURNS: tuple[Turn, ...] = ("unchanged", "mirrored")
"""How the left pictures are turned, in the order of `Scored.compared`."""

_KINDS = ("pairs", "doubtful", "misses")
"""Tables of listed pairs. A pair that is found in several ways is in the first of them that applies."""


class PairSearchConfig(params.Section):
    """Section `dedup.SET.pairs`."""

    mode: Literal["exact", "near"] = Field(
        description="what is a copy; exact: equal codes, as in the paper; near: similar codes and similar pixels"
    )
    radius: int = Field(
        ge=0, le=15, description="maximum number of different bits in the codes of a candidate pair (near)"
    )
    score: float = Field(allow_inf_nan=False, description="minimum score of a pair of copies (near)")
    near_miss_margin: float = Field(
        ge=0, allow_inf_nan=False, description="pairs at most this far below the score are listed as near misses (near)"
    )
    mirrored: Literal["list", "remove"] = Field(
        description="what happens to mirrored copies; list: they are kept and listed; remove: they are pairs (near)"
    )
    compare_side: pair_scorer_highres.CompareSide = Field(
        description="pixels per side, at most the pictures' own; above 32, likely pairs are compared again at it; "
        "auto: the largest of 32, 64 and 128 at which both have detail (near)"
    )
    local_features: bool = Field(
        description="whether to find pictures that show a part of another one, by local features; pictures smaller "
        "than 64 pixels per side have too few (near)"
    )
    neighbours: int = Field(
        ge=0,
        le=100,
        description="each picture is also compared with this many that are the most similar for EfficientNet-Lite0; "
        "above 0, needs the extra embeddings (near)",
    )
    max_candidates: int = Field(gt=0, description="maximum number of candidate pairs (near)")


def check_side(images: ImageSet, parameters: PairSearchConfig) -> None:
    """Check that the pictures are large enough to be compared at `compare_side`.

    Raises:
        BadParameters: the pictures are smaller than `compare_side`.
    """
    side, wanted = images.side, parameters.compare_side
    if parameters.mode == "near" and wanted != "auto" and side < wanted:
        raise BadParameters(
            f"compare_side {wanted}: the pictures of {images.folder} are stored at {side}×{side}, expected at least "
            f"{wanted}×{wanted}; make the set with a larger side, or set compare_side to 32"
        )


def compile_ahead(parameters: PairSearchConfig) -> None:
    """Compile the functions that a search calls; see `jit.compile_ahead`."""
    further: list[Callable[..., object]] = [] if parameters.compare_side == SIDE else [pair_scorer_highres.score]
    if parameters.local_features or parameters.neighbours:
        further.append(local_features.match)
    jit.compile_ahead(
        *(area_average, to_32, strip_bars, encode, choose, pairs_within, pair_scorer.score, common_part.agree_without),
        *further,
    )


def lowest_score(parameters: PairSearchConfig) -> float:
    """The score at 32×32 above which pairs are also compared in other ways; usually not below the threshold.

    Scores therefore do not depend on the threshold, and another threshold needs no new search.
    """
    return min(LOWEST_SCORE, parameters.score - parameters.near_miss_margin)


def _least(parameters: PairSearchConfig) -> float:
    """The threshold near which pairs are compared at a larger side."""
    return lowest_score(parameters) + pair_scorer_highres.HIGHRES_MARGIN


def compared_at(source_sides: Rows, stored: int, side: pair_scorer_highres.CompareSide) -> Rows:
    """The side at which each picture is compared as a whole, int64 (n,).

    Args:
        source_sides: short sides of the sources in pixels, int64 (n,).
        stored: side of the stored pictures in pixels.
        side: the parameter `compare_side`.
    """
    sides = pair_scorer_highres.sides_with_detail(np.minimum(source_sides, stored), side)
    return np.where(sides <= stored, sides, sides // 2)


class Candidates(NamedTuple):
    """Candidate pairs of one turn of the left pictures: rows, int64 (n,), ordered by left, then right."""

    turn: Turn
    left: Rows
    right: Rows


@dataclass(frozen=True)
class Scored:
    """The result of a search before the threshold is applied.

    Attributes:
        compared: the candidate pairs with their scores, for the left pictures unchanged and then mirrored.
        codes: for each set, the codes of the whole pictures of the searched rows, uint8 (n, 16).
    """

    compared: list[Compared]
    codes: list[npt.NDArray[np.uint8]]


class PairSearch:
    """A search within one set, or between two sets. The attributes that are lists have one element for each set.

    Args:
        left: the set.
        right: the other set; None for pairs within `left`.
        encoder_file: an encoder for normalised input.
        parameters: of the search.
        workers: processes or threads.

    Attributes:
        classes: the classes of equal pictures, without codes.
        rows: the rows that are searched, int64, increasing: one of each class of equal squares, except pictures that
            are compared by their bytes and source pixels only.
        candidates: number of candidate pairs and of candidates with a mirrored left picture, after `accept`.
        examined: which accepted pairs and mirrored matches share a layout, after `accept`.

    Raises:
        BadParameters: the encoder has another kind of input, pictures are smaller than `compare_side`, or the extra
            that `neighbours` needs is not installed.
    """

    def __init__(
        self, left: ImageSet, right: ImageSet | None, encoder_file: Path, parameters: PairSearchConfig, workers: int
    ) -> None:
        self.sets = (left, right or left)
        self.within = right is None
        self.encoder_file = encoder_file
        self.parameters = parameters
        self.workers = workers
        kind = load_encoder(encoder_file).kind
        if kind != "normalised":
            raise BadParameters(
                f"--encoder {encoder_file}: its input is {kind}, but mode near needs normalised input; "
                "set autoencoder.input to normalised, or mode to exact"
            )
        searched = (left,) if self.within else self.sets
        for one in searched:
            check_side(one, parameters)
        if parameters.neighbours:
            efficientnet.check_installed()
        self.classes = [find_classes(one, None, is_detailed=_has_detail, workers=workers) for one in searched]
        self.rows = [
            np.flatnonzero((one.squares == np.arange(len(one.squares))) & one.searched) for one in self.classes
        ]
        self.candidates = {"pairs": 0, "mirrored": 0}
        self.examined = Examined([], [], 0, 0)

    def run(self) -> dict[str, pa.Table]:
        """Search, and apply the threshold; see `accept`."""
        return self.accept(self.score())

    def score(self) -> Scored:
        """Find the candidate pairs and compare them; the threshold has no influence."""
        compile_ahead(self.parameters)
        wanted: list[tuple[int, Turn]] = [(0, turn) for turn in TURNS]
        left = self._encode(wanted if self.within else [*wanted, (1, "unchanged")])
        right = left[0 if self.within else -1]
        compared = self._compare(list(zip(TURNS, left, strict=False)), right)
        return Scored(compared, [left[0][0]] if self.within else [left[0][0], right[0]])

    def accept(self, scored: Scored) -> dict[str, pa.Table]:
        """Apply the threshold, and return the tables `pairs`, `misses`, `doubtful` and `mirrored`.

        `mirrored` has all mirrored matches. If mirrored copies are removed, the other tables have mirrored pairs as
        well; a pair that is found in both ways is listed once.
        """
        compared = scored.compared
        self.candidates = {"pairs": len(compared[0].score), "mirrored": len(compared[1].score)}
        self.examined = examine(
            self.sets, self.rows, scored.codes, compared, self.parameters.score, workers=self.workers
        )
        unchanged, mirrored = map(self._listed, compared, self.examined.doubtful)
        found = [unchanged, mirrored] if self.parameters.mirrored == "remove" else [unchanged]
        # If a pair is found in both ways, it is in the first table that applies, and an unchanged pair if it can be.
        order = [(name, "ascending") for name in ("left", "right", "kind", "mirrored")]
        pairs = _first_of_each(pa.concat_tables(found).sort_by(order))
        tables = {name: _of_kind(pairs, kind) for kind, name in enumerate(_KINDS)}
        return tables | {"mirrored": _of_kind(mirrored, 0)}

    def _listed(self, compared: Compared, doubtful: npt.NDArray[np.bool_]) -> pa.Table:
        """Accepted pairs and near misses of one turn: the columns of `SCHEMA`, and the number of the kind."""
        least, margin = self.parameters.score, self.parameters.near_miss_margin
        listed = compared.score >= least - margin
        columns = [getattr(compared, name)[listed] for name in ("left", "right", "hamming", "score")]
        columns.append(np.full(int(listed.sum()), compared.turn == "mirrored"))
        kinds = np.where(compared.score < least, 2, doubtful)[listed]
        return pa.table(columns, schema=SCHEMA).append_column("kind", pa.array(kinds, pa.int64()))

    def _encode(self, wanted: Sequence[tuple[int, Turn]]) -> list[Codes]:
        """Codes of all views, for each pair (number of the set, turn) in `wanted`."""
        parts, places = [], []
        for number, (side, turn) in enumerate(wanted):
            rows = self.rows[side]
            for start in range(0, len(rows), _ENCODE_BLOCK):
                parts.append((self.sets[side].folder, turn, rows[start : start + _ENCODE_BLOCK]))
                places.append((number, start))
        codes = [np.empty((len(VIEWS), len(self.rows[side]), BITS // 8), np.uint8) for side, _ in wanted]
        encode_part = partial(_encode_rows, self.encoder_file)
        with progress.bar("encode views", sum(one.shape[1] for one in codes)) as advance:
            made = engine.map_chunks(encode_part, parts, workers=self.workers)
            for (number, start), part in zip(places, made, strict=True):
                codes[number][:, start : start + part.shape[1]] = part
                advance(part.shape[1])
        return codes

    def _compare(self, lefts: Sequence[tuple[Turn, Codes]], right: Codes) -> list[Compared]:
        """Candidate pairs and their scores, for each turn of the left pictures."""
        candidates = []
        for turn, left in lefts:
            a, b = find_candidates(
                left,
                right,
                self.parameters.radius,
                within=self.within,
                most=self.parameters.max_candidates,
                title="find pairs" if turn == "unchanged" else "find mirrored pairs",
                workers=self.workers,
            )
            candidates.append(Candidates(turn, self.rows[0][a], self.rows[-1][b]))
        scores = self._score(candidates)
        if self.parameters.local_features or self.parameters.neighbours:
            candidates, scores = self._add_overlapping(candidates, scores)
        return [
            Compared(one.turn, one.left, one.right, self._distances(left, right, one), score)
            for one, (_, left), score in zip(candidates, lefts, scores, strict=True)
        ]

    def _distances(self, left: Codes, right: Codes, pairs: Candidates) -> npt.NDArray[np.int16]:
        """The Hamming distances of the codes of the whole pictures."""
        a, b = np.searchsorted(self.rows[0], pairs.left), np.searchsorted(self.rows[-1], pairs.right)
        distances: npt.NDArray[np.int16] = np.bitwise_count(left[0, a] ^ right[0, b]).sum(axis=1).astype(np.int16)
        return distances

    def _score(self, candidates: Sequence[Candidates]) -> list[npt.NDArray[np.float64]]:
        """The scores of the whole pictures."""
        at = [
            compared_at(pair_scorer_highres.source_sides(one), one.side, self.parameters.compare_side)
            for one in (self.sets[:1] if self.within else self.sets)
        ]
        parts = []
        for turn, left, right in candidates:
            sides = np.minimum(at[0][left], at[-1][right])
            pieces = [slice(start, start + _COMPARE_BLOCK) for start in range(0, len(sides), _COMPARE_BLOCK)]
            parts += [(turn, left[piece], right[piece], sides[piece]) for piece in pieces]
        compare = partial(_score_rows, self.sets[0].folder, self.sets[1].folder, self.parameters)
        scores = [np.empty(0)]
        with progress.bar("compare", sum(len(part[1]) for part in parts), "pairs") as advance:
            for part in engine.map_chunks(compare, parts, workers=self.workers):
                scores.append(part)
                advance(len(part))
        split = np.split(np.concatenate(scores), np.cumsum([len(one.left) for one in candidates])[:-1])
        return [
            self._compare_wholes(one.turn, (one.left, one.right), score)
            for one, score in zip(candidates, split, strict=True)
        ]

    def _add_overlapping(
        self, candidates: Sequence[Candidates], scores: Sequence[npt.NDArray[np.float64]]
    ) -> tuple[list[Candidates], list[npt.NDArray[np.float64]]]:
        """Add the pairs that local features and neighbours find. A pair found several times has the highest score."""
        features = [
            features_of(images, rows, workers=self.workers) for images, rows in zip(self.sets, self.rows, strict=False)
        ]
        found = []
        if self.parameters.local_features:
            for turn, *_ in candidates:
                one = matches_of(features[0], features[-1], turn, within=self.within, workers=self.workers)
                found.append(Overlapping(turn, self.rows[0][one.left], self.rows[-1][one.right], one.maps))
        if self.parameters.neighbours:
            found += neighbour_pairs(
                self.sets, self.rows, features, candidates, self.parameters.neighbours, workers=self.workers
            )
        further = score_overlaps(
            self.sets, found, self.parameters.compare_side, _least(self.parameters), workers=self.workers
        )
        merged, highest = [], []
        for by_code, score in zip(candidates, scores, strict=True):
            same = [number for number, one in enumerate(found) if one.turn == by_code.turn]
            left = np.concatenate([by_code.left, *(found[number].left for number in same)])
            right = np.concatenate([by_code.right, *(found[number].right for number in same)])
            values = np.concatenate([score, *(further[number] for number in same)])
            order = np.lexsort((-values, right, left))
            left, right, values = left[order], right[order], values[order]
            first = np.ones(len(values), bool)
            first[1:] = (left[1:] != left[:-1]) | (right[1:] != right[:-1])
            merged.append(Candidates(by_code.turn, left[first], right[first]))
            highest.append(values[first])
        return merged, highest

    def _compare_wholes(
        self, turn: Turn, rows: tuple[Rows, Rows], scores: npt.NDArray[np.float64]
    ) -> npt.NDArray[np.float64]:
        """Lower the scores of pairs of long pictures whose squares agree, but not their whole pictures.

        A stored square shows at most half of such a picture, so different pictures may have equal squares. Both
        pictures are then compared as a whole. A long picture and one that is not long are not copies.
        """
        likely = np.flatnonzero(scores >= lowest_score(self.parameters))
        (left_at, left), (right_at, right) = (
            one.overviews(side[likely]) for one, side in zip(self.sets, rows, strict=True)
        )
        both, in_left, in_right = np.intersect1d(left_at, right_at, return_indices=True)
        scores = scores.copy()
        scores[likely[np.setxor1d(left_at, right_at)]] = -np.inf
        if len(both):
            whole = pair_scorer.score(np.ascontiguousarray(turned(left[in_left], turn)), right[in_right])
            scores[likely[both]] = np.minimum(scores[likely[both]], whole)
        return scores

    def summarise(self, tables: dict[str, pa.Table]) -> dict[str, Any]:
        """Counts, and the number of false pairs (without mirrored ones) estimated from the mirrored matches."""
        decoys = len(tables["mirrored"])
        mirrored_pairs = int(pc.sum(tables["pairs"].column("mirrored")).as_py() or 0)
        pairs = len(tables["pairs"]) - mirrored_pairs
        layout = self.examined.layout_test()
        count = len(self.rows[0])
        compared = count * (count - 1) // 2 if self.within else count * len(self.rows[1])
        bedrooms = _LSUN_BEDROOMS * (_LSUN_BEDROOMS - 1) // 2
        return {
            "searched": count,
            **{EXACT_ONLY[reason]: self.classes[0].count(reason) for reason in (NO_DETAIL, SEVERAL_FRAMES)},
            "candidates": self.candidates["pairs"],
            "decoy_candidates": self.candidates["mirrored"],
            "pairs": pairs,
            "mirrored_pairs": mirrored_pairs,
            "near_misses": len(tables["misses"]),
            "doubtful_pairs": len(tables["doubtful"]),
            "decoys": decoys,
            **layout.figures(),
            **estimate_false_pairs(decoys, pairs, layout),
            "false_match_rate": decoys / compared if compared else None,
            "expected_false_at_3033042": round(decoys * bedrooms / compared, 1) if compared else None,
        }


def _has_detail(small: Images) -> npt.NDArray[np.bool_]:
    return pair_scorer.detail(small) >= pair_scorer.MIN_DETAIL


def _of_kind(pairs: pa.Table, kind: int) -> pa.Table:
    return pairs.filter(pc.equal(pairs.column("kind"), kind)).select(SCHEMA.names).combine_chunks()


def _first_of_each(pairs: pa.Table) -> pa.Table:
    """Keep the first of adjacent rows with equal left and right."""
    left, right = (np.asarray(pairs.column(name)) for name in ("left", "right"))
    new = np.ones(len(pairs), bool)
    new[1:] = (left[1:] != left[:-1]) | (right[1:] != right[:-1])
    return pairs.filter(pa.array(new)).combine_chunks()


def _encode_rows(encoder_file: Path, part: tuple[Path, Turn, Rows]) -> Codes:
    folder, turn, rows = part
    pictures = turned(to_32(ImageSet(folder).read(rows)), turn)
    return encode_views(np.ascontiguousarray(pictures), load_encoder(encoder_file))


def _score_rows(
    left_folder: Path,
    right_folder: Path,
    parameters: PairSearchConfig,
    part: tuple[Turn, Rows, Rows, npt.NDArray[np.int64]],
) -> npt.NDArray[np.float64]:
    turn, *rows, sides = part
    left, right = ImageSet(left_folder).read(rows[0]), ImageSet(right_folder).read(rows[1])
    left = turned(left, turn)
    scores = pair_scorer_highres.score(left, right, sides, _least(parameters))
    likely = np.flatnonzero(scores >= lowest_score(parameters))
    scores[likely[graphics.differ_in_place(to_32(left[likely]), to_32(right[likely]))]] = -np.inf
    return scores
