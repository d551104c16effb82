"""Export pictures as an LMDB in the layout of LSUN: the values are encoded pictures."""

from pathlib import Path

import lmdb

from pipeline.core.errors import BadParameters, PipelineError
from pipeline.export.originals import Originals, Pair, batches

_LONGEST_KEY = 511
_MAP = 1 << 26
_BATCH = 1024


def write_lmdb(originals: Originals, folder: Path) -> dict[str, int]:
    """Write `data.mdb`; the same pictures give the same bytes.

    If the source is an LMDB, its keys are used; otherwise, keys are UTF-8.

    Returns:
        `bytes` of the pictures.

    Raises:
        BadParameters: a key is longer than LMDB allows.
        PipelineError: the file cannot be written.
        CorruptData: see `Originals.read`.
    """
    originals = originals.by_raw_key()  # sorted, so that LMDB fills its pages in order
    keys = originals.raw_keys()
    longest = max(keys, key=len)
    if len(longest) > _LONGEST_KEY:
        raise BadParameters(
            f"--format lmdb: a key has {len(longest):,} bytes, LMDB allows {_LONGEST_KEY} ({longest[:60]!r} …); "
            "choose another format"
        )
    length = done = 0
    try:
        with lmdb.open(str(folder), map_size=_MAP, lock=False, sync=False) as environment:
            for batch in batches(originals.read(), _BATCH):
                _put(environment, keys[done : done + len(batch)], batch)
                done += len(batch)
                length += sum(len(data) for _, data in batch)
    except lmdb.Error as error:
        raise PipelineError(f"{folder}/data.mdb: not writable ({error}); make room, or choose another disk") from None
    (folder / "lock.mdb").unlink(missing_ok=True)
    return {"bytes": length}


def _put(environment: lmdb.Environment, keys: list[bytes], batch: list[Pair]) -> None:
    """Write one batch; the size of the memory map is doubled until the batch fits."""
    while True:
        try:
            with environment.begin(write=True) as transaction:
                for key, (_, data) in zip(keys, batch, strict=True):
                    transaction.put(key, data, append=True)
            return
        except lmdb.MapFullError:
            environment.set_mapsize(2 * environment.info()["map_size"])
