"""Pictures of a set that stand in another one as well: leaks of a training set into a test set, say.

matches.parquet   left (row of the set), right (row of the other), hamming, score (null for equal ones), reason, key and
                  content of the other; ordered by left, right
matches.csv       for people: key, other_key, both contents, reason, hamming, score
misses.parquet, decoys.parquet    see `pairs`; left is a row of the set, right one of the other
matches.json      how they were found, how many, and how many of them chance explains
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline import files
from pipeline.csvtext import encode_key
from pipeline.dedup.codes import encode, load_encoder
from pipeline.dedup.equals import look_at
from pipeline.dedup.pairs import detector_digest
from pipeline.dedup.search import SCHEMA, Pairs, Search
from pipeline.errors import CorruptData, MissingInput
from pipeline.imageset import ImageSet, Rows
from pipeline.workspace import workspace

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


def find_matches(
    images_folder: Path, other_folder: Path, encoder_folder: Path, parameters: Pairs, *, workers: int, to: Path
) -> dict[str, Any]:
    """Find all pairs of copies across two sets: of equal bytes, of equal pixels, and as `parameters.mode` says.

    Returns:
        What stands in `matches.json`; `matched` counts pictures of the set, `other_matched` those of the other.

    Raises:
        MissingInput, CorruptData, BadParameters: as `pairs.find_pairs`.
    """
    images, other = ImageSet(images_folder), ImageSet(other_folder)
    encoder_file = encoder_folder / "encoder.safetensors"
    encoder = load_encoder(encoder_file)
    made_from = {
        "schema_version": SCHEMA_VERSION,
        "mode": parameters.mode,
        "detector": detector_digest(parameters, files.sha256_file(encoder_file)),
        "images": images.digest,
        "other": other.digest,
        "parameters": parameters.model_dump(),
    }
    with workspace(to, files.digest({**made_from, "code": files.code_digest("dedup", "imageset.py")})) as work:
        if work is None:
            return dict(files.read_json(to / "matches.json"))
        contents = [one.index.column("sha256").to_pylist() for one in (images, other)]
        figures: dict[str, Any] = {}
        misses = decoys = SCHEMA.empty_table()
        best: dict[tuple[int, int], tuple[str, int, float | None]] = {}
        if parameters.mode == "near":
            search = Search(images, other, encoder_file, parameters, workers)
            tables = search.run()
            figures, misses, decoys = search.summarise(tables), tables["misses"], tables["decoys"]
            digests = [[bytes(row) for row in side] for side in search.digests]
            alike = [_rows_by(side) for side in digests]
            for row in tables["pairs"].to_pylist():
                # Of the same pixels one was searched for, and it speaks for all.
                for left in alike[0][digests[0][row["left"]]]:
                    for right in alike[1][digests[1][row["right"]]]:
                        best[left, right] = ("near_code", row["hamming"], row["score"])
            kinds = [("same_bytes", contents), ("same_pixels", digests)]
        else:
            digests = [[bytes(row) for row in look_at(one)[0]] for one in (images, other)]
            codes = [[bytes(c) for _, block in one.blocks() for c in encode(block, encoder)] for one in (images, other)]
            kinds = [("same_bytes", contents), ("same_pixels", digests), ("same_code", codes)]
        for reason, sides in reversed(kinds):  # the strongest last
            for pair in _equal(*sides):
                best[pair] = (reason, *best.get(pair, ("", 0, None))[1:])
        pairs = sorted(best)
        lefts, rights = (np.array([pair[side] for pair in pairs], np.int64) for side in (0, 1))
        reasons, hamming, scores = ([best[pair][column] for pair in pairs] for column in range(3))
        names = [[column[row] for row in rights.tolist()] for column in (other.keys, contents[1])]
        columns = [lefts, rights, pa.array(hamming, pa.int16()), pa.array(scores, pa.float64()), reasons, *names]
        table = pa.table(columns, schema=MATCHES)
        summary = {
            **made_from,
            **figures,
            "pictures": len(images),
            "other_pictures": len(other),
            "matched_pairs": len(pairs),
            "matched": len(np.unique(lefts)),
            "other_matched": len(np.unique(rights)),
        }
        pq.write_table(table, work.result / "matches.parquet", compression="zstd")
        for title, nearly in (("misses", misses), ("decoys", decoys)):
            pq.write_table(nearly, work.result / f"{title}.parquet", compression="zstd")
        files.write_text(work.result / "matches.csv", _csv(table, images.keys, contents[0]))
        files.write_json(work.result / "matches.json", summary)
        work.publish()
    return summary


def _rows_by(values: list[Any]) -> dict[Any, list[int]]:
    rows: dict[Any, list[int]] = {}
    for row, value in enumerate(values):
        rows.setdefault(value, []).append(row)
    return rows


def _equal(left: list[Any], right: list[Any]) -> list[tuple[int, int]]:
    rows = _rows_by(right)
    return [(a, b) for a, value in enumerate(left) for b in rows.get(value, ())]


def _csv(table: pa.Table, keys: list[str], contents: list[str]) -> str:
    lines = ["key,other_key,sha256,other_sha256,reason,hamming,score"]
    for row in table.to_pylist():
        named = [
            encode_key(keys[row["left"]]),
            encode_key(row["other_key"]),
            contents[row["left"]],
            row["other_sha256"],
        ]
        score = "" if row["score"] is None else f"{row['score']:.2f}"
        lines.append(",".join([*named, row["reason"], str(row["hamming"]), score]))
    return "\n".join(lines) + "\n"


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
