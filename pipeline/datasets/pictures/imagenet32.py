"""Downsampled ImageNet as Chrabaszcz, Loshchilov and Hutter published it (arXiv 1707.08819): pickles of 32×32 pictures.

A substitute for ImageNet, recorded as `stand_in` in `source.json`: its pictures were squashed to a square with Pillow's
box filter, while the DCGAN paper cropped the centre. `train_data_batch_1` to `train_data_batch_10` hold 1,281,167
pictures, `val_data` 50,000, in the layout of `readers.pickled_batches` with classes counted from 1. Other entries of
the dictionaries are not used.
"""

import contextlib
import io
import shutil
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import numpy.typing as npt

from pipeline.core.errors import CorruptData
from pipeline.datasets.published import Published
from pipeline.readers import zip_reader
from pipeline.readers.base import Entry, File, Place, Read, in_key_order
from pipeline.readers.pickled_batches import SIDE, numbers_of, pictures_of, read_mapping

STAND_IN = "squashed to 32×32 instead of centre-cropped"
"""How these pictures differ from ImageNet's; used in `source.json` and in a warning."""

CLASSES = 1_000

_WHERE = "https://image-net.org/download-images (register, then Download downsampled image data, 32x32)"
ARCHIVES = {
    "Imagenet32_train.zip": Published(None, _WHERE, entries=1_281_167),
    "Imagenet32_val.zip": Published(None, _WHERE, entries=50_000),
}
"""What is published about each archive, by file name; lengths and checksums are not published."""

_NAMES = {f"train_data_batch_{number}": f"train_data_batch_{number:02d}" for number in range(1, 11)} | {
    "val_data": "val_data"
}
"""Names of the pickles, and their names in the keys of pictures."""

_LONGEST = 1 << 29
"""Maximum length of a pickle in bytes; a published one has 394 MB."""

_HEADER = b"P6\n%d %d\n255\n" % (SIDE, SIDE)


def has_batches(path: Path) -> bool:
    """Whether a folder or a zip holds one of the pickles; False for any other file. Only names are read.

    Raises:
        CorruptData: a file named `.zip` is not a zip.
    """
    if path.is_dir():
        return any((path / name).is_file() for name in _NAMES)
    if not zip_reader.is_zip(path):
        return False
    return any(map(_is_batch_name, zip_reader.opened(path).namelist()))


def _is_batch_name(name: str) -> bool:
    """Whether a file, or a member of a zip, has the name of one of the pickles, in any folder."""
    return PurePosixPath(name).name in _NAMES


@dataclass(frozen=True)
class Imagenet32:
    """The pictures of a folder or a zip of the pickles, each as the bytes of a lossless PPM file.

    A key is `train_data_batch_01/000123`, so that key order is the published order; a label is the number of the class,
    1 to 1000, as text. `val_data` is the test split: it is used only if there is no training batch.

    Args:
        path: the folder or the zip.
    """

    path: Path

    def files(self) -> list[File]:
        """The pickles, or the zip that holds them."""
        paths = [self.path / name for name in self._batches().values()] if self.path.is_dir() else [self.path]
        return [File.of(path) for path in paths]

    def entries(self) -> list[Entry]:
        """List all pictures by reading one pickle after another; only the labels stay in memory.

        Raises:
            CorruptData: a pickle is cut off, damaged, or holds something else.
        """
        found: list[Entry] = []
        for place, (batch, name) in enumerate(self._batches().items()):
            where = f"{self.path}: {name}"
            content = read_mapping(self._read(name), where)
            count, numbers = len(pictures_of(content, where)), numbers_of(content, where)
            del content  # before the next is read
            if len(numbers) != count or not ((numbers >= 1) & (numbers <= CLASSES)).all():
                raise CorruptData(
                    f"{where}: {len(numbers):,} labels for {count:,} pictures, expected equal numbers, "
                    f"and labels of 1 to {CLASSES:,}; download or copy it again"
                )
            found += (Entry(f"{batch}/{row:06d}", _TEXT[n], (place, row)) for row, n in enumerate(numbers.tolist()))
        return in_key_order(found)

    @contextlib.contextmanager
    def open(self) -> Iterator[Read]:
        names = list(self._batches().values())
        version = (self.path, *self.files())

        def read(place: Place) -> bytes:
            assert isinstance(place, tuple)
            number, row = place
            key = (*version, names[number])
            if key not in _cached_batch:
                _cached_batch.clear()  # before the next batch is loaded: two take 800 MB
                where = f"{self.path}: {names[number]}"
                _cached_batch[key] = pictures_of(read_mapping(self._read(names[number]), where), where)
            picture: npt.NDArray[np.uint8] = _cached_batch[key][row]
            return _HEADER + picture.tobytes()

        yield read

    def _batches(self) -> dict[str, str]:
        """Map the name of a batch in the keys to the name of its file or zip member, in key order."""
        if self.path.is_dir():
            names = [name for name in _NAMES if (self.path / name).is_file()]
        else:
            names = zip_reader.opened(self.path).namelist()
        found = {_NAMES[PurePosixPath(name).name]: name for name in names if _is_batch_name(name)}
        if len(found) > 1:
            found.pop("val_data", None)
        return dict(sorted(found.items()))

    def _read(self, name: str) -> bytes:
        file = self.path / name
        archive = None if self.path.is_dir() else zip_reader.opened(self.path)
        length = archive.getinfo(name).file_size if archive else file.stat().st_size
        if length > _LONGEST:
            raise CorruptData(f"{self.path}: {name}: {length:,} bytes, at most {_LONGEST:,} are read; get it again")
        if archive is None:
            return file.read_bytes()
        try:
            with archive.open(name) as member:
                whole = io.BytesIO()
                shutil.copyfileobj(member, whole, 1 << 20)  # `read` would also hold the packed bytes and two copies
                return whole.getvalue()
        except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
            raise CorruptData(f"{self.path}: {name}: damaged ({error}); download or copy it again") from None


_TEXT = [str(number) for number in range(CLASSES + 1)]
_cached_batch: dict[tuple[object, ...], npt.NDArray[np.uint8]] = {}
"""The batch that this process read last, about 400 MB."""
