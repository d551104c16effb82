"""The result of deduplication: every picture accounted for.

manifest.parquet   a row a picture, in row order; how it was made stands in the file's metadata
kept.npy           int64, the kept rows, rising: all that training reads
summary.json       counts
removed.csv        for people: each removed picture with its keeper, the contents and labels of both, and the reason
kept.txt           for people: the kept keys
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline import files
from pipeline.csvtext import encode_key
from pipeline.dedup.matches import NONE, Matches
from pipeline.errors import CorruptData, MissingInput
from pipeline.imageset import ImageSet, Rows

SCHEMA_VERSION = 2

SCHEMA = pa.schema(
    [
        ("key", pa.string()),
        ("sha256", pa.string()),
        ("status", pa.string()),  # kept, removed, or restored: kept, and removed were it not for a verdict
        ("group", pa.int64()),  # 0, 1, … in the order of their keepers; null for a picture that has no duplicate
        ("kept_key", pa.string()),  # of a removed picture: who stands for it; this and the next 3 null for others
        ("reason", pa.string()),  # the first of REASONS that holds; of in_other_set, kept_key is a key of that set
        ("hamming", pa.int16()),  # bits in which the codes of the two differ
        ("similarity", pa.float64()),  # normalised cross-correlation at 32×32, grey; null where one has no contrast
        ("code", pa.binary(16)),
    ]
)

REASONS = ("same_bytes", "same_pixels", "same_code", "near_code", "in_other_set", "given_pair")

_SIMILARITY_TEXT = "{:.4f}"


def build(
    images: ImageSet,
    codes: npt.NDArray[np.uint8],
    keepers: Rows,
    *,
    restored: npt.NDArray[np.bool_],
    reasons: Sequence[str],
    similarity: npt.NDArray[np.float64],
    others: Matches = NONE,
) -> pa.Table:
    """The table of all pictures.

    Args:
        codes: uint8 (n, 16).
        keepers: int64 (n,), the row that stands for each row.
        restored: bool (n,).
        reasons: one for each removed row, in row order.
        similarity: float64, likewise; NaN where there is none.
        others: rows that are removed because they stand in another set.
    """
    count = len(images)
    rows = np.arange(count)
    removed = keepers != rows
    status = np.where(removed, "removed", np.where(restored, "restored", "kept"))
    leaders = np.unique(keepers[removed])
    group = np.searchsorted(leaders, keepers)
    grouped = np.isin(keepers, leaders)
    hamming = np.bitwise_count(codes[removed] ^ codes[keepers[removed]]).sum(axis=1)

    def spread(values: pa.Array) -> pa.Array:
        """One value for each removed row, null for the others."""
        return values.take(pa.array(np.cumsum(removed) - 1, mask=~removed))

    keys = images.index.column("key").combine_chunks()
    columns = [
        keys,
        images.index.column("sha256").combine_chunks(),
        pa.array(status.tolist()),
        pa.array(group, mask=~grouped),
        keys.take(pa.array(keepers, mask=~removed)),
        spread(pa.array(reasons, pa.string())),
        spread(pa.array(hamming, pa.int16())),
        spread(pa.array(similarity, from_pandas=True)),
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
    reasons = Counter(table.column("reason").to_pylist())
    sizes = table.filter(pc.equal(table.column("status"), "removed")).column("group").drop_null().value_counts()
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
    folder: Path, table: pa.Table, summary: Mapping[str, Any], made_from: Mapping[str, Any], images: ImageSet
) -> None:
    """Write all files of the result into a folder.

    Args:
        made_from: schema version, parameters, digests; goes as JSON under `dedup` into the manifest's metadata.
    """
    metadata = {"dedup": json.dumps(made_from, sort_keys=True)}
    pq.write_table(table.replace_schema_metadata(metadata), folder / "manifest.parquet", compression="zstd")
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


def read(folder: Path, images: ImageSet) -> tuple[pa.Table, dict[str, Any]]:
    """The manifest of this very image set, and what it was made from.

    Raises:
        MissingInput: there is none in `folder`.
        CorruptData: it is of other pictures or of another version, or not readable.
    """
    path = folder / "manifest.parquet"
    if not path.is_file():
        raise MissingInput(f"--dedup {path}: no such file; run remove-duplicates first")
    try:
        table = pq.read_table(path)
        made_from = json.loads((table.schema.metadata or {})[b"dedup"])
    except (pa.ArrowException, KeyError, ValueError) as error:
        raise CorruptData(f"--dedup {path}: not readable ({error}); run remove-duplicates again") from None
    if made_from.get("schema_version") != SCHEMA_VERSION or not table.schema.equals(SCHEMA):
        raise CorruptData(f"--dedup {path}: expected schema version {SCHEMA_VERSION}; run remove-duplicates again")
    if len(table) != len(images) or made_from.get("images") != images.digest:
        raise CorruptData(
            f"--dedup {path}: {len(table):,} pictures of another image set than {images.folder} "
            f"({len(images):,} pictures); run remove-duplicates again"
        )
    return table, made_from
