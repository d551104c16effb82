"""The result of deduplication: every picture accounted for.

manifest.parquet   a row a picture, in row order; how it was made stands in the file's metadata
detected.parquet   what the detector alone removes, before verdicts act: what draws to be judged are made from
kept.npy           int64, the kept rows, rising: all that training reads
summary.json       counts
removed.csv        for people: each removed picture with its keeper, the contents and labels of both, and the reason
kept.txt           for people: the kept keys
"""

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.core import files
from pipeline.core.errors import CorruptData, MissingInput
from pipeline.csv_text import encode_key
from pipeline.dedup.decision.detector_removals import REMOVALS
from pipeline.dedup.pairs.matches_table import NONE, Matches
from pipeline.imageset.format.image_set import ImageSet

SCHEMA_VERSION = 3

SCHEMA = pa.schema(
    [
        ("key", pa.string()),
        ("sha256", pa.string()),
        ("status", pa.string()),  # kept, removed, or restored: kept, and removed were it not for a verdict
        ("group", pa.int64()),  # 0, 1, … in the order of their keepers; null for a picture that has no duplicate
        # Of a removed picture who stands for it, of a restored one who would; this and the next 3 are null for others.
        ("kept_key", pa.string()),
        # reason: the first of REASONS that holds; of in_other_set, kept_key is a key of that set
        *(REMOVALS.field(name) for name in ("reason", "hamming", "similarity")),
        ("code", pa.binary(16)),
    ]
)

REASONS = ("same_bytes", "same_pixels", "same_code", "near_code", "in_other_set", "given_pair")

_SIMILARITY_TEXT = "{:.4f}"


def build(
    images: ImageSet,
    codes: npt.NDArray[np.uint8],
    removals: pa.Table,
    detected: pa.Table,
    others: Matches = NONE,
) -> pa.Table:
    """The table of all pictures.

    Args:
        codes: uint8 (n, 16).
        removals: who is removed for whom, as `detected.REMOVALS`.
        detected: likewise, had nobody judged; who is in this and not in `removals` was restored.
        others: rows that are removed because they stand in another set.
    """
    count = len(images)
    rows, keepers = (np.asarray(removals.column(name)) for name in ("row", "keeper"))
    leaders = np.unique(keepers)
    back = detected.filter(pc.invert(pc.is_in(detected.column("row"), removals.column("row").combine_chunks())))
    back = back.filter(pc.invert(pc.is_in(back.column("row"), pa.array(others.rows, pa.int64()))))
    status = np.full(count, "kept", dtype="<U8")
    status[np.asarray(back.column("row"))] = "restored"
    status[rows] = "removed"
    group, grouped = np.zeros(count, np.int64), np.zeros(count, bool)
    for members, of in ((rows, keepers), (leaders, leaders)):
        group[members] = np.searchsorted(leaders, of)
        grouped[members] = True

    told = pa.concat_tables([removals, back])
    place = np.zeros(count, np.int64)
    place[np.asarray(told.column("row"))] = np.arange(len(told))
    untold = np.ones(count, bool)
    untold[np.asarray(told.column("row"))] = False

    def spread(values: pa.ChunkedArray) -> pa.Array:
        """One value for each row that is told of, null for the others."""
        return values.combine_chunks().take(pa.array(place, mask=untold))

    keys = images.index.column("key").combine_chunks()
    columns = [
        keys,
        images.index.column("sha256").combine_chunks(),
        pa.array(status.tolist()),
        pa.array(group, mask=~grouped),
        keys.take(spread(told.column("keeper"))),
        *(spread(told.column(name)) for name in ("reason", "hamming", "similarity")),
        pa.FixedSizeBinaryArray.from_buffers(SCHEMA.field("code").type, count, [None, pa.py_buffer(codes.tobytes())]),
    ]
    table = pa.Table.from_arrays(columns, schema=SCHEMA)
    return _with_others(table, others) if len(others.rows) else table


def _with_others(table: pa.Table, others: Matches) -> pa.Table:
    """The table with some rows removed for pictures of another set; `kept_key` is the other's."""
    mask = np.zeros(len(table), bool)
    mask[others.rows] = True
    values = {
        "status": pa.array(["removed"] * len(others.rows)),
        "kept_key": pa.array(others.keys, pa.string()),
        "reason": pa.array(["in_other_set"] * len(others.rows)),
        "hamming": pa.array(others.hamming, pa.int16()),
    }
    for name, column in values.items():
        changed = pc.replace_with_mask(table.column(name).combine_chunks(), pa.array(mask), column)
        table = table.set_column(table.column_names.index(name), SCHEMA.field(name), changed)
    return table


def summarise(table: pa.Table) -> dict[str, Any]:
    """Counts of a manifest: pictures by status, removed by reason, groups, share removed (0..1, six decimals)."""
    statuses = Counter(table.column("status").to_pylist())
    removed = statuses["removed"]
    gone = table.filter(pc.equal(table.column("status"), "removed"))
    reasons = Counter(gone.column("reason").to_pylist())
    sizes = gone.column("group").drop_null().value_counts()
    largest = max((int(entry["counts"]) for entry in sizes.to_pylist()), default=0)
    return {
        "pictures": len(table),
        "kept": len(table) - removed,
        "restored": statuses["restored"],
        "removed": removed,
        "share_removed": round(removed / len(table), 6),
        "by_reason": {reason: reasons[reason] for reason in REASONS},
        "groups": len(sizes),
        "largest_group": largest + 1 if largest else 0,
    }


def unlike_labels(table: pa.Table, images: ImageSet) -> int:
    """How many groups hold pictures of different labels."""
    labelled = pa.table({"group": table.column("group"), "label": images.index.column("label")})
    labels = (
        labelled.filter(pc.is_valid(labelled.column("group")))
        .group_by("group")
        .aggregate([("label", "count_distinct")])
    )
    return int(pc.sum(pc.greater(labels.column("label_count_distinct"), 1)).as_py() or 0)


def write(
    folder: Path,
    table: pa.Table,
    detected: pa.Table,
    summary: Mapping[str, Any],
    made_from: Mapping[str, Any],
    images: ImageSet,
) -> None:
    """Write all files of the result into a folder.

    Args:
        table: the manifest; `detected`: see `detected.REMOVALS`.
        made_from: schema version, parameters, digests; goes as JSON under `dedup` into the manifest's metadata.
    """
    metadata = {"dedup": json.dumps(made_from, sort_keys=True)}
    pq.write_table(table.replace_schema_metadata(metadata), folder / "manifest.parquet", compression="zstd")
    pq.write_table(detected, folder / "detected.parquet", compression="zstd")
    is_kept = pc.not_equal(table.column("status"), "removed")
    files.write_array(folder / "kept.npy", np.flatnonzero(np.asarray(is_kept)).astype(np.int64))
    files.write_json(folder / "summary.json", summary)
    kept_keys = table.filter(is_kept).column("key").to_pylist()
    files.write_text(folder / "kept.txt", "".join(f"{encode_key(key)}\n" for key in kept_keys))
    table = table.append_column("label", images.index.column("label"))
    files.write_text(folder / "removed.csv", _removed_csv(table, table.filter(pc.invert(is_kept))))


def _removed_csv(table: pa.Table, removed: pa.Table) -> str:
    """The removed rows of a manifest, with all that a verdict on each of them needs."""
    # Of a picture that stands in another set, the keeper is not in this table.
    keepers = table.take(pc.index_in(removed.column("kept_key"), value_set=table.column("key"))).to_pylist()
    lines = ["key,kept_key,sha256,kept_sha256,reason,hamming,similarity,label,kept_label"]
    for row, keeper in zip(removed.to_pylist(), keepers, strict=True):
        if row["reason"] == "in_other_set":
            keeper = {"sha256": "", "label": ""}
        alike = "" if row["similarity"] is None else _SIMILARITY_TEXT.format(row["similarity"])
        values = [encode_key(row["key"]), encode_key(row["kept_key"]), row["sha256"], keeper["sha256"], row["reason"]]
        labels = [encode_key(label or "") for label in (row["label"], keeper["label"])]
        lines.append(",".join([*values, str(row["hamming"]), alike, *labels]))
    return "\n".join(lines) + "\n"


def read_any(folder: Path) -> tuple[pa.Table, dict[str, Any]]:
    """A manifest, whatever its pictures, and what it was made from.

    Raises:
        MissingInput: there is none in `folder`.
        CorruptData: it is of another version, or not readable.
    """
    path = folder / "manifest.parquet"
    if not path.is_file():
        raise MissingInput(f"--dedup {path}: no such file; run remove-duplicates first")
    table = files.read_table(path, f"--dedup {path}", "run remove-duplicates again")
    try:
        made_from = json.loads((table.schema.metadata or {})[b"dedup"])
    except (KeyError, ValueError) as error:
        raise CorruptData(f"--dedup {path}: not readable ({error}); run remove-duplicates again") from None
    if made_from.get("schema_version") != SCHEMA_VERSION or not table.schema.equals(SCHEMA):
        raise CorruptData(f"--dedup {path}: expected schema version {SCHEMA_VERSION}; run remove-duplicates again")
    return table, made_from


def read(folder: Path, images: ImageSet) -> tuple[pa.Table, dict[str, Any]]:
    """The manifest of this very image set, and what it was made from.

    Raises:
        MissingInput: there is none in `folder`.
        CorruptData: it is of other pictures or of another version, or not readable.
    """
    table, made_from = read_any(folder)
    if len(table) != len(images) or made_from.get("images") != images.digest:
        raise CorruptData(
            f"--dedup {folder / 'manifest.parquet'}: {len(table):,} pictures of another image set than {images.folder} "
            f"({len(images):,} pictures); run remove-duplicates again"
        )
    return table, made_from
