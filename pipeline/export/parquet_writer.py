"""Export pictures as parquet shards in the layout of Hugging Face's `datasets`."""

import itertools
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.export.originals import Originals, batches

_ROW_GROUP = 100
"""Pictures per row group, as in files of Hugging Face."""

_TEXT = {"dtype": "string", "_type": "Value"}
_FEATURES = {"image": {"_type": "Image"}, "label": _TEXT, "key": _TEXT}
_SCHEMA = pa.schema(
    [
        ("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
        ("label", pa.string()),
        ("key", pa.string()),
    ],
    metadata={"huggingface": json.dumps({"info": {"features": _FEATURES}})},
)


def write_parquet(originals: Originals, folder: Path, shard_pictures: int) -> dict[str, int]:
    """Write `train-00000-of-00003.parquet` and so on.

    The columns are `image` (a struct of `bytes` and `path`, which is the key), `label` (string or null) and `key`.

    Args:
        shard_pictures: pictures in each shard except the last.

    Returns:
        `bytes` of the pictures, `shards`.

    Raises:
        CorruptData: see `Originals.read`.
    """
    pairs = originals.read()
    shards = -(-len(originals) // shard_pictures)
    length = 0
    for shard in range(shards):
        path = folder / f"train-{shard:05d}-of-{shards:05d}.parquet"
        # Pictures are already compressed; statistics and dictionaries would only repeat them.
        with pq.ParquetWriter(
            path, _SCHEMA, compression="none", use_dictionary=["label"], write_statistics=False
        ) as to:
            for batch in batches(itertools.islice(pairs, shard_pictures), _ROW_GROUP):
                rows = [
                    {"image": {"bytes": data, "path": one.key}, "label": one.label, "key": one.key}
                    for one, data in batch
                ]
                to.write_table(pa.Table.from_pylist(rows, _SCHEMA))
                length += sum(len(data) for _, data in batch)
    return {"bytes": length, "shards": shards}
