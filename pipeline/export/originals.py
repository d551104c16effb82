"""Find the source pictures of kept rows, and read their bytes, checked against the image set."""

import hashlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.core import progress
from pipeline.core.errors import CorruptData, MissingInput
from pipeline.imageset.append import source_keys
from pipeline.imageset.format.image_set import ImageSet, Rows
from pipeline.readers.base import Place, Source, UnreadableEntry, only_pictures
from pipeline.readers.lmdb_reader import Lmdb

_ROWS = 4096
_BATCH_BYTES = 1 << 26
_AGAIN = "restore it, or run the download, the crop and remove-duplicates again"


@dataclass(frozen=True)
class Original:
    """One source picture.

    Attributes:
        key: key of the source; for a face, of its photo.
        label: class name; None if the data set has none.
        sha256: SHA-256 of its bytes when the image set was made, 64 hex characters.
        width, height: pixels after EXIF orientation.
        place: position of the bytes in the source.
    """

    key: str
    label: str | None
    sha256: str
    width: int
    height: int
    place: Place


Pair = tuple[Original, bytes]


@dataclass(frozen=True)
class Originals:
    """Source pictures sorted by key, each once.

    Attributes:
        source: the source that reads them.
        table: columns `key`, `label`, `sha256`, `width`, `height`; see `Original`.
        places: position of each row's picture in the source.
    """

    source: Source
    table: pa.Table
    places: list[Place]

    def __len__(self) -> int:
        return len(self.table)

    def __iter__(self) -> Iterator[Original]:
        for start in range(0, len(self), _ROWS):
            rows = self.table.slice(start, _ROWS).to_pylist()
            for row, place in zip(rows, self.places[start : start + _ROWS], strict=True):
                yield Original(**row, place=place)

    @property
    def keys(self) -> list[str]:
        """Keys in row order."""
        return [str(key) for key in self.table.column("key").to_pylist()]

    def raw_keys(self) -> list[bytes]:
        """Keys as bytes: the original keys if the source is an LMDB, else UTF-8."""
        if isinstance(self.source, Lmdb):
            return [place for place in self.places if isinstance(place, bytes)]
        return [key.encode() for key in self.keys]

    def by_raw_key(self) -> "Originals":
        """The pictures sorted by `raw_keys`; another order only if a key is not UTF-8, so that its text has `%XX`."""
        raw = self.raw_keys()
        order = sorted(range(len(self)), key=raw.__getitem__)
        return Originals(self.source, self.table.take(order), [self.places[number] for number in order])

    def read(self) -> Iterator[Pair]:
        """Yield each picture with its bytes, read one at a time, and show a progress bar.

        Raises:
            CorruptData: a picture cannot be read, or its bytes have changed since the image set was made.
        """
        with self.source.open() as read, progress.bar("export", len(self)) as advance:
            for original in self:
                try:
                    data = read(original.place)
                except (UnreadableEntry, OSError) as error:
                    detail = error.strerror if isinstance(error, OSError) else error
                    raise CorruptData(f"picture {original.key!r}: no longer readable ({detail}); {_AGAIN}") from None
                if (found := hashlib.sha256(data).hexdigest()) != original.sha256:
                    raise CorruptData(
                        f"picture {original.key!r}: has changed since the image set was made (SHA-256 {found}, not "
                        f"{original.sha256}); {_AGAIN}"
                    )
                yield original, data
                advance(1)


def find_originals(images: ImageSet, kept: Rows, source: Source) -> Originals:
    """Find the source pictures of some rows; all faces of a photo give one picture, the photo.

    Args:
        kept: int64 (n,), increasing.

    Raises:
        MissingInput: the source no longer contains one of them.
    """
    index = images.index.take(kept).combine_chunks()
    keys = source_keys(index).combine_chunks()
    first = np.ones(len(kept), bool)
    first[1:] = np.asarray(pc.not_equal(keys[1:], keys[:-1]))  # faces of a photo are in adjacent rows
    columns = {"key": keys, "label": index.column("label"), "sha256": index.column("sha256")}
    columns |= {"width": index.column("source_width"), "height": index.column("source_height")}
    table = pa.table(columns).filter(pa.array(first))
    places: dict[str, Place] = {}
    for entry in only_pictures(source.entries()):
        places.setdefault(entry.key, entry.place)  # if entries have equal keys, the image set has the first
    try:
        return Originals(source, table, [places[key] for key in table.column("key").to_pylist()])
    except KeyError as error:
        raise MissingInput(f"picture {error.args[0]!r}: no longer in the source; {_AGAIN}") from None


def batches(pairs: Iterator[Pair], pictures: int) -> Iterator[list[Pair]]:
    """Split into lists of at most `pictures` pictures; a list also ends when it has 64 MB or more."""
    while batch := list(itertools.islice(pairs, 1)):
        length = len(batch[0][1])
        while len(batch) < pictures and length < _BATCH_BYTES and (pair := next(pairs, None)):
            batch.append(pair)
            length += len(pair[1])
        yield batch
