"""The table of classes: which pictures of a set have equal source bytes, source pixels, stored squares or codes.

classes.parquet has one row for each picture, in row order. Pictures of a class have equal ids, and the id is the first
row of the class. So the size of the table does not depend on how many pictures are equal.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.core import files
from pipeline.core.errors import CorruptData
from pipeline.dedup.pairs.pairs_table import read_description
from pipeline.imageset.format.image_set import ImageSet, Rows

SCHEMA = pa.schema(
    [
        ("row", pa.int64()),
        ("bytes", pa.int64()),
        ("pixels", pa.int64()),
        ("squares", pa.int64()),
        ("codes", pa.int64()),  # null if codes were not compared
        ("exact_only", pa.string()),  # one of `EXACT_ONLY`
    ]
)

EXACT_ONLY = ("", "single_colour", "too_little_detail", "several_frames")
"""Why a picture is not searched for copies, but compared by its bytes and source pixels only; "" if it is searched."""

SEARCHED, FLAT, NO_DETAIL, SEVERAL_FRAMES = range(4)
"""Positions in `EXACT_ONLY`."""


@dataclass(frozen=True)
class Classes:
    """Class ids of all pictures, and the pictures that are not searched.

    Attributes:
        bytes: int64 (n,), equal for pictures with equal source bytes and equal boxes in the source.
        pixels: int64 (n,), equal for pictures whose whole decoded sources are known to be equal.
        squares: int64 (n,), equal for searched pictures with equal stored squares; the others have the id of their
            pixels, because a square without detail, or of one frame of several, does not identify a picture.
        codes: int64 (n,), equal for equal codes. A picture of a single colour, or with a code without set bits, has a
            class of its own, because such a code does not identify a picture. None if codes were not compared.
        exact_only: int8 (n,), positions in `EXACT_ONLY`.
    """

    bytes: Rows
    pixels: Rows
    squares: Rows
    codes: Rows | None
    exact_only: npt.NDArray[np.int8]

    @property
    def searched(self) -> npt.NDArray[np.bool_]:
        """Whether a picture is searched for copies, bool (n,)."""
        searched: npt.NDArray[np.bool_] = self.exact_only == SEARCHED
        return searched

    def count(self, reason: int) -> int:
        """Number of pictures that are not searched for this reason."""
        return int((self.exact_only == reason).sum())

    def reasons(self, rows: Rows, representatives: Rows, otherwise: str) -> list[str]:
        """For each row `same_bytes` or `same_pixels` if it equals its representative in this way, else `otherwise`."""
        same_bytes, same_pixels = (ids[rows] == ids[representatives] for ids in (self.bytes, self.pixels))
        reasons: list[str] = np.where(
            same_bytes, "same_bytes", np.where(same_pixels, "same_pixels", otherwise)
        ).tolist()
        return reasons

    def table(self) -> pa.Table:
        """The content of `classes.parquet`."""
        count = len(self.bytes)
        codes = pa.nulls(count, pa.int64()) if self.codes is None else self.codes
        columns = [
            np.arange(count),
            self.bytes,
            self.pixels,
            self.squares,
            codes,
            pa.array(np.array(EXACT_ONLY)[self.exact_only], pa.string()),
        ]
        return pa.table(columns, schema=SCHEMA)


def class_ids(values: npt.NDArray[Any]) -> Rows:
    """Class ids of equal rows of an array.

    Args:
        values: integers, (n, k).

    Returns:
        int64 (n,): for each row the number of the first row that is equal to it.
    """
    order = np.lexsort(values.T[::-1])  # stable, so the first row of a class comes first
    in_order = values[order]
    new = np.ones(len(values), bool)
    new[1:] = (in_order[1:] != in_order[:-1]).any(axis=1)
    ids = np.empty(len(values), np.int64)
    ids[order] = order[new][np.cumsum(new) - 1]
    return ids


def digest_ids(digests: npt.NDArray[np.uint8]) -> Rows:
    """Class ids of equal digests or codes, uint8 (n, 16); see `class_ids`."""
    return class_ids(np.ascontiguousarray(digests).view(np.uint64))


def load_classes(folder: Path, images: ImageSet) -> Classes:
    """Read the classes of this image set.

    Args:
        folder: written by `find-pairs`.

    Raises:
        MissingInput: `folder` contains no result of `find-pairs`.
        CorruptData: the result belongs to another image set, has another version, or is not readable.
    """
    again = "run find-pairs again"
    mode = read_description(folder, images)["mode"]
    path = folder / "classes.parquet"
    table = files.read_table(path, f"--pairs {path}", again)
    if not table.schema.equals(SCHEMA) or any(
        table.column(name).null_count for name in SCHEMA.names if name != "codes"
    ):
        raise CorruptData(f"--pairs {path}: other columns than expected; {again}")
    rows = np.arange(len(images))
    if not np.array_equal(table.column("row"), rows):
        raise CorruptData(
            f"--pairs {path}: {len(table):,} rows, expected one for each of {len(rows):,} pictures; {again}"
        )
    known = [name for name in ("bytes", "pixels", "squares", "codes") if not table.column(name).null_count]
    ids = {name: np.asarray(table.column(name), np.int64) for name in known}
    valid = all(
        ((column >= 0) & (column <= rows)).all() and (column[column] == column).all() for column in ids.values()
    )
    if not valid or (mode == "exact" and "codes" not in ids):
        raise CorruptData(f"--pairs {path}: an id is not the first row of its class; {again}")
    exact_only = np.asarray(pc.index_in(table.column("exact_only"), pa.array(EXACT_ONLY)).fill_null(-1), np.int8)
    if (exact_only < 0).any():
        raise CorruptData(f"--pairs {path}: exact_only is not one of {', '.join(EXACT_ONLY[1:])}; {again}")
    return Classes(ids["bytes"], ids["pixels"], ids["squares"], ids.get("codes"), exact_only)
