"""The table of classes: which pictures of a set have equal source bytes, equal stored pixels or equal codes.

classes.parquet has one row for each picture, in row order. Pictures of a class have equal ids, and the id is the first
row of the class. So the size of the table does not depend on how many pictures are equal.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.core import files
from pipeline.core.errors import CorruptData
from pipeline.dedup.pairs.pairs_table import read_description
from pipeline.imageset.format.image_set import ImageSet, Rows

SCHEMA = pa.schema(
    [
        ("row", pa.int64()),
        ("bytes", pa.int64()),
        ("pixels", pa.int64()),
        ("codes", pa.int64()),  # null if codes were not compared
        ("flat", pa.bool_()),
    ]
)


@dataclass(frozen=True)
class Classes:
    """Class ids of all pictures, and the pictures of a single colour.

    Attributes:
        bytes: int64 (n,), equal for pictures with equal source bytes and equal boxes in the source.
        pixels: int64 (n,), equal for pictures with equal stored pixels.
        codes: int64 (n,), equal for equal codes. A picture of a single colour, or with a code without set bits, has a
            class of its own, because such a code does not identify a picture. None if codes were not compared.
        flat: bool (n,), whether a picture has a single colour.
    """

    bytes: Rows
    pixels: Rows
    codes: Rows | None
    flat: npt.NDArray[np.bool_]

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
        return pa.table([np.arange(count), self.bytes, self.pixels, codes, self.flat], schema=SCHEMA)


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
    known = [name for name in ("bytes", "pixels", "codes") if not table.column(name).null_count]
    ids = {name: np.asarray(table.column(name), np.int64) for name in known}
    valid = all(
        ((column >= 0) & (column <= rows)).all() and (column[column] == column).all() for column in ids.values()
    )
    if not valid or (mode == "exact" and "codes" not in ids):
        raise CorruptData(f"--pairs {path}: an id is not the first row of its class; {again}")
    return Classes(ids["bytes"], ids["pixels"], ids.get("codes"), np.asarray(table.column("flat")))
