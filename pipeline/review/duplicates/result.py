"""A dedup result, opened for looking at: no picture is loaded, and of the tables only what is shown.

Three lists of pairs can be looked at: `removed`, each removed picture with its keeper; and, where a search found them,
`misses`, pairs that nearly passed, and `decoys`, pairs that passed though one was mirrored. What lies in memory are
arrays: for 300,000 removals about 100 MB.
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
from pipeline.imageset.format.image_set import ImageSet, Rows
from pipeline.review.duplicates.locate import Folders

KINDS = {"removed": "removed pictures", "misses": "near misses", "decoys": "decoys"}

_BATCH = 1 << 14
_NONE = -1


@dataclass(frozen=True)
class Pictures:
    """What is known of the pictures that stand in any list, in the order of their rows.

    Attributes:
        rows: int64 (n,), rising, of the image set.
        keys: text (n,).
        contents: SHA-256 of the source as 32 bytes, dictionary-encoded: equal indices are equal contents.
        width, height, bytes: of the source: int32, int32, int64.
        labels: class names (n,), null where there is none.
        boxes: of faces, in source pixels: lists of four numbers (n,), null for others.
    """

    rows: Rows
    keys: pa.Array
    contents: pa.DictionaryArray
    width: npt.NDArray[np.int32]
    height: npt.NDArray[np.int32]
    bytes: npt.NDArray[np.int64]
    labels: pa.Array
    boxes: pa.Array

    def at(self, row: int) -> int | None:
        """The position of a row of the image set; None where it is not among these."""
        at = int(np.searchsorted(self.rows, row))
        return at if at < len(self.rows) and self.rows[at] == row else None

    def sha256(self, at: int) -> str:
        """SHA-256 of one picture's source, 64 hex characters."""
        return bytes(self.contents[at].as_py()).hex()


@dataclass(frozen=True)
class PairList:
    """One list: arrays of one length; `first` is the removed picture of a pair.

    Attributes:
        first, second: int64, positions in `Pictures`; second is -1 where the keeper stands in another set.
        reason: int8, numbers of `reasons`.
        reasons: words; empty for misses and decoys.
        hamming: int16, bits in which the codes differ.
        similarity, score: float32; NaN where there is none.
        group: int64; -1 where there is none.
        group_size: int32, pictures of the group, its keeper included; 0 where there is none.
        elsewhere: by number of the pair: the key of a keeper that stands in another set.
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
    elsewhere: dict[int, str]

    def __len__(self) -> int:
        return len(self.first)


class Result:
    """A dedup result and the image set it is of.

    Args:
        folders: see `locate`.

    Attributes:
        images: the image set.
        pictures: of all lists.
        detector: digest of how duplicates were found.
        lists: by kind (see `KINDS`), those there are.

    Raises:
        MissingInput: there is no image set.
        CorruptData: a file is not readable, or is of other pictures.
    """

    def __init__(self, folders: Folders) -> None:
        self.folders = folders
        self.images = ImageSet(folders.images)
        self.detector = detector_of(folders, self.images)
        found = {"removed": self._removed()}
        if folders.pairs:
            _check_pairs(folders.pairs, self.images)
            for kind in ("misses", "decoys"):
                if (folders.pairs / f"{kind}.parquet").is_file():
                    found[kind] = self._searched(folders.pairs / f"{kind}.parquet")
        # Rows of the image set until here; from here on positions among the pictures that are shown.
        rows = np.unique(np.concatenate([side for pairs in found.values() for side in (pairs.first, pairs.second)]))
        rows = rows[rows != _NONE]
        self.lists = {kind: _renumbered(pairs, rows) for kind, pairs in found.items()}
        self.pictures = read_pictures(self.images, rows)
        self.images.read(rows[:1])  # opens its files: what a later run puts in their place is never shown for these

    def _removed(self) -> PairList:
        path = self.folders.dedup / "manifest.parquet"
        columns = ["status", "group", "reason", "hamming", "similarity", "kept_key"]
        parts: list[pa.RecordBatch] = []
        leaders: list[tuple[Rows, Rows]] = []  # groups, and the rows of their keepers
        for start, batch in batches(path, columns, "--dedup"):
            at = pa.array(np.arange(start, start + len(batch)))
            removed = pc.equal(batch.column("status"), "removed")
            here = pc.equal(batch.column("reason"), "in_other_set").fill_null(False)
            kept_key = pc.if_else(here, batch.column("kept_key"), pa.scalar(None, pa.string()))
            kept = pc.and_(pc.invert(removed), batch.column("group").is_valid())
            leaders.append((_ints(batch.column("group").filter(kept)), _ints(at.filter(kept))))
            batch = batch.drop_columns(["status", "kept_key"]).append_column("at", at)
            parts.append(batch.append_column("kept_key", kept_key).filter(removed))
        table = pa.Table.from_batches(parts).combine_chunks()
        group = _ints(table.column("group"))
        numbers, rows = (np.concatenate(part) for part in zip(*leaders, strict=True))
        order = np.argsort(numbers)
        sizes = np.bincount(group[group >= 0], minlength=len(numbers) + 1) + 1
        keepers = np.full(len(table), _NONE)
        keepers[group >= 0] = rows[order][np.searchsorted(numbers[order], group[group >= 0])]
        reason = table.column("reason").combine_chunks().dictionary_encode()
        first = _ints(table.column("at"))
        others = np.flatnonzero(np.asarray(table.column("kept_key").is_valid()))
        return PairList(
            first,
            keepers,
            np.asarray(reason.indices).astype(np.int8),
            tuple(reason.dictionary.to_pylist()),
            _ints(table.column("hamming")).astype(np.int16),
            _floats(table.column("similarity")),
            self._scores(first, keepers),
            group,
            np.where(group >= 0, sizes[group], 0).astype(np.int32),
            {int(number): table.column("kept_key")[int(number)].as_py() for number in others},
        )

    def _scores(self, first: Rows, second: Rows) -> npt.NDArray[np.float32]:
        """Scores of pairs that the search found itself; NaN for others."""
        scores = np.full(len(first), np.nan, np.float32)
        if self.folders.pairs is None:
            return scores
        if not len(first):
            return scores
        count = len(self.images)
        wanted = np.minimum(first, second) * count + np.maximum(first, second)
        order = np.argsort(wanted)
        for _, batch in batches(self.folders.pairs / "pairs.parquet", ["left", "right", "score"], "--pairs"):
            found = _ints(batch.column("left")) * count + _ints(batch.column("right"))
            at = order[np.minimum(np.searchsorted(wanted[order], found), len(order) - 1)]
            hit = wanted[at] == found
            scores[at[hit]] = _floats(batch.column("score"))[hit]
        return scores

    def _searched(self, path: Path) -> PairList:
        parts = [batch for _, batch in batches(path, ["left", "right", "hamming", "score"], "--pairs")]
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


def detector_of(folders: Folders, images: ImageSet) -> str:
    """Digest of how the duplicates of an image set were found.

    Raises:
        CorruptData: the manifest is not readable, or is of other pictures.
    """
    path = folders.dedup / "manifest.parquet"
    try:
        made_from = json.loads((pq.read_schema(path).metadata or {})[b"dedup"])
        digest, detector = made_from["images"], str(made_from["detector"])
    except (pa.ArrowException, OSError, KeyError, ValueError) as error:
        raise CorruptData(f"--dedup {path}: not readable ({error}); run remove-duplicates again") from None
    if digest != images.digest:
        raise CorruptData(
            f"--dedup {path}: of another image set than --images {images.folder}; name the one it was made "
            "from, or run remove-duplicates again"
        )
    return detector


def _check_pairs(folder: Path, images: ImageSet) -> None:
    about = files.read_json(folder / "pairs.json")
    if not isinstance(about, dict) or about.get("images") != images.digest:
        raise CorruptData(f"--pairs {folder}: of another image set than {images.folder}; run find-pairs again")


def read_pictures(images: ImageSet, rows: Rows) -> Pictures:
    """What is known of some pictures.

    Args:
        rows: int64, rising.

    Raises:
        CorruptData: the index is not readable.
    """
    columns = ["key", "sha256", "source_width", "source_height", "source_bytes", "label", "box"]
    parts = []
    for start, batch in batches(images.folder / "index.parquet", columns, "--images"):
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
    return Pictures(rows, keys, digests.dictionary_encode(), *sizes, label, boxes)


def batches(path: Path, columns: Sequence[str], option: str) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Some columns of a parquet file in parts, each with the number of its first row.

    Raises:
        CorruptData: it is not readable; the message names `option`.
    """
    try:
        start = 0
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(_BATCH, columns=columns, use_threads=False):
                yield start, batch.select(columns)
                start += len(batch)
    except (pa.ArrowException, OSError, KeyError) as error:
        reason = str(error).partition("\n")[0]
        raise CorruptData(f"{option} {path}: not readable ({reason}); run the command that makes it again") from None


def _ints(column: Any) -> Rows:
    """Whole numbers as int64; -1 for null."""
    return np.asarray(column.cast(pa.int64()).fill_null(_NONE))


def _floats(column: Any) -> npt.NDArray[np.float32]:
    """Numbers as float32; NaN for null."""
    return np.asarray(column.fill_null(float("nan"))).astype(np.float32)


def _renumbered(pairs: PairList, rows: Rows) -> PairList:
    first = np.searchsorted(rows, pairs.first)
    second = np.where(pairs.second == _NONE, _NONE, np.searchsorted(rows, pairs.second))
    values = {name: getattr(pairs, name) for name in PairList.__dataclass_fields__}
    return PairList(**{**values, "first": first, "second": second})
