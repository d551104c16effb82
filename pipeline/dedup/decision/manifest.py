"""The files of a deduplication result.

manifest.parquet   one row for each picture, in row order; the file's metadata has the parameters and input digests
detected.parquet   the removals without verdicts, for samples that people judge; see `detector_removals`
kept.npy           int64, the kept rows, increasing; the only file that training reads
summary.json       counts
doubtful.csv       for people: kept pairs that agree only in a layout that they share with other pictures: key,
                   other_key, score, the highest score first
mirrored.csv       for people: kept pictures that are probably mirrored copies: key, other_key, score
removed.csv        for people: each removed picture and its representative, with SHA-256, labels and the reason
kept.txt           for people: the kept keys
exact_only.csv     for people: the pictures that were compared by their bytes and source pixels only, with the reason
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
        ("status", pa.string()),  # kept, removed, or restored (kept because of a verdict)
        ("group", pa.int64()),  # 0, 1, … in the order of the representatives; null for pictures without duplicates
        # The representative of a removed picture, or of a restored one without the verdict. For other pictures, this
        # column and the next 3 are null.
        ("kept_key", pa.string()),
        # reason: the first of REASONS that applies; for in_other_set, kept_key is a key of the other set
        *(REMOVALS.field(name) for name in ("reason", "hamming", "similarity")),
        ("code", pa.binary(16)),
    ]
)

REASONS = ("same_bytes", "same_pixels", "same_code", "near_code", "mirrored", "in_other_set", "given_pair")

_SIMILARITY_TEXT = "{:.4f}"


def build(
    images: ImageSet,
    codes: npt.NDArray[np.uint8],
    removals: pa.Table,
    detected: pa.Table,
    others: Matches = NONE,
) -> pa.Table:
    """Build the manifest of all pictures, with the schema `SCHEMA`.

    Args:
        images: the image set.
        codes: uint8 (n, 16).
        removals: the removed pictures, with the schema `REMOVALS`.
        detected: the pictures that are removed without verdicts, with the same schema. A picture that is in this table
            and not in `removals` was restored.
        others: pictures that are removed because they are also in another set.
    """
    count = len(images)
    rows, representatives = (np.asarray(removals.column(name)) for name in ("row", "representative"))
    group_representatives = np.unique(representatives)
    restored = detected.filter(pc.invert(pc.is_in(detected.column("row"), removals.column("row").combine_chunks())))
    restored = restored.filter(pc.invert(pc.is_in(restored.column("row"), pa.array(others.rows, pa.int64()))))
    status = np.full(count, "kept", dtype="<U8")
    status[np.asarray(restored.column("row"))] = "restored"
    status[rows] = "removed"
    group, grouped = np.zeros(count, np.int64), np.zeros(count, bool)
    for members, of in ((rows, representatives), (group_representatives, group_representatives)):
        group[members] = np.searchsorted(group_representatives, of)
        grouped[members] = True

    listed = pa.concat_tables([removals, restored])
    place = np.zeros(count, np.int64)
    place[np.asarray(listed.column("row"))] = np.arange(len(listed))
    unlisted = np.ones(count, bool)
    unlisted[np.asarray(listed.column("row"))] = False

    def for_all_rows(values: pa.ChunkedArray) -> pa.Array:
        """One value for each row of the manifest: null for rows that are not in `listed`."""
        return values.combine_chunks().take(pa.array(place, mask=unlisted))

    keys = images.index.column("key").combine_chunks()
    columns = [
        keys,
        images.index.column("sha256").combine_chunks(),
        pa.array(status.tolist()),
        pa.array(group, mask=~grouped),
        keys.take(for_all_rows(listed.column("representative"))),
        *(for_all_rows(listed.column(name)) for name in ("reason", "hamming", "similarity")),
        pa.FixedSizeBinaryArray.from_buffers(SCHEMA.field("code").type, count, [None, pa.py_buffer(codes.tobytes())]),
    ]
    table = pa.Table.from_arrays(columns, schema=SCHEMA)
    return _with_others(table, others) if len(others.rows) else table


def _with_others(table: pa.Table, others: Matches) -> pa.Table:
    """Mark rows as removed because the picture is in another set; `kept_key` is then its key in that set."""
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
    removed_rows = table.filter(pc.equal(table.column("status"), "removed"))
    reasons = Counter(removed_rows.column("reason").to_pylist())
    sizes = removed_rows.column("group").drop_null().value_counts()
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


def count_mixed_label_groups(table: pa.Table, images: ImageSet) -> int:
    """Number of groups whose pictures have different labels."""
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
    doubtful: Sequence[Mapping[str, Any]],
    summary: Mapping[str, Any],
    made_from: Mapping[str, Any],
    images: ImageSet,
) -> None:
    """Write all files of the result to a folder.

    Args:
        folder: an existing folder.
        table: the manifest.
        detected: the detector removals.
        doubtful: the rows of `doubtful.csv`.
        summary: the content of `summary.json`.
        made_from: schema version, parameters and digests; written to the metadata of the manifest, as JSON in `dedup`.
        images: the image set.
    """
    metadata = {"dedup": json.dumps(made_from, sort_keys=True)}
    pq.write_table(table.replace_schema_metadata(metadata), folder / "manifest.parquet", compression="zstd")
    pq.write_table(detected, folder / "detected.parquet", compression="zstd")
    is_kept = pc.not_equal(table.column("status"), "removed")
    files.write_array(folder / "kept.npy", np.flatnonzero(np.asarray(is_kept)).astype(np.int64))
    files.write_json(folder / "summary.json", summary)
    kept_keys = table.filter(is_kept).column("key").to_pylist()
    files.write_text(folder / "kept.txt", "".join(f"{encode_key(key)}\n" for key in kept_keys))
    files.write_text(folder / "doubtful.csv", _doubtful_csv(doubtful))
    table = table.append_column("label", images.index.column("label"))
    files.write_text(folder / "removed.csv", _removed_csv(table, table.filter(pc.invert(is_kept))))


def _doubtful_csv(doubtful: Sequence[Mapping[str, Any]]) -> str:
    lines = [
        f"{encode_key(row['key'])},{encode_key(row['other_key'])},{row['score']:.2f}\n"
        for row in sorted(doubtful, key=lambda row: -row["score"])
    ]
    return "".join(["key,other_key,score\n", *lines])


def _removed_csv(table: pa.Table, removed: pa.Table) -> str:
    """The removed rows of a manifest as CSV, with the columns that verdicts need."""
    # For a picture that is also in another set, the representative is not in this table.
    representatives = table.take(pc.index_in(removed.column("kept_key"), value_set=table.column("key"))).to_pylist()
    lines = ["key,kept_key,sha256,kept_sha256,reason,hamming,similarity,label,kept_label"]
    for row, representative in zip(removed.to_pylist(), representatives, strict=True):
        if row["reason"] == "in_other_set":
            representative = {"sha256": "", "label": ""}
        similarity = "" if row["similarity"] is None else _SIMILARITY_TEXT.format(row["similarity"])
        values = [
            encode_key(row["key"]),
            encode_key(row["kept_key"]),
            row["sha256"],
            representative["sha256"],
            row["reason"],
        ]
        labels = [encode_key(label or "") for label in (row["label"], representative["label"])]
        lines.append(",".join([*values, str(row["hamming"]), similarity, *labels]))
    return "\n".join(lines) + "\n"


def read_any(folder: Path) -> tuple[pa.Table, dict[str, Any]]:
    """Read a manifest of any image set, and the description in its metadata.

    Raises:
        MissingInput: `folder` contains no manifest.
        CorruptData: the manifest has another version, or is not readable.
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
    """Read the manifest of this image set, and the description in its metadata.

    Raises:
        MissingInput: `folder` contains no manifest.
        CorruptData: the manifest belongs to another image set, has another version, or is not readable.
    """
    table, made_from = read_any(folder)
    if len(table) != len(images) or made_from.get("images") != images.digest:
        raise CorruptData(
            f"--dedup {folder / 'manifest.parquet'}: {len(table):,} pictures of another image set than {images.folder} "
            f"({len(images):,} pictures); run remove-duplicates again"
        )
    return table, made_from
