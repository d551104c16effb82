"""The table of pairs, and its description in `pairs.json`."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.core import files
from pipeline.core.errors import CorruptData, MissingInput
from pipeline.dedup.pairs.decoys import LayoutTest
from pipeline.imageset.format.image_set import ImageSet, Rows

SCHEMA = pa.schema(
    [
        ("left", pa.int64()),
        ("right", pa.int64()),
        ("hamming", pa.int16()),
        ("score", pa.float64()),
        ("mirrored", pa.bool_()),
    ]
)
"""left, right: rows of a pair, left < right; hamming: bits in which the codes of the whole pictures differ, the left
one mirrored if the pair is; score: see `pair_scorer_highres`; mirrored: whether the left picture was mirrored."""


SCHEMA_VERSION = 4
"""Version of all files of the folder, written to `pairs.json`."""


Mode = Literal["exact", "near", "given"]


REASONS: dict[str, str] = {"exact": "same_code", "near": "near_code", "given": "given_pair"}
"""Reason in the manifest for pictures that are removed because of an unchanged pair, by mode."""

MIRRORED = "mirrored"
"""Reason in the manifest for pictures that are removed because of a pair of mirrored copies."""


@dataclass(frozen=True)
class PairsTable:
    """Pairs of copies in an image set.

    Attributes:
        mode: `exact`, `near` or `given`.
        detector: digest of the detector that found the pairs.
        left, right: rows, int64 (n,), left < right.
        mirrored: whether each pair is one of mirrored copies, bool (n,); all false if they are kept.
        removes_mirrored: whether mirrored copies are removed.
        matches: the mirrored matches (accepted pairs in which the left picture was mirrored), with the schema `SCHEMA`:
            mirrored copies and decoys; None if the search did not look for them.
        doubtful: pairs that agree only in a layout that they share with other pictures, with the schema `SCHEMA`.
        layout: counts of the pairs with a shared layout.
    """

    mode: Mode
    detector: str
    left: Rows
    right: Rows
    mirrored: npt.NDArray[np.bool_]
    removes_mirrored: bool
    matches: pa.Table | None
    doubtful: pa.Table
    layout: LayoutTest

    @property
    def reason(self) -> str:
        """The reason of removal of pictures whose pixels differ, if the pair is not mirrored; see `REASONS`."""
        return REASONS[self.mode]


def write_tables(folder: Path, tables: Mapping[str, pa.Table], summary: Mapping[str, Any]) -> None:
    """Write all files of the result to a folder: each table as parquet, and the summary as `pairs.json`."""
    for name, table in tables.items():
        pq.write_table(table, folder / f"{name}.parquet", compression="zstd")
    files.write_json(folder / "pairs.json", summary)


def load_pairs(folder: Path, images: ImageSet) -> PairsTable:
    """Read the pairs of this image set.

    Raises:
        MissingInput: `folder` contains no pairs.
        CorruptData: the pairs belong to another image set, have another version, or are not readable.
    """
    description = read_description(folder, images)
    pairs = _read(folder / "pairs.parquet", len(images))
    matches, doubtful, layout = None, SCHEMA.empty_table(), LayoutTest()
    if description["mode"] == "near":
        matches = _read(folder / "mirrored.parquet", len(images))
        doubtful = _read(folder / "doubtful.parquet", len(images))
        layout = LayoutTest(*(description[name] for name in LayoutTest().figures()))
    return PairsTable(
        description["mode"],
        description["detector"],
        *_rows_of(pairs),
        np.asarray(pairs.column("mirrored"), bool),
        description["mode"] == "near" and description["parameters"]["mirrored"] == "remove",
        matches,
        doubtful,
        layout,
    )


def read_description(folder: Path, images: ImageSet) -> dict[str, Any]:
    """Read `pairs.json` of this image set.

    Raises:
        MissingInput: `folder` contains no pairs.
        CorruptData: the pairs belong to another image set or have another version.
    """
    again = "run find-pairs again"
    path = folder / "pairs.parquet"
    if not path.is_file():
        raise MissingInput(f"--pairs {path}: no such file; run find-pairs first")
    description = files.read_json(folder / "pairs.json")
    version = description.get("schema_version") if isinstance(description, dict) else None
    if version != SCHEMA_VERSION:
        raise CorruptData(
            f"--pairs {folder / 'pairs.json'}: schema version {version}, expected {SCHEMA_VERSION}; {again}"
        )
    if description.get("images") != images.digest:
        raise CorruptData(f"--pairs {path}: pairs of another image set than {images.folder}; {again}")
    return dict(description)


def _rows_of(table: pa.Table) -> tuple[Rows, Rows]:
    left, right = (np.asarray(table.column(name), np.int64) for name in ("left", "right"))
    return left, right


def _read(path: Path, count: int) -> pa.Table:
    again = "run find-pairs again"
    table = files.read_table(path, f"--pairs {path}", again)
    if not table.schema.equals(SCHEMA):
        raise CorruptData(f"--pairs {path}: other columns than expected; {again}")
    left, right = _rows_of(table)
    if len(left) and not (left.min() >= 0 and (left < right).all() and right.max() < count):
        raise CorruptData(f"--pairs {path}: rows that are not in the image set; {again}")
    return table
