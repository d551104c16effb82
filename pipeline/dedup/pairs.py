"""Which pictures are copies of which, as it is written down for `removal`.

pairs.parquet    left, right (rows, left < right), hamming (of the pictures' codes), score; ordered by left, right
misses.parquet   the pairs that nearly passed, likewise
decoys.parquet   pairs that passed though left was mirrored, likewise: mirrored copies, and chance
pairs.json       how they were found, how many, and how many of them chance explains
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline import files
from pipeline.dedup import closer, comparer
from pipeline.dedup.codes import load_codes, load_encoder
from pipeline.dedup.inputs import SIDE
from pipeline.dedup.search import SCHEMA, Pairs, Search
from pipeline.errors import CorruptData, MissingInput
from pipeline.imageset import ImageSet, Rows
from pipeline.workspace import workspace

SCHEMA_VERSION = 1

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


def find_pairs(
    images_folder: Path, codes_folder: Path, encoder_folder: Path, parameters: Pairs, *, workers: int, to: Path
) -> dict[str, Any]:
    """Find all pairs of copies in a set. Verdicts have no say here, so that judging does not search again.

    In mode `exact` there is nothing to search for: pictures of equal codes are found by sorting.

    In mode `near`, of pictures with the same pixels one is searched for; those of a single colour are not.

    Args:
        workers: processes that encode and compare.

    Returns:
        What stands in `pairs.json`.

    Raises:
        MissingInput, CorruptData: of the image set, the codes or the encoder.
        BadParameters: there are more candidates than `max_candidates`, the encoder is of another kind of input, or
            pictures are smaller than `compare_side`.
    """
    images = ImageSet(images_folder)
    _, description = load_codes(codes_folder, images)
    encoder_file = encoder_folder / "encoder.safetensors"
    load_encoder(encoder_file)
    if files.sha256_file(encoder_file) != description["encoder"]:
        raise CorruptData(f"--encoder {encoder_file}: not the one that --codes were made with; run hash-images again")
    made_from = {
        "schema_version": SCHEMA_VERSION,
        "mode": parameters.mode,
        "detector": detector_digest(parameters, description["encoder"]),
        "images": images.digest,
        "parameters": parameters.model_dump(),
    }
    code = files.code_digest("dedup", "imageset.py")
    with workspace(to, files.digest({**made_from, "code": code})) as work:
        if work is None:
            return dict(files.read_json(to / "pairs.json"))
        empty = SCHEMA.empty_table()
        tables = {"pairs": empty, "misses": empty, "decoys": empty}
        summary: dict[str, Any] = {**made_from, "pictures": len(images), "pairs": 0}
        if parameters.mode == "near":
            search = Search(images, None, encoder_file, parameters, workers)
            tables = search.run()
            summary |= search.summarise(tables)
        write_tables(work.result, tables, summary)
        work.publish()
    return summary


def write_tables(folder: Path, tables: Mapping[str, pa.Table], summary: Mapping[str, Any]) -> None:
    """Write all files of the result into a folder."""
    for name, table in tables.items():
        pq.write_table(table, folder / f"{name}.parquet", compression="zstd")
    files.write_json(folder / "pairs.json", summary)


def detector_digest(parameters: Pairs, encoder: str) -> str:
    """Digest of all that decides what is found.

    Args:
        encoder: SHA-256 of the encoder's file.
    """
    decides: dict[str, Any] = {"mode": parameters.mode, "encoder": encoder}
    if parameters.mode == "near":
        unlike = {"max_candidates", "nearly"}  # they decide what is looked at, not what is found
        if parameters.compare_side == SIDE:
            # There was this one alone once: draws that were judged then stay of this detector.
            unlike.add("compare_side")
        else:
            decides["closer"] = closer.digest()
        decides |= {"parameters": parameters.model_dump(exclude=unlike), "comparer": comparer.digest()}
    return files.digest(decides)


FIGURES = (
    *("pairs", "decoys", "expected_false", "expected_false_low", "expected_false_high"),
    *("false_discovery_rate", "false_discovery_rate_low", "false_discovery_rate_high"),
)


def decoy_figures(about: dict[str, Any]) -> dict[str, Any]:
    """Of `pairs.json`, what the decoys say; empty where there were none."""
    return {name: about[name] for name in FIGURES if name in about}


def describe(about: dict[str, Any]) -> str:
    """`pairs.json` in a sentence."""
    if about["mode"] == "exact":
        return "copies are pictures of equal codes: nothing to search for"
    high = about["expected_false_high"]
    return (
        f"{about['pairs']:,} pairs of copies among {about['pictures']:,} pictures; chance, or mirrored copies, explain "
        f"{about['decoys']:,} (at most {high:,.1f}): look at decoys"
    )


def load_pairs(folder: Path, images: ImageSet) -> Found:
    """Read the pairs of this very image set.

    Raises:
        MissingInput: there are none in `folder`.
        CorruptData: they are of other pictures, of another version, or not readable.
    """
    again = "run find-pairs again"
    path = folder / "pairs.parquet"
    if not path.is_file():
        raise MissingInput(f"--pairs {path}: no such file; run find-pairs first")
    about = files.read_json(folder / "pairs.json")
    if not isinstance(about, dict) or about.get("schema_version") != SCHEMA_VERSION:
        raise CorruptData(f"--pairs {folder / 'pairs.json'}: expected schema version {SCHEMA_VERSION}; {again}")
    if about.get("images") != images.digest:
        raise CorruptData(f"--pairs {path}: pairs of another image set than {images.folder}; {again}")
    left, right = _read_rows(path, len(images))
    decoys = _read_rows(folder / "decoys.parquet", len(images)) if about["mode"] == "near" else None
    return Found(about["mode"], about["detector"], left, right, decoys)


def _read_rows(path: Path, count: int) -> tuple[Rows, Rows]:
    again = "run find-pairs again"
    table = files.read_table(path, f"--pairs {path}", again)
    if not table.schema.equals(SCHEMA):
        raise CorruptData(f"--pairs {path}: other columns than expected; {again}")
    left, right = (np.asarray(table.column(name), np.int64) for name in ("left", "right"))
    if len(left) and not (left.min() >= 0 and (left < right).all() and right.max() < count):
        raise CorruptData(f"--pairs {path}: rows that are not in the image set; {again}")
    return left, right
