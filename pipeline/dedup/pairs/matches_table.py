"""Matches between two sets."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.core import files
from pipeline.core.errors import CorruptData, MissingInput
from pipeline.dedup.pairs.pairs_table import SCHEMA
from pipeline.imageset.format.image_set import ImageSet, Rows

SCHEMA_VERSION = 1


MATCHES = pa.schema([*SCHEMA, *((name, pa.string()) for name in ("reason", "other_key", "other_sha256"))])


@dataclass(frozen=True)
class Matches:
    """What of a set stands in another, the best match of each picture.

    Attributes:
        rows: of the set, int64 (n,), rising.
        keys, contents: of the other's pictures, and SHA-256 of their bytes.
        hamming: bits in which the codes of the two differ.
    """

    rows: Rows
    keys: list[str]
    contents: list[str]
    hamming: list[int]

    def only(self, places: Rows) -> "Matches":
        """Some of them, by their places."""
        chosen = places.tolist()
        lists = ([values[n] for n in chosen] for values in (self.keys, self.contents, self.hamming))
        return Matches(self.rows[places], *lists)


NONE = Matches(np.empty(0, np.int64), [], [], [])


def load_matches(folder: Path, images: ImageSet) -> Matches:
    """The best match of each picture of this very set.

    Raises:
        MissingInput: there are no matches in `folder`.
        CorruptData: they are of another set.
    """
    if not (folder / "matches.json").is_file():
        raise MissingInput(f"--matches {folder}: no matches here")
    if files.read_json(folder / "matches.json").get("images") != images.digest:
        raise CorruptData(f"--matches {folder}: of another image set than {images.folder}; look for matches again")
    table = files.read_table(folder / "matches.parquet", f"--matches {folder}", "look for matches again")
    strength = {"same_bytes": 0, "same_pixels": 1, "same_code": 2, "near_code": 2}
    best: dict[int, dict[str, Any]] = {}
    for row in table.to_pylist():
        row["rank"] = (strength[row["reason"]], -(row["score"] or 0.0))
        if row["left"] not in best or row["rank"] < best[row["left"]]["rank"]:
            best[row["left"]] = row
    rows = sorted(best)
    return Matches(
        np.array(rows, np.int64),
        [best[row]["other_key"] for row in rows],
        [best[row]["other_sha256"] for row in rows],
        [best[row]["hamming"] for row in rows],
    )
