"""The table of classes: which pictures of a set are equal, by source bytes, by stored pixels and by codes.

classes.parquet has a row for each picture, in row order. Equal pictures have equal ids, so that many equal pictures
take no more space than many different ones; an id is the first row of its class.
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
        ("codes", pa.int64()),  # null where no codes were compared
        ("flat", pa.bool_()),
    ]
)


@dataclass(frozen=True)
class Classes:
    """Ids of equal pictures, and which pictures have a single colour.

    Attributes:
        bytes: int64 (n,), equal for equal source bytes that were cut from the same box.
        pixels: int64 (n,), equal for equal stored pictures.
        codes: int64 (n,), equal for equal codes. A picture of a single colour, and one whose code has no bit set, is
            alone in its class, because such a code says too little. None where no codes were compared.
        flat: bool (n,), pictures of a single colour.
    """

    bytes: Rows
    pixels: Rows
    codes: Rows | None
    flat: npt.NDArray[np.bool_]

    def reasons(self, rows: Rows, keepers: Rows, otherwise: str) -> list[str]:
        """The strongest kind of equality of source or pixels between each row and its keeper, or another reason."""
        same_bytes, same_pixels = (ids[rows] == ids[keepers] for ids in (self.bytes, self.pixels))
        words: list[str] = np.where(same_bytes, "same_bytes", np.where(same_pixels, "same_pixels", otherwise)).tolist()
        return words

    def table(self) -> pa.Table:
        """The content of `classes.parquet`."""
        count = len(self.bytes)
        codes = pa.nulls(count, pa.int64()) if self.codes is None else self.codes
        return pa.table([np.arange(count), self.bytes, self.pixels, codes, self.flat], schema=SCHEMA)


def class_ids(values: npt.NDArray[Any]) -> Rows:
    """Ids of equal rows.

    Args:
        values: whole numbers, (n, k).

    Returns:
        int64 (n,): for each row the first row that is equal to it.
    """
    order = np.lexsort(values.T[::-1])  # stable, so the first row of a class comes first
    in_order = values[order]
    new = np.ones(len(values), bool)
    new[1:] = (in_order[1:] != in_order[:-1]).any(axis=1)
    ids = np.empty(len(values), np.int64)
    ids[order] = order[new][np.cumsum(new) - 1]
    return ids


def digest_ids(digests: npt.NDArray[np.uint8]) -> Rows:
    """Ids of equal digests or codes, uint8 (n, 16): see `class_ids`."""
    return class_ids(np.ascontiguousarray(digests).view(np.uint64))


def load_classes(folder: Path, images: ImageSet) -> Classes:
    """Read the classes of this very image set.

    Args:
        folder: what `find-pairs` wrote.

    Raises:
        MissingInput: there is no result of `find-pairs` in `folder`.
        CorruptData: it is of other pictures, of another version, or not readable.
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
    sound = all(((one >= 0) & (one <= rows)).all() and (one[one] == one).all() for one in ids.values())
    if not sound or (mode == "exact" and "codes" not in ids):
        raise CorruptData(f"--pairs {path}: ids that are not the first row of a class; {again}")
    return Classes(ids["bytes"], ids["pixels"], ids.get("codes"), np.asarray(table.column("flat")))
