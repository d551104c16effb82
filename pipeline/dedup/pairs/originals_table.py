"""The tables of originals: what was measured of the sources of duplicates, and which one of two is preferred.

originals.parquet    one row for each measured picture, in row order
preferences.parquet  one row for each pair that was compared, ordered by left, right
originals.json       digests of what they were made from, and counts
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.core import files
from pipeline.core.errors import CorruptData, MissingInput
from pipeline.imageset.format.image_set import ImageSet, Rows

SCHEMA_VERSION = 1

ORIGINALS = pa.schema(
    [
        ("row", pa.int64()),
        ("net_wins", pa.int32()),  # pairs in which the picture is preferred, less pairs in which the other one is
        # The other columns are as in `dedup.originals.measures.Measures`; null if the source could not be measured.
        *((name, pa.int32()) for name in ("width", "height", "frames", "bits")),
        *((name, pa.int32()) for name in ("colours", "equal_neighbours", "chroma")),
        ("resampling", pa.list_(pa.int32(), 2)),
        ("spectrum", pa.list_(pa.int16())),
        ("lossy", pa.bool_()),
        ("density", pa.int32()),
        ("damaged", pa.bool_()),
    ]
)

PREFERENCES = pa.schema(
    [
        ("left", pa.int64()),
        ("right", pa.int64()),
        ("preferred", pa.int64()),  # row of the preferred picture; null if nothing tells the two apart
        ("reason", pa.string()),  # one of `dedup.originals.comparison.REASONS`; null without a preferred picture
        # As in `dedup.originals.differences.Differences`; null if the pictures were not aligned.
        *((name, pa.int32()) for name in ("left_added", "right_added", "left_cut_off", "right_cut_off")),
        *((name, pa.int32()) for name in ("left_chroma", "right_chroma", "scale")),
    ]
)


@dataclass(frozen=True)
class Originals:
    """Which picture of a group is most likely the source of the others.

    Attributes:
        net_wins: int64 (n,) for all rows of the set; 0 for pictures that were not compared.
        preferences: table with the schema `PREFERENCES`.
        digest: digest of both tables.
    """

    net_wins: Rows
    preferences: pa.Table
    digest: str

    def reasons(self) -> dict[tuple[int, int], str]:
        """The reason by (preferred row, other row)."""
        columns = (self.preferences.column(name).to_pylist() for name in ("left", "right", "preferred", "reason"))
        return {
            (preferred, left + right - preferred): reason
            for left, right, preferred, reason in zip(*columns, strict=True)
            if preferred is not None
        }


def load_originals(folder: Path, images: ImageSet, pairs_digest: str) -> Originals:
    """Read the result of `compare-sources` for this image set and its pairs.

    Args:
        folder: written by `compare_sources`.
        pairs_digest: SHA-256 of `pairs.parquet`.

    Raises:
        MissingInput: `folder` contains no result.
        CorruptData: the result belongs to another image set or other pairs, or is not readable.
    """
    again = "run compare-sources again"
    if not (folder / "originals.json").is_file():
        raise MissingInput(f"--originals {folder}: no originals.json here; run compare-sources first")
    description: dict[str, Any] = files.read_json(folder / "originals.json")
    expected = {"schema_version": SCHEMA_VERSION, "images": images.digest, "pairs": pairs_digest}
    if any(description.get(name) != value for name, value in expected.items()):
        raise CorruptData(f"--originals {folder}: made from another image set or other pairs; {again}")
    tables = {}
    for name, schema in (("originals", ORIGINALS), ("preferences", PREFERENCES)):
        tables[name] = files.read_table(folder / f"{name}.parquet", f"--originals {folder}", again)
        if not tables[name].schema.equals(schema):
            raise CorruptData(f"--originals {folder / f'{name}.parquet'}: other columns than expected; {again}")
    net_wins = np.zeros(len(images), np.int64)
    net_wins[np.asarray(tables["originals"].column("row"))] = np.asarray(tables["originals"].column("net_wins"))
    digests = [files.sha256_file(folder / f"{name}.parquet") for name in tables]
    return Originals(net_wins, tables["preferences"], files.digest(digests))
