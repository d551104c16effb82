"""Mirrored copies that are kept: list them for people, in mirrored.csv.

They come from the mirrored matches of the search. A match is not listed if its pictures are also a pair, or if a person
judged them to be similar or different. Removed pictures are replaced by their representatives.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.core.errors import MissingInput
from pipeline.csv_text import decode_key, encode_key, read_rows
from pipeline.dedup.decision.verdicts import Verdict
from pipeline.dedup.pairs.classes_table import Classes
from pipeline.dedup.pairs.pairs_table import PairsTable
from pipeline.imageset.format.image_set import ImageSet, Rows

FILE = "mirrored.csv"

_HEADER = ["key", "other_key", "score"]

REJECTED = frozenset({"similar", "different"})
"""Labels of verdicts that say that a mirrored match is no mirrored copy."""


@dataclass(frozen=True)
class MirroredCopy:
    """A kept picture that is probably a mirrored copy of another kept one.

    Attributes:
        row: row of the picture.
        other: row of the other picture, which ranks first.
        score: score of the match.
    """

    row: int
    other: int
    score: float


def find(
    images: ImageSet,
    classes: Classes,
    pairs: PairsTable,
    verdicts: Sequence[Verdict],
    representatives: Rows,
    kept: npt.NDArray[np.bool_],
    ranks: Rows,
) -> list[MirroredCopy]:
    """The mirrored copies of which both pictures are kept, each pair once with its highest score; highest first.

    Args:
        images, classes, pairs, verdicts: of the set.
        representatives: int64 (n,), for each row the row of its representative.
        kept: bool (n,), whether each picture is kept.
        ranks: int64 (n,), position in the rank order.
    """
    if pairs.matches is None:
        return []
    rejected = {frozenset((v.sha256_a, v.sha256_b)) for v in verdicts if v.label in REJECTED}
    contents = images.index.column("sha256")
    best: dict[tuple[int, int], float] = {}
    for match, is_pair in zip(pairs.matches.to_pylist(), are_pairs(classes, pairs), strict=True):
        matched = match["left"], match["right"]
        row, other = sorted((int(representatives[row]) for row in matched), key=ranks.__getitem__, reverse=True)
        if is_pair or row == other or not (kept[row] and kept[other]):
            continue
        judged = (frozenset(contents[each].as_py() for each in pair) for pair in (matched, (row, other)))
        if rejected.isdisjoint(judged):
            best[row, other] = max(match["score"], best.get((row, other), match["score"]))
    return [MirroredCopy(*pair, score) for pair, score in sorted(best.items(), key=lambda item: (-item[1], item[0]))]


def class_pairs(classes: Classes, lefts: Rows, rights: Rows) -> list[tuple[int, int]]:
    """The classes of equal squares of pairs of rows, int64 (n,) each; of each pair, the smaller number first."""
    sides = np.sort([classes.squares[np.asarray(side)] for side in (lefts, rights)], axis=0)
    return list(zip(*sides.tolist(), strict=True))


def are_pairs(classes: Classes, pairs: PairsTable) -> list[bool]:
    """Whether the pictures of each mirrored match are also a pair without mirroring."""
    unchanged = set(class_pairs(classes, pairs.left[~pairs.mirrored], pairs.right[~pairs.mirrored]))
    assert pairs.matches is not None
    matches = class_pairs(classes, pairs.matches.column("left"), pairs.matches.column("right"))
    return [match in unchanged for match in matches]


def csv_text(images: ImageSet, copies: Sequence[MirroredCopy]) -> str:
    """The content of mirrored.csv: `key`, `other_key`, `score`; `key` is probably a mirrored copy of `other_key`."""
    lines = [
        f"{encode_key(images.keys[copy.row])},{encode_key(images.keys[copy.other])},{copy.score:.2f}\n"
        for copy in copies
    ]
    return "".join([",".join(_HEADER) + "\n", *lines])


def read(folder: Path, images: ImageSet) -> list[MirroredCopy]:
    """Read mirrored.csv from the folder of a result.

    Raises:
        MissingInput: there is no such file.
        CorruptData: a line is not readable, or names a picture that is not in the set.
    """
    rows = {key: row for row, key in enumerate(images.keys)}

    def parse(fields: list[str]) -> MirroredCopy:
        row, other = (rows.get(decode_key(key), -1) for key in fields[:2])
        if min(row, other) < 0:
            raise ValueError("a picture that is not in the image set")
        return MirroredCopy(row, other, float(fields[2]))

    try:
        return read_rows(folder / FILE, _HEADER, parse, option="--dedup", remedy="run remove-duplicates again")
    except FileNotFoundError:
        raise MissingInput(f"--dedup {folder / FILE}: no such file; run remove-duplicates again") from None
