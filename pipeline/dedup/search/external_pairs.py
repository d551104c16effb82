"""Pairs from another detector, or from embeddings of the pictures, which replace the search."""

import csv
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.core import files, progress
from pipeline.core.code_dependencies import code_digest
from pipeline.core.errors import BadParameters, CorruptData, MissingInput
from pipeline.core.workspace import workspace
from pipeline.csv_text import decode_key
from pipeline.dedup.index.exact_match import find_classes
from pipeline.dedup.index.hamming_index import MOST_PAIRS
from pipeline.dedup.pairs.pairs_table import SCHEMA, SCHEMA_VERSION, write_tables
from pipeline.imageset.format.image_set import ImageSet, Rows

COLUMNS = (("key_a", "key_b"), ("key", "kept_key"), ("left", "right"), ("from", "to"), ("filename", "duplicate"))
"""Recognised names of the two key columns. If a file has none of them, its first two columns are used."""

_BLOCK = 1024


@dataclass(frozen=True)
class ExternalPairs:
    """The source of external pairs: exactly one of `pairs` and `embeddings`.

    Attributes:
        pairs: a CSV or parquet file with two columns of keys, and optionally a column `score` or `similarity`.
        embeddings: a `.npy` file with one row of numbers per picture, in key order.
        cosine: minimum cosine similarity of the embeddings of copies, -1..1.

    Raises:
        BadParameters: both or neither of pairs and embeddings are given.
    """

    pairs: Path | None = None
    embeddings: Path | None = None
    cosine: float = 0.95

    def __post_init__(self) -> None:
        if (self.pairs is None) == (self.embeddings is None):
            raise BadParameters("--pairs, --embeddings: expected exactly one of the two")

    @property
    def path(self) -> Path:
        """The file of pairs or embeddings."""
        path = self.pairs or self.embeddings
        assert path is not None
        return path


def load_external_pairs(
    images_folder: Path, given: ExternalPairs, *, to: Path, max_pairs: int = MOST_PAIRS, workers: int = 1
) -> dict[str, Any]:
    """Write external pairs, and the classes of equal pictures, in the format of `find_pairs.find_pairs`.

    Pairs with a key that is not in the set, and pairs of a picture with itself, are counted and left out. Codes are not
    compared.

    Args:
        images_folder: the image set.
        given: the file of pairs or embeddings.
        to: folder to write.
        max_pairs: maximum number of pairs from embeddings.
        workers: threads that read pictures.

    Returns:
        The content of `pairs.json`.

    Raises:
        MissingInput: the file does not exist.
        CorruptData: the file has another format, a score is not a number, or the embeddings have another number of rows
            than the set has pictures.
        BadParameters: the embeddings have more than `max_pairs` pairs.
    """
    images = ImageSet(images_folder)
    path = given.path
    if not path.is_file():
        raise MissingInput(f"{path}: no such file")
    made_from = {
        "schema_version": SCHEMA_VERSION,
        "mode": "given",
        "detector": files.digest(
            {"file": files.sha256_file(path), "cosine": given.cosine if given.embeddings else None}
        ),
        "images": images.digest,
        "parameters": {"cosine": given.cosine} if given.embeddings else {},
    }
    code = code_digest(__name__)
    with workspace(to, files.digest({**made_from, "code": code})) as work:
        if work is None:
            return dict(files.read_json(to / "pairs.json"))
        if given.pairs:
            table, ignored = _pairs_of_keys(given.pairs, images)
        else:
            table, ignored = _pairs_of_embeddings(path, given.cosine, len(images), max_pairs), 0
        summary = {**made_from, "pictures": len(images), "pairs": len(table), "ignored": ignored}
        classes = find_classes(images, None, workers=workers).table()
        empty = table.slice(0, 0)
        write_tables(work.result, {"pairs": table, "misses": empty, "mirrored": empty, "classes": classes}, summary)
        work.publish()
    return summary


def _pairs_of_keys(path: Path, images: ImageSet) -> tuple[pa.Table, int]:
    """Convert pairs of keys to pairs of rows, each once with its highest score; also return how many were left out."""
    row_of = {key: row for row, key in enumerate(images.keys)}
    best: dict[tuple[int, int], float] = {}
    ignored = 0
    for key_a, key_b, score in _rows_parquet(path) if path.suffix == ".parquet" else _rows_csv(path):
        # This project writes percent-encoded keys, other programs do not.
        a, b = (row_of.get(key, row_of.get(decode_key(key))) for key in (key_a, key_b))
        if a is None or b is None or a == b:
            ignored += 1
            continue
        pair = (min(a, b), max(a, b))
        best[pair] = max(score, best.get(pair, score))
    if ignored:
        progress.warn(f"{path}: {ignored:,} pairs are ignored: a key is not in the set, or both keys are equal")
    pairs = sorted(best)
    left, right = (np.array([pair[side] for pair in pairs], np.int64) for side in (0, 1))
    return _table(left, right, np.array([best[pair] for pair in pairs])), ignored


_EXPECTED = "expected two keys in each row and, if there is a column of scores, a number as score"


def _rows_csv(path: Path) -> Iterator[tuple[str, str, float]]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = csv.reader(file)
        try:
            header = next(rows, [])
            a, b, score = _columns(path, header)
            for row in rows:
                if row:
                    yield row[a], row[b], _score(row[score]) if score is not None else np.nan
        except (ValueError, IndexError, UnicodeDecodeError, csv.Error) as error:
            raise CorruptData(f"{path}, line {max(1, rows.line_num)}: {error}; {_EXPECTED}") from None


def _rows_parquet(path: Path) -> Iterator[tuple[str, str, float]]:
    table = files.read_table(path, f"{path}", "expected parquet with two keys in each row")
    a, b, score = _columns(path, table.column_names)
    scores = table.column(score).to_pylist() if score is not None else [None] * len(table)
    rows = zip(table.column(a).to_pylist(), table.column(b).to_pylist(), scores, strict=True)
    for number, (key_a, key_b, value) in enumerate(rows, 1):
        try:
            if key_a is None or key_b is None:
                raise ValueError("a key is null")
            yield str(key_a), str(key_b), _score(value) if score is not None else np.nan
        except ValueError as error:
            raise CorruptData(f"{path}, row {number}: {error}; {_EXPECTED}") from None


def _score(value: Any) -> float:
    """Convert a score to a finite number. Raises ValueError for anything else."""
    try:
        score = float(value)
    except (TypeError, ValueError):
        score = math.nan
    if not math.isfinite(score):
        raise ValueError(f"the score is {'null' if value is None else repr(value)}")
    return score


def _columns(path: Path, header: list[str]) -> tuple[int, int, int | None]:
    if len(header) < 2:
        raise CorruptData(f"{path}: {len(header)} columns, expected two of keys, such as key_a and key_b")
    names = next((pair for pair in COLUMNS if set(pair) <= set(header)), (header[0], header[1]))
    score = next((name for name in ("score", "similarity") if name in header), None)
    return header.index(names[0]), header.index(names[1]), header.index(score) if score else None


def _pairs_of_embeddings(path: Path, cosine: float, count: int, max_pairs: int) -> pa.Table:
    """Find all pairs of embeddings whose cosine similarity is at least `cosine`, block by block."""
    try:
        values = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise CorruptData(f"--embeddings {path}: not readable as an array ({error})") from None
    if values.ndim != 2 or len(values) != count or values.dtype.kind not in "fiu":
        raise CorruptData(
            f"--embeddings {path}: {values.dtype} {values.shape}, expected a row of numbers for each of {count:,} "
            "pictures, in key order"
        )
    unit = np.asarray(values, np.float32)
    length = np.linalg.norm(unit, axis=1, keepdims=True)
    unit = np.divide(unit, length, out=np.zeros_like(unit), where=length > 0)
    found: list[tuple[Rows, Rows, npt.NDArray[np.float64]]] = []
    total = 0
    with progress.bar("compare embeddings", count) as advance:
        for start in range(0, count, _BLOCK):
            products = unit[start : start + _BLOCK] @ unit.T
            similar = np.triu(products >= cosine, start + 1)  # left before right
            total += int(np.count_nonzero(similar))
            if total > max_pairs:
                raise BadParameters(
                    f"--embeddings {path}: at least {total:,} pairs have a cosine of {cosine} or more, expected at "
                    f"most {max_pairs:,}; choose a higher --cosine, or a higher max_candidates (dedup.SET.pairs of the "
                    "profile)"
                )
            left, right = np.nonzero(similar)
            found.append((left + start, right, products[left, right].astype(np.float64).round(6)))
            advance(min(_BLOCK, count - start))
    return _table(*(np.concatenate(parts) for parts in zip(*found, strict=True)))


def _table(left: Rows, right: Rows, score: npt.NDArray[np.float64]) -> pa.Table:
    return pa.table([left, right, pa.nulls(len(left), pa.int16()), score, np.zeros(len(left), bool)], schema=SCHEMA)
