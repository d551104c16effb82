"""The table of matches: pictures of a set that are copies of pictures of another set."""

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


MATCHES = pa.schema(
    [
        *(SCHEMA.field(name) for name in ("left", "right", "hamming", "score")),
        *((name, pa.string()) for name in ("reason", "other_key", "other_sha256")),
    ]
)


@dataclass(frozen=True)
class Matches:
    """Pictures of a set that are also in another set, with the best match of each.

    Attributes:
        rows: rows of the set, int64 (n,), increasing.
        keys: keys of the matching pictures of the other set.
        contents: SHA-256 of the source bytes of the matching pictures.
        hamming: number of bits in which the two codes differ.
    """

    rows: Rows
    keys: list[str]
    contents: list[str]
    hamming: list[int]

    def take(self, positions: Rows) -> "Matches":
        """The matches at these positions."""
        chosen = positions.tolist()
        lists = ([values[n] for n in chosen] for values in (self.keys, self.contents, self.hamming))
        return Matches(self.rows[positions], *lists)


NONE = Matches(np.empty(0, np.int64), [], [], [])


def load_matches(folder: Path, images: ImageSet) -> Matches:
    """Read the matches of this image set, and select the best match of each picture.

    Raises:
        MissingInput: `folder` contains no matches.
        CorruptData: the matches belong to another image set, or are not readable.
    """
    if not (folder / "matches.json").is_file():
        raise MissingInput(
            f"--matches {folder}: no matches.json here; compare the two sets first (dcgan dedup --against)"
        )
    if files.read_json(folder / "matches.json").get("images") != images.digest:
        raise CorruptData(
            f"--matches {folder}: matches of another image set than {images.folder}; compare the sets again"
        )
    table = files.read_table(folder / "matches.parquet", f"--matches {folder}", "compare the sets again")
    strength = {"same_bytes": 0, "same_pixels": 1, "same_code": 2, "near_code": 2, "mirrored": 3}
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
