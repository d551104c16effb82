"""The table of pairs."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.core import files
from pipeline.core.errors import CorruptData, MissingInput
from pipeline.imageset.format.image_set import ImageSet, Rows

SCHEMA = pa.schema([("left", pa.int64()), ("right", pa.int64()), ("hamming", pa.int16()), ("score", pa.float64())])
"""Of pairs: rows, left < right; bits in which the codes of the wholes differ; score (see `closer`)."""


SCHEMA_VERSION = 2
"""Of `pairs.json`, for all files of the folder."""


Mode = Literal["exact", "near", "given"]


REASONS: dict[str, str] = {"exact": "same_code", "near": "near_code", "given": "given_pair"}


@dataclass(frozen=True)
class Found:
    """Pairs of copies.

    Attributes:
        mode: `exact`, `near` or `given`.
        detector: digest of how they were found.
        left, right: rows, int64 (n,), left < right.
        decoys: the pairs that passed though one was mirrored, likewise; None where none were looked for.
    """

    mode: Mode
    detector: str
    left: Rows
    right: Rows
    decoys: tuple[Rows, Rows] | None

    @property
    def reason(self) -> str:
        """Why pictures of unequal pixels are removed."""
        return REASONS[self.mode]


def write_tables(folder: Path, tables: Mapping[str, pa.Table], summary: Mapping[str, Any]) -> None:
    """Write all files of the result into a folder."""
    for name, table in tables.items():
        pq.write_table(table, folder / f"{name}.parquet", compression="zstd")
    files.write_json(folder / "pairs.json", summary)


def load_pairs(folder: Path, images: ImageSet) -> Found:
    """Read the pairs of this very image set.

    Raises:
        MissingInput: there are none in `folder`.
        CorruptData: they are of other pictures, of another version, or not readable.
    """
    about = read_description(folder, images)
    left, right = _read_rows(folder / "pairs.parquet", len(images))
    decoys = _read_rows(folder / "decoys.parquet", len(images)) if about["mode"] == "near" else None
    return Found(about["mode"], about["detector"], left, right, decoys)


def read_description(folder: Path, images: ImageSet) -> dict[str, Any]:
    """The content of `pairs.json`, of pairs of this very image set.

    Raises:
        MissingInput: there are no pairs in `folder`.
        CorruptData: they are of other pictures or of another version.
    """
    again = "run find-pairs again"
    path = folder / "pairs.parquet"
    if not path.is_file():
        raise MissingInput(f"--pairs {path}: no such file; run find-pairs first")
    about = files.read_json(folder / "pairs.json")
    version = about.get("schema_version") if isinstance(about, dict) else None
    if version != SCHEMA_VERSION:
        raise CorruptData(
            f"--pairs {folder / 'pairs.json'}: schema version {version}, expected {SCHEMA_VERSION}; {again}"
        )
    if about.get("images") != images.digest:
        raise CorruptData(f"--pairs {path}: pairs of another image set than {images.folder}; {again}")
    return dict(about)


def _read_rows(path: Path, count: int) -> tuple[Rows, Rows]:
    again = "run find-pairs again"
    table = files.read_table(path, f"--pairs {path}", again)
    if not table.schema.equals(SCHEMA):
        raise CorruptData(f"--pairs {path}: other columns than expected; {again}")
    left, right = (np.asarray(table.column(name), np.int64) for name in ("left", "right"))
    if len(left) and not (left.min() >= 0 and (left < right).all() and right.max() < count):
        raise CorruptData(f"--pairs {path}: rows that are not in the image set; {again}")
    return left, right
