"""Export pictures as WebDataset shards: tar files with `000000000.jpg` and `000000000.json` for each picture."""

import io
import itertools
import json
import tarfile
from pathlib import Path

from pipeline.export.key_paths import suffix_of
from pipeline.export.originals import Originals


def write_webdataset(originals: Originals, folder: Path, shard_pictures: int) -> dict[str, int]:
    """Write `shard-000000.tar` and so on; the tar headers contain no time and no user.

    Suffixes depend on the content. The JSON has the keys `key`, `label` (or null), `sha256`, `width` and `height`.

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
        with tarfile.open(folder / f"shard-{shard:06d}.tar", "w", format=tarfile.USTAR_FORMAT) as tar:
            in_shard = itertools.islice(pairs, shard_pictures)
            for number, (original, data) in enumerate(in_shard, shard * shard_pictures):
                names = ("key", "label", "sha256", "width", "height")
                metadata = {name: getattr(original, name) for name in names}
                text = json.dumps(metadata, sort_keys=True, ensure_ascii=False)
                _add(tar, f"{number:09d}{suffix_of(data)}", data)
                _add(tar, f"{number:09d}.json", text.encode())
                length += len(data)
    return {"bytes": length, "shards": shards}


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)  # mtime, uid and gid are 0, mode 0644
    member.size = len(data)
    tar.addfile(member, io.BytesIO(data))
