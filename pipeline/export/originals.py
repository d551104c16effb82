"""Find the source pictures of kept rows, and read their bytes, checked against the image set."""

import contextlib
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
        bytes: length.
        source: the source that reads it.
        place: position of the bytes in the source.
    """

    key: str
    label: str | None
    sha256: str
    width: int
    height: int
    bytes: int
    source: Source
    place: Place


Pair = tuple[Original, bytes]


@dataclass(frozen=True)
class Originals:
    """Source pictures sorted by key, each once.

    Attributes:
        sources: the sources that read them.
        table: columns `key`, `label`, `sha256`, `width`, `height`, `bytes`; see `Original`.
        places: for each row the number of its source, and the position of its picture in that source.
    """

    sources: tuple[Source, ...]
    table: pa.Table
    places: list[tuple[int, Place]]

    def __len__(self) -> int:
        return len(self.table)

    def __iter__(self) -> Iterator[Original]:
        for start in range(0, len(self), _ROWS):
            rows = self.table.slice(start, _ROWS).to_pylist()
            for row, (number, place) in zip(rows, self.places[start : start + _ROWS], strict=True):
                yield Original(**row, source=self.sources[number], place=place)

    @property
    def keys(self) -> list[str]:
        """Keys in row order."""
        return [str(key) for key in self.table.column("key").to_pylist()]

    @property
    def total_bytes(self) -> int:
        """Length of all pictures."""
        return int(pc.sum(self.table.column("bytes")).as_py() or 0)

    def raw_keys(self) -> list[bytes]:
        """Keys as bytes: the original keys of an LMDB, else UTF-8."""
        return [
            place if isinstance(self.sources[number], Lmdb) and isinstance(place, bytes) else key.encode()
            for key, (number, place) in zip(self.keys, self.places, strict=True)
        ]

    def by_raw_key(self) -> "Originals":
        """The pictures sorted by `raw_keys`; another order only if a key is not UTF-8, so that its text has `%XX`."""
        raw = self.raw_keys()
        return self._take(sorted(range(len(self)), key=raw.__getitem__))

    def joined_with(self, other: "Originals") -> "Originals":
        """These pictures and those of another source, sorted by key."""
        places = [(number + len(self.sources), place) for number, place in other.places]
        both = Originals(
            self.sources + other.sources, pa.concat_tables([self.table, other.table]), self.places + places
        )
        keys = both.keys
        return both._take(sorted(range(len(both)), key=keys.__getitem__))

    def _take(self, order: list[int]) -> "Originals":
        return Originals(self.sources, self.table.take(order), [self.places[number] for number in order])

    def read(self) -> Iterator[Pair]:
        """Yield each picture with its bytes, read one at a time, and show a progress bar.

        Raises:
            CorruptData: a picture cannot be read, or its bytes have changed since the image set was made.
        """
        with contextlib.ExitStack() as opened, progress.bar("export", len(self)) as advance:
            reads = [opened.enter_context(source.open()) for source in self.sources]
            for original, (number, place) in zip(self, self.places, strict=True):
                try:
                    data = reads[number](place)
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


def rows_of_parts(images: ImageSet, rows: Rows) -> list[Rows]:
    """Split rows, int64 (n,), increasing, by the parts of the set."""
    return np.split(rows, np.searchsorted(rows, np.cumsum(images.parts)[:-1]))


def find_originals(images: ImageSet, rows: Rows, source: Source) -> Originals:
    """Find the source pictures of some rows; all faces of a photo give one picture, the photo.

    Args:
        rows: int64 (n,), increasing, of one part of the set.
        source: the source of this part.

    Raises:
        MissingInput: the source no longer contains one of them.
    """
    index = images.index.take(rows).combine_chunks()
    keys = source_keys(index).combine_chunks()
    first = np.ones(len(rows), bool)
    first[1:] = np.asarray(pc.not_equal(keys[1:], keys[:-1]))  # faces of a photo are in adjacent rows
    columns = {"key": keys, "label": index.column("label"), "sha256": index.column("sha256")}
    columns |= {name: index.column(f"source_{name}") for name in ("width", "height", "bytes")}
    table = pa.table(columns).filter(pa.array(first))
    places: dict[str, Place] = {}
    for entry in only_pictures(source.entries()):
        places.setdefault(entry.key, entry.place)  # if entries have equal keys, the image set has the first
    try:
        return Originals((source,), table, [(0, places[key]) for key in table.column("key").to_pylist()])
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
