"""The search for copies in a set: candidates by codes, checked on pixels; and decoys, by which the search is judged.

A decoy is a pair of which the left picture is mirrored: codes and pixels of two strangers agree as often as before, but
no copy can be among them, unless it is mirrored itself. Each pair of pictures is a decoy once, as it is a candidate
once, so that as many strangers pass as decoys do.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

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
from pipeline.dedup.index.bands import choose
from pipeline.dedup.index.candidate_pairs import find_candidates
from pipeline.dedup.index.exact_match import apply_predicates, is_flat
from pipeline.dedup.index.hamming_index import pairs_within
from pipeline.dedup.index.views import VIEWS, encode_views
from pipeline.dedup.pairs.classes_table import digest_ids
from pipeline.dedup.pairs.decoys import chance
from pipeline.dedup.pairs.pairs_table import SCHEMA
from pipeline.dedup.scoring import pair_scorer, pair_scorer_highres
from pipeline.imageset.format.image_set import Images, ImageSet, Rows
from pipeline.prepare.resize import area_average

_LSUN_BEDROOMS = 3_033_042
_ENCODED = 2048
_COMPARED = 1024


class PairSearchConfig(params.Section):
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
    compare_side: pair_scorer_highres.Side = Field(
        description="pixels per side, at most the pictures' own; above 32, likely pairs are compared again at it (near)"
    )
    max_candidates: int = Field(gt=0, description="pairs that are compared at most (near)")


def check_side(images: ImageSet, parameters: PairSearchConfig) -> None:
    """Refuse pictures that are too small to be compared as the parameters say.

    Raises:
        BadParameters: they are smaller than `compare_side`.
    """
    side, wanted = images.side, parameters.compare_side
    if parameters.mode == "near" and side < wanted:
        raise BadParameters(
            f"compare_side {wanted}: the pictures of {images.folder} are stored at {side}×{side}, expected at least "
            f"{wanted}×{wanted}; make the set with a larger side, or set compare_side to 32"
        )


def compile_ahead(parameters: PairSearchConfig) -> None:
    """Compile what a search calls; see `jit.compile_ahead`."""
    closer = [pair_scorer_highres.score] if parameters.compare_side > SIDE else []
    jit.compile_ahead(area_average, to_32, strip_bars, encode, choose, pairs_within, pair_scorer.score, *closer)


class PairSearch:
    """One search among the pictures of a set, or between those of two.

    Args:
        left: the set.
        right: the other set; None for pairs within `left`.
        encoder_file: of normalised input.
        workers: processes, or threads.

    Attributes:
        digests: of the stored pictures of each set that is searched, uint8 (n, 16).
        pixels: ids of equal stored pictures of each, int64 (n,).
        flat: which pictures of each have a single colour, bool (n,).
        rows: of each, one row for each different picture that has enough detail to be recognised: int64, rising.

    Raises:
        BadParameters: the encoder is of another kind of input, or pictures are smaller than `compare_side`.
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
                f"--encoder {encoder_file}: learned from {kind}, but mode near needs one of normalised input; "
                "set autoencoder.input to normalised, or mode to exact"
            )
        searched = (left,) if self.within else self.sets
        for one in searched:
            check_side(one, parameters)
        self.digests = [images.stored_digests() for images in searched]
        self.pixels = [digest_ids(digests) for digests in self.digests]
        self.flat: list[npt.NDArray[np.bool_]] = []
        self.rows: list[Rows] = []
        self.without_content = 0
        for images, pixels in zip(searched, self.pixels, strict=True):
            flat, detailed = apply_predicates(images, pixels, is_flat, _has_detail, workers=workers)
            distinct = pixels == np.arange(len(pixels))
            self.flat.append(flat)
            self.rows.append(np.flatnonzero(distinct & detailed))
            self.without_content += int((distinct & ~detailed).sum()) if images is left else 0
        self.candidates = {"pairs": 0, "decoys": 0}

    def run(self) -> dict[str, pa.Table]:
        """The pairs, the near misses and the decoys."""
        compile_ahead(self.parameters)
        # A mirrored picture is a copy where that is asked for: there, one upside down is none.
        decoy: Turn = "upside down" if self.parameters.mirrored else "mirrored"
        turns: list[Turn] = ["as it is", "mirrored"] if self.parameters.mirrored else ["as it is"]
        wanted: list[tuple[int, Turn]] = [(0, turn) for turn in (*turns, decoy)]
        left = self._encode(wanted if self.within else [*wanted, (1, "as it is")])
        right = left[0 if self.within else -1]
        *found, decoys = self._compare(list(zip((*turns, decoy), left, strict=False)), right)
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

    def _encode(self, wanted: Sequence[tuple[int, "Turn"]]) -> list[Codes]:
        """Codes of all views of sides that are turned in some way."""
        parts, places = [], []
        for number, (side, turn) in enumerate(wanted):
            rows = self.rows[side]
            for start in range(0, len(rows), _ENCODED):
                parts.append((self.sets[side].folder, turn, rows[start : start + _ENCODED]))
                places.append((number, start))
        codes = [np.empty((len(VIEWS), len(self.rows[side]), BITS // 8), np.uint8) for side, _ in wanted]
        encode_part = partial(_encode_rows, self.encoder_file)
        with progress.bar("encode views", sum(one.shape[1] for one in codes)) as advance:
            made = engine.map_chunks(encode_part, parts, workers=self.workers)
            for (number, start), part in zip(places, made, strict=True):
                codes[number][:, start : start + part.shape[1]] = part
                advance(part.shape[1])
        return codes

    def _compare(self, lefts: Sequence[tuple["Turn", Codes]], right: Codes) -> list[pa.Table]:
        """For each way in which the left ones are turned, the pairs that pass or nearly pass; decoys come last."""
        side = self.parameters.compare_side
        detailed = [
            pair_scorer_highres.has_detail(pair_scorer_highres.source_sides(one), side)
            for one in (self.sets[:1] if self.within else self.sets)
        ]
        met, parts = [], []
        for number, (turn, left) in enumerate(lefts):
            kind = "decoys" if number == len(lefts) - 1 else "pairs"
            a, b = find_candidates(
                left,
                right,
                self.parameters.radius,
                within=self.within,
                most=self.parameters.max_candidates,
                title=f"find {kind}",
                workers=self.workers,
            )
            self.candidates[kind] += len(a)
            rows = (self.rows[0][a], self.rows[-1][b])
            met.append((rows, np.bitwise_count(left[0, a] ^ right[0, b]).sum(axis=1).astype(np.int16)))
            both = detailed[0][rows[0]] & detailed[-1][rows[1]]
            pieces = [slice(start, start + _COMPARED) for start in range(0, len(a), _COMPARED)]
            parts += [(turn, rows[0][piece], rows[1][piece], both[piece]) for piece in pieces]
        compare = partial(_score_rows, self.sets[0].folder, self.sets[1].folder, self.parameters)
        scores = [np.empty(0)]
        with progress.bar("compare", sum(len(part[1]) for part in parts), "pairs") as advance:
            for part in engine.map_chunks(compare, parts, workers=self.workers):
                scores.append(part)
                advance(len(part))
        ends = np.cumsum([len(hamming) for _, hamming in met])
        tables = []
        for (rows, hamming), score in zip(met, np.split(np.concatenate(scores), ends[:-1]), strict=True):
            shown = score >= self.parameters.score - self.parameters.nearly
            tables.append(pa.table([rows[0][shown], rows[1][shown], hamming[shown], score[shown]], schema=SCHEMA))
        return tables

    def summarise(self, tables: dict[str, pa.Table]) -> dict[str, Any]:
        """Counts, and what chance explains: each pair of pictures is a decoy once, as it is a candidate once."""
        pairs, decoys = len(tables["pairs"]), len(tables["decoys"])
        count = len(self.rows[0])
        compared = count * (count - 1) // 2 if self.within else count * len(self.rows[1])
        bedrooms = _LSUN_BEDROOMS * (_LSUN_BEDROOMS - 1) // 2
        return {
            "searched": count,
            "without_content": self.without_content,
            "candidates": self.candidates["pairs"],
            "decoy_candidates": self.candidates["decoys"],
            "pairs": pairs,
            "nearly": len(tables["misses"]),
            "decoys": decoys,
            **chance(decoys, pairs),
            "false_match_rate": decoys / compared if compared else None,
            "expected_false_at_3033042": round(decoys * bedrooms / compared, 1) if compared else None,
        }


def _has_detail(small: Images) -> npt.NDArray[np.bool_]:
    return pair_scorer.detail(small) >= pair_scorer.MIN_DETAIL


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


def _encode_rows(encoder_file: Path, part: tuple[Path, Turn, Rows]) -> Codes:
    folder, turn, rows = part
    pictures = turned(to_32(ImageSet(folder).read(rows)), turn)
    return encode_views(np.ascontiguousarray(pictures), load_encoder(encoder_file))


def _score_rows(
    left_folder: Path,
    right_folder: Path,
    parameters: PairSearchConfig,
    part: tuple[Turn, Rows, Rows, npt.NDArray[np.bool_]],
) -> npt.NDArray[np.float64]:
    turn, *rows, detailed = part
    left, right = ImageSet(left_folder).read(rows[0]), ImageSet(right_folder).read(rows[1])
    return pair_scorer_highres.score(turned(left, turn), right, parameters.compare_side, parameters.score, detailed)
