"""Append the pictures of one image set to another; existing rows keep their number and their bytes.

The result has the rows of the first set, followed by the rows of the second set whose keys are new. Each append adds a
part. Keys are sorted within a part, not across parts. Each part has its own shards; all but its last one are full.
"""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.core import files, progress
from pipeline.core.errors import BadParameters
from pipeline.core.workspace import workspace
from pipeline.imageset.format import image_set
from pipeline.imageset.format.image_set import INDEX_SCHEMA, SHARD_PICTURES, SKIPPED_SCHEMA, ImageSet, Rows

ALREADY_THERE = "already_there"
KEY_TAKEN = "key_taken"

_BLOCK = 4096
_NAMED = 3
"""Number of keys that a warning lists."""


def append(old: Path, new: Path, to: Path) -> int:
    """Write the image set `to`: the pictures of `old`, then the pictures of `new` whose keys are not in `old`.

    The result has the current schema version and the digests of all stored pictures, whatever the versions of the two
    sets. The shards of `old` are hard-linked, or copied if the file system has no hard links. A picture of `new` whose
    key is in `old` is left out and listed in `skipped.parquet` as `filtered`. Its reason is `already_there` if both
    have the same source bytes, else `key_taken`, with a warning. If no picture is new, the result equals `old` byte for
    byte.

    Returns:
        Number of pictures added.

    Raises:
        MissingInput: one of the image sets is missing.
        CorruptData: one of the image sets is damaged.
        BadParameters: the pictures of the two sets differ in size.
    """
    first, second = ImageSet(old), ImageSet(new)
    if first.stored_side != second.stored_side:
        raise BadParameters(
            f"{new}: pictures are {second.stored_side} pixels wide, but those of {old} are {first.stored_side}; "
            f"prepare {new} again with --side {first.stored_side}"
        )
    with workspace(to, files.digest({"old": first.digest, "new": second.digest})) as work:
        if work is None:
            return len(ImageSet(to)) - len(first)
        rows, left_out = _split_rows(first, second)
        for name in first.shards:
            files.link_or_copy(old / name, work.result / name)
        if len(rows):
            _write(first, second, rows, left_out, work.result)
        else:
            for name in ("index.parquet", "skipped.parquet", "imageset.json"):
                files.link_or_copy(old / name, work.result / name)
        work.publish()
    return len(rows)


def _split_rows(first: ImageSet, second: ImageSet) -> tuple[Rows, pa.Table]:
    """Return the rows of the second set with new keys, and the other ones as rows of `skipped.parquet`."""
    index = second.index
    at = pc.index_in(index.column("key"), value_set=first.index.column("key"))
    known = np.asarray(pc.is_valid(at))
    existing = first.index.column("sha256").take(at.filter(pa.array(known)))
    repeated = index.filter(pa.array(known))
    same = pc.equal(repeated.column("sha256"), existing)
    taken = repeated.filter(pc.invert(same)).column("key").to_pylist()
    if taken:
        progress.warn(
            f"{len(taken):,} pictures are left out because the set has another picture with the same key: "
            f"{', '.join(map(repr, taken[:_NAMED]))}{' …' if len(taken) > _NAMED else ''}; to add them, rename them or "
            "move them to another folder"
        )
    filtered = pa.array(["filtered"] * len(repeated))
    detail = pa.array(repeated.column("sha256").to_pylist(), pa.string())
    reasons = pc.if_else(same, ALREADY_THERE, KEY_TAKEN)
    left_out = pa.table([repeated.column("key"), filtered, reasons, detail], schema=SKIPPED_SCHEMA)
    return np.flatnonzero(~known), left_out


def _write(first: ImageSet, second: ImageSet, rows: Rows, left_out: pa.Table, to: Path) -> None:
    """Write the new shards, the index, the list of skipped sources and the description of the joined set."""
    blocks = (second.read(rows[start : start + _BLOCK]) for start in range(0, len(rows), _BLOCK))
    side, shards = first.stored_side, len(first.shards)
    added = image_set.write_shards(blocks, len(rows), to, side=side, first=shards)
    place = np.arange(len(rows))
    index = second.index.take(rows)
    for name, values in (("shard", shards + place // SHARD_PICTURES), ("row", place % SHARD_PICTURES)):
        column = pa.array(values, pa.int32())
        index = index.set_column(index.column_names.index(name), INDEX_SCHEMA.field(name), column)
    index = pa.concat_tables([first.index, index]).combine_chunks()
    digests = np.concatenate([first.stored_digests(), second.stored_digests(rows)])
    index = index.set_column(
        index.column_names.index("stored_digest"), INDEX_SCHEMA.field("stored_digest"), image_set.digest_array(digests)
    )
    pq.write_table(index, to / "index.parquet", compression="zstd", row_group_size=SHARD_PICTURES)
    skipped = pa.concat_tables([second.skipped, left_out]).sort_by([("key", "ascending"), ("reason", "ascending")])
    skipped = pa.concat_tables([first.skipped, skipped]).combine_chunks()
    pq.write_table(skipped, to / "skipped.parquet", compression="zstd")
    counts = {name: first.counts[name] + second.counts[name] for name in first.counts}
    counts["pictures"] = len(index)
    counts["filtered"] += _sources(second.index) - _sources(second.index.take(rows))
    image_set.write_description(to, counts, first.shards | added, side, parts=[*first.parts, len(rows)])


def source_keys(index: pa.Table) -> pa.ChunkedArray:
    """Return the key of the source of each picture: for a face with the key `photo#003`, `photo`."""
    keys = index.column("key")
    photos = pc.replace_substring_regex(keys, pattern="#[0-9]+$", replacement="")
    return pc.if_else(index.column("box").is_valid(), photos, keys)


def _sources(index: pa.Table) -> int:
    """Count the distinct sources of the pictures."""
    return len(pc.unique(source_keys(index)))
