"""CIFAR-10: a tar.gz of pickles, or the folder that it unpacks to.

For the format of a batch see `readers.pickled_batches`. `batches.meta` holds the class names. Python 2 wrote the files.
"""

import gzip
import tarfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.core.errors import CorruptData, MissingInput
from pipeline.datasets.labelled.splits import LabelledSplit, label
from pipeline.datasets.published import Published
from pipeline.readers.pickled_batches import numbers_of, pictures_of, read_mapping

ARCHIVE = "cifar-10-python.tar.gz"
FOLDER = "cifar-10-batches-py"
BATCHES = {"train": [f"data_batch_{number}" for number in range(1, 6)], "test": ["test_batch"]}
META = "batches.meta"

_URL = f"https://www.cs.toronto.edu/~kriz/{ARCHIVE}"
ARCHIVES = {ARCHIVE: Published(170_498_071, _URL, _URL, md5="c58f30108f718f92721af3b95e74349a", entries=60_000)}
"""What is published about the archive, by file name."""

_MEMBERS = {
    "data_batch_1": "c99cafc152244af753f735de768cd75f",
    "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
    "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
    "data_batch_4": "634d18415352ddfa80567beed471001a",
    "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
    "test_batch": "40351d587109b95175f43aff81a1287e",
    "batches.meta": "5ff9c542aee3614f3951f8cda6e48888",
}
MEMBERS = {name: Published(None, f"{ARCHIVE} ({_URL})", md5=md5) for name, md5 in _MEMBERS.items()}
"""What is published about the files of the unpacked folder, by file name."""

_LONGEST_MEMBER = 1 << 27  # a batch takes 31 MB
_LONGEST_ARCHIVE = 1 << 29  # all batches and the readme take 186 MB


def locate(folder: Path) -> list[Path]:
    """The files that `read` reads: the archive or, if there is none, the files of the unpacked folder."""
    unpacked = folder / FOLDER
    if unpacked.is_dir() and not (folder / ARCHIVE).exists():
        return [unpacked / name for name in MEMBERS]
    return [folder / ARCHIVE]


def read(folder: Path) -> dict[str, LabelledSplit]:
    """The splits `train` and `test`.

    Args:
        folder: holds the archive or the unpacked folder; an archive is read without unpacking it to the disk.

    Raises:
        MissingInput: a file is not there.
        CorruptData: a file is cut off, damaged, lacks a member, or holds something else.
    """
    paths = locate(folder)
    files = _unpack(paths[0]) if paths[0].name == ARCHIVE else {path.name: _read_file(path) for path in paths}
    where = paths[0] if paths[0].name == ARCHIVE else paths[0].parent
    loaded = {name: read_mapping(data, f"{where}: {name}") for name, data in files.items()}
    classes = _classes(loaded[META].get("label_names"), f"{where}: {META}")
    return {
        split: _join([_batch(loaded[name], classes, f"{where}: {name}") for name in names])
        for split, names in BATCHES.items()
    }


def _read_file(path: Path) -> bytes:
    try:
        length = path.stat().st_size
        if length > _LONGEST_MEMBER:
            raise CorruptData(f"{path}: {length:,} bytes, expected at most {_LONGEST_MEMBER:,}; unpack it again")
        return path.read_bytes()
    except FileNotFoundError:
        raise MissingInput(f"{path}: no such file; unpack {ARCHIVE} again") from None


class _Limited(gzip.GzipFile):
    """A gzip stream that refuses to read beyond a length which no real archive has."""

    def read(self, size: int | None = -1) -> bytes:
        data = super().read(size)
        if self.tell() > _LONGEST_ARCHIVE:
            raise tarfile.ReadError(f"more than {_LONGEST_ARCHIVE:,} bytes when unpacked")
        return data


def _unpack(path: Path) -> dict[str, bytes]:
    """The needed members, by name; all others are skipped."""
    try:
        with _Limited(path) as stream:
            found = dict(_members(path, stream))
            while stream.read(1 << 20):  # to the end, where the checksum is
                pass
    except FileNotFoundError:
        raise MissingInput(f"{path}: no such file; download it again") from None
    except (gzip.BadGzipFile, zlib.error, EOFError, tarfile.TarError) as error:
        raise CorruptData(f"{path}: truncated, or not a tar.gz ({error}); download or copy it again") from None
    if absent := [name for name in MEMBERS if name not in found]:
        raise CorruptData(f"{path}: has no {FOLDER}/{', '.join(absent)}; download or copy it again")
    return found


def _members(path: Path, stream: _Limited) -> Iterator[tuple[str, bytes]]:
    with tarfile.open(fileobj=stream, mode="r|", bufsize=1 << 20) as archive:
        for member in archive:
            folder, _, name = member.name.removeprefix("./").rpartition("/")
            if folder != FOLDER or name not in MEMBERS:
                continue
            if not member.isreg() or member.size > _LONGEST_MEMBER:
                kind = f"has {member.size:,} bytes" if member.isreg() else "is no regular file"
                raise CorruptData(
                    f"{path}: {name} {kind}, expected one of at most {_LONGEST_MEMBER:,} bytes; get it again"
                )
            content = archive.extractfile(member)
            assert content is not None, "a regular file"
            yield name, content.read()


def _classes(value: Any, where: str) -> tuple[str, ...]:
    names = value if isinstance(value, list) else []
    classes = [name.decode("latin1") if isinstance(name, bytes) else name for name in names]
    if len(classes) != 10 or not all(isinstance(name, str) and name for name in classes) or len(set(classes)) != 10:
        raise CorruptData(
            f"{where}: label_names is {str(value)[:80]}, expected ten different names; download or copy it again"
        )
    return tuple(classes)


def _batch(batch: dict[str, Any], classes: Sequence[str], where: str) -> LabelledSplit:
    return label(pictures_of(batch, where), numbers_of(batch, where), classes, where)


def _join(batches: Sequence[LabelledSplit]) -> LabelledSplit:
    images = np.concatenate([batch.images for batch in batches])
    return LabelledSplit(images, [name for batch in batches for name in batch.labels], batches[0].classes)
