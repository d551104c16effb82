"""Open a dedup result for the review app. Arrays are kept in memory (100 MB for 300,000 removals), pictures are not.

There are up to three lists of pairs. `removed` has each removed picture with its representative. The other two exist if
the search wrote them: `misses` has near misses, pairs that were nearly accepted; `mirrored` has accepted pairs of a
search with one picture of each pair mirrored, so a match is a mirrored copy or chance.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.core import files
from pipeline.core.errors import CorruptData
from pipeline.dedup.results.result_folders import ResultFolders
from pipeline.imageset.format.image_set import ImageSet, Rows

LIST_TITLES = {"removed": "removed pictures", "misses": "near misses", "mirrored": "mirrored matches"}

_BATCH = 1 << 14
_NONE = -1


@dataclass(frozen=True)
class PictureTable:
    """The pictures of all lists, sorted by row.

    Attributes:
        rows: int64 (n,), rising: rows of the image set.
        keys: text (n,).
        contents: SHA-256 of the sources, 32 bytes each, dictionary-encoded; equal indices mean equal contents.
        width, height, bytes: size in pixels and length of the sources: int32, int32, int64.
        labels: class names (n,); null if there is none.
        boxes: boxes of faces in pixels of the source, lists of four numbers (n,); null for other pictures.
    """

    rows: Rows
    keys: pa.Array
    contents: pa.DictionaryArray
    width: npt.NDArray[np.int32]
    height: npt.NDArray[np.int32]
    bytes: npt.NDArray[np.int64]
    labels: pa.Array
    boxes: pa.Array

    def find(self, row: int) -> int | None:
        """The position of a row of the image set in this table; None if it is not there."""
        position = int(np.searchsorted(self.rows, row))
        return position if position < len(self.rows) and self.rows[position] == row else None

    def sha256(self, position: int) -> str:
        """SHA-256 of the source at a position, 64 hex characters."""
        return bytes(self.contents[position].as_py()).hex()


@dataclass(frozen=True)
class PairList:
    """A list of pairs, as arrays of one length; `first` is the removed picture, `second` its representative.

    Attributes:
        first, second: int64, positions in the `PictureTable`; second is -1 if the representative is in another set.
        reason: int8, indices of `reasons`.
        reasons: reasons of removal; one empty text for near misses and mirrored matches.
        hamming: int16, bits in which the codes differ.
        similarity, score: float32; NaN if there is none.
        group: int64, number of the group; -1 if there is none.
        group_size: int32, pictures in the group, the kept one included; 0 if there is no group.
        other_set_keys: by number of the pair, the key of a representative in another set.
    """

    first: Rows
    second: Rows
    reason: npt.NDArray[np.int8]
    reasons: tuple[str, ...]
    hamming: npt.NDArray[np.int16]
    similarity: npt.NDArray[np.float32]
    score: npt.NDArray[np.float32]
    group: npt.NDArray[np.int64]
    group_size: npt.NDArray[np.int32]
    other_set_keys: dict[int, str]

    def __len__(self) -> int:
        return len(self.first)


class DedupResult:
    """A dedup result and its image set.

    Args:
        folders: see `find_folders`.

    Attributes:
        images: the image set.
        pictures: the pictures of all lists.
        detector: digest of the detector.
        lists: the available lists, by kind (see `LIST_TITLES`).

    Raises:
        MissingInput: there is no image set.
        CorruptData: a file is not readable, or belongs to another image set.
    """

    def __init__(self, folders: ResultFolders) -> None:
        self.folders = folders
        self.images = ImageSet(folders.images)
        self.detector = read_detector(folders, self.images)
        found = {"removed": self._read_removed()}
        if folders.pairs:
            _check_pairs(folders.pairs, self.images)
            for kind in ("misses", "mirrored"):
                if (folders.pairs / f"{kind}.parquet").is_file():
                    found[kind] = self._read_searched(folders.pairs / f"{kind}.parquet")
        # Until here, `first` and `second` are rows of the image set; from here on, positions in `pictures`.
        rows = np.unique(np.concatenate([side for pairs in found.values() for side in (pairs.first, pairs.second)]))
        rows = rows[rows != _NONE]
        self.lists = {kind: _with_positions(pairs, rows) for kind, pairs in found.items()}
        self.pictures = read_pictures(self.images, rows)
        self.images.read(rows[:1])  # opens the files, so that files of a later run are never shown

    def _read_removed(self) -> PairList:
        path = self.folders.dedup / "manifest.parquet"
        columns = ["status", "group", "reason", "hamming", "similarity", "kept_key"]
        parts: list[pa.RecordBatch] = []
        representatives_by_group: list[tuple[Rows, Rows]] = []  # numbers of groups, rows of their representatives
        for start, batch in read_batches(path, columns, "--dedup"):
            row = pa.array(np.arange(start, start + len(batch)))
            removed = pc.equal(batch.column("status"), "removed")
            in_other_set = pc.equal(batch.column("reason"), "in_other_set").fill_null(False)
            kept_key = pc.if_else(in_other_set, batch.column("kept_key"), pa.scalar(None, pa.string()))
            kept = pc.and_(pc.invert(removed), batch.column("group").is_valid())
            representatives_by_group.append((_ints(batch.column("group").filter(kept)), _ints(row.filter(kept))))
            batch = batch.drop_columns(["status", "kept_key"]).append_column("row", row)
            parts.append(batch.append_column("kept_key", kept_key).filter(removed))
        table = pa.Table.from_batches(parts).combine_chunks()
        group = _ints(table.column("group"))
        numbers, rows = (np.concatenate(part) for part in zip(*representatives_by_group, strict=True))
        order = np.argsort(numbers)
        sizes = np.bincount(group[group >= 0], minlength=len(numbers) + 1) + 1
        representatives = np.full(len(table), _NONE)
        representatives[group >= 0] = rows[order][np.searchsorted(numbers[order], group[group >= 0])]
        reason = table.column("reason").combine_chunks().dictionary_encode()
        first = _ints(table.column("row"))
        others = np.flatnonzero(np.asarray(table.column("kept_key").is_valid()))
        return PairList(
            first,
            representatives,
            np.asarray(reason.indices).astype(np.int8),
            tuple(reason.dictionary.to_pylist()),
            _ints(table.column("hamming")).astype(np.int16),
            _floats(table.column("similarity")),
            self._read_scores(first, representatives),
            group,
            np.where(group >= 0, sizes[group], 0).astype(np.int32),
            {int(number): table.column("kept_key")[int(number)].as_py() for number in others},
        )

    def _read_scores(self, first: Rows, second: Rows) -> npt.NDArray[np.float32]:
        """Scores of the pairs: float32 (n,); NaN if the search did not score the pair."""
        scores = np.full(len(first), np.nan, np.float32)
        if self.folders.pairs is None or not len(first):
            return scores
        count = len(self.images)
        wanted = np.minimum(first, second) * count + np.maximum(first, second)
        order = np.argsort(wanted)
        for _, batch in read_batches(self.folders.pairs / "pairs.parquet", ["left", "right", "score"], "--pairs"):
            found = _ints(batch.column("left")) * count + _ints(batch.column("right"))
            at = order[np.minimum(np.searchsorted(wanted[order], found), len(order) - 1)]
            hit = wanted[at] == found
            scores[at[hit]] = _floats(batch.column("score"))[hit]
        return scores

    def _read_searched(self, path: Path) -> PairList:
        parts = [batch for _, batch in read_batches(path, ["left", "right", "hamming", "score"], "--pairs")]
        left, right, hamming = (
            np.concatenate([_ints(part.column(name)) for part in parts] or [np.zeros(0, np.int64)])
            for name in ("left", "right", "hamming")
        )
        if len(left) and not (min(left.min(), right.min()) >= 0 and max(left.max(), right.max()) < len(self.images)):
            raise CorruptData(f"--pairs {path}: rows that are not in the image set; run find-pairs again")
        none = np.zeros(len(left), np.int64)
        return PairList(
            left,
            right,
            none.astype(np.int8),
            ("",),
            hamming.astype(np.int16),
            np.full(len(left), np.nan, np.float32),
            np.concatenate([_floats(part.column("score")) for part in parts] or [np.zeros(0, np.float32)]),
            none + _NONE,
            none.astype(np.int32),
            {},
        )


def read_detector(folders: ResultFolders, images: ImageSet) -> str:
    """Digest of the detector that a result was made with.

    Raises:
        CorruptData: the manifest is not readable, or belongs to another image set.
    """
    path = folders.dedup / "manifest.parquet"
    try:
        made_from = json.loads((pq.read_schema(path).metadata or {})[b"dedup"])
        digest, detector = made_from["images"], str(made_from["detector"])
    except (pa.ArrowException, OSError, KeyError, ValueError) as error:
        raise CorruptData(f"--dedup {path}: not readable ({error}); run remove-duplicates again") from None
    if digest != images.digest:
        raise CorruptData(
            f"--dedup {path}: belongs to another image set than --images {images.folder}; name the set it was "
            "made from, or run remove-duplicates again"
        )
    return detector


def _check_pairs(folder: Path, images: ImageSet) -> None:
    metadata = files.read_json(folder / "pairs.json")
    if not isinstance(metadata, dict) or metadata.get("images") != images.digest:
        raise CorruptData(f"--pairs {folder}: belongs to another image set than {images.folder}; run find-pairs again")


def read_pictures(images: ImageSet, rows: Rows) -> PictureTable:
    """Read the index entries of some rows.

    Args:
        rows: int64, rising.

    Raises:
        CorruptData: the index is not readable.
    """
    columns = ["key", "sha256", "source_width", "source_height", "source_bytes", "label", "box"]
    parts = []
    for start, batch in read_batches(images.folder / "index.parquet", columns, "--images"):
        chosen = rows[slice(*np.searchsorted(rows, (start, start + len(batch))))] - start
        batch = batch.take(pa.array(chosen))
        digests = bytes.fromhex("".join(batch.column("sha256").to_pylist()))
        binary = pa.FixedSizeBinaryArray.from_buffers(pa.binary(32), len(batch), [None, pa.py_buffer(digests)])
        parts.append(batch.drop_columns(["sha256"]).append_column("sha256", binary))
    table = pa.Table.from_batches(parts).combine_chunks()
    keys, digests, width, height, length, label, boxes = (
        table.column(name).combine_chunks() for name in ("key", "sha256", *columns[2:])
    )
    sizes = (np.asarray(width), np.asarray(height), np.asarray(length))
    return PictureTable(rows, keys, digests.dictionary_encode(), *sizes, label, boxes)


def read_batches(path: Path, columns: Sequence[str], option: str) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Read columns of a parquet file in batches, each with the number of its first row.

    Raises:
        CorruptData: the file is not readable; the message names `option`.
    """
    try:
        start = 0
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(_BATCH, columns=columns, use_threads=False):
                yield start, batch.select(columns)
                start += len(batch)
    except (pa.ArrowException, OSError, KeyError) as error:
        reason = str(error).partition("\n")[0]
        raise CorruptData(f"{option} {path}: not readable ({reason}); run the command that writes it again") from None


def _ints(column: Any) -> Rows:
    """A column as int64; -1 for null."""
    return np.asarray(column.cast(pa.int64()).fill_null(_NONE))


def _floats(column: Any) -> npt.NDArray[np.float32]:
    """A column as float32; NaN for null."""
    return np.asarray(column.fill_null(float("nan"))).astype(np.float32)


def _with_positions(pairs: PairList, rows: Rows) -> PairList:
    """The list with positions in `rows` in place of rows of the image set."""
    first = np.searchsorted(rows, pairs.first)
    second = np.where(pairs.second == _NONE, _NONE, np.searchsorted(rows, pairs.second))
    values = {name: getattr(pairs, name) for name in PairList.__dataclass_fields__}
    return PairList(**{**values, "first": first, "second": second})
