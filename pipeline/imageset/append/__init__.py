"""Add the pictures of one image set to another: nothing that was there changes its place or its bytes.

The result has the rows of the first set, then those of the second whose keys the first does not have: a part each. Keys
are in order within a part, not across parts, and each part has shards of its own, all full but its last one.
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
"""Keys that a warning names."""


def append(old: Path, new: Path, to: Path) -> int:
    """Write the image set `to`: the pictures of `old`, then those of `new` that it does not have.

    The result is of the current schema version, and its index has all stored digests, whatever version the two sets
    are of. The shards of `old` are hard links where the disk knows them, else copies. A picture of `new` whose key
    `old` has is left out and listed as `filtered`: `already_there` where their source bytes are the same, else
    `key_taken`, with a warning. Where all of them are left out, the result is `old`, to the byte, and lists nothing.

    Returns:
        How many pictures were added.

    Raises:
        MissingInput, CorruptData: of the two image sets.
        BadParameters: their pictures are not of one size.
    """
    first, second = ImageSet(old), ImageSet(new)
    if first.stored_side != second.stored_side:
        raise BadParameters(
            f"{new}: pictures are {second.stored_side} pixels wide, those of {old} {first.stored_side}; make it anew "
            f"with --side {first.stored_side}"
        )
    with workspace(to, files.digest({"old": first.digest, "new": second.digest})) as work:
        if work is None:
            return len(ImageSet(to)) - len(first)
        rows, left_out = _divide(first, second)
        for name in first.shards:
            files.link_or_copy(old / name, work.result / name)
        if len(rows):
            _write(first, second, rows, left_out, work.result)
        else:
            for name in ("index.parquet", "skipped.parquet", "imageset.json"):
                files.link_or_copy(old / name, work.result / name)
        work.publish()
    return len(rows)


def _divide(first: ImageSet, second: ImageSet) -> tuple[Rows, pa.Table]:
    """The rows of the second set that are new, and those that are not, as `skipped.parquet` lists them."""
    index = second.index
    at = pc.index_in(index.column("key"), value_set=first.index.column("key"))
    there = np.asarray(pc.is_valid(at))
    stands = first.index.column("sha256").take(at.filter(pa.array(there)))
    found = index.filter(pa.array(there))
    same = pc.equal(found.column("sha256"), stands)
    taken = found.filter(pc.invert(same)).column("key").to_pylist()
    if taken:
        progress.warn(
            f"{len(taken):,} pictures have the key of another one that was there before and are left out: "
            f"{', '.join(map(repr, taken[:_NAMED]))}{' …' if len(taken) > _NAMED else ''}; give them other names, or a "
            "folder of their own, to add them"
        )
    filtered, detail = pa.array(["filtered"] * len(found)), pa.array(found.column("sha256").to_pylist(), pa.string())
    reasons = pc.if_else(same, ALREADY_THERE, KEY_TAKEN)
    left_out = pa.table([found.column("key"), filtered, reasons, detail], schema=SKIPPED_SCHEMA)
    return np.flatnonzero(~there), left_out


def _write(first: ImageSet, second: ImageSet, rows: Rows, left_out: pa.Table, to: Path) -> None:
    """Write all that is not yet there of the joined set."""
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
    """The key of each picture's source: of a face, keyed `photo#003`, its photo's."""
    keys = index.column("key")
    photos = pc.replace_substring_regex(keys, pattern="#[0-9]+$", replacement="")
    return pc.if_else(index.column("box").is_valid(), photos, keys)


def _sources(index: pa.Table) -> int:
    """How many sources the pictures were made of."""
    return len(pc.unique(source_keys(index)))
