"""What every reader of a container offers; `container.open_container` chooses the reader.

A source is a small picklable description of where pictures are. `entries()` lists them in byte order of their keys;
`open()` gives, in any process, a function that reads one entry's bytes by its place. A source never writes.
"""

import operator
import re
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple, Protocol

Place = bytes | tuple[int, int]
"""Where an entry's bytes are: a record's key, a relative path, (offset, length) in a tar, (number, 0) in a zip, or
(file, row) in parquet files."""

Read = Callable[[Place], bytes]

LONGEST = 1 << 28
"""Largest entry that is read, in bytes; the largest photographs take a tenth, and what is longer may be an attack."""

SUFFIXES = tuple(b".jpg .jpeg .jpe .jfif .png .apng .webp .bmp .gif .tif .tiff .ppm .pgm .pbm .pnm".split())
"""Suffixes of file names that count as pictures, in lower case."""


class Entry(NamedTuple):
    """One encoded picture of a source.

    Attributes:
        key: UTF-8 text; unique but in a broken archive, whose entries of one key are adjacent.
        label: class name; None where the data set has none.
        place: where the source finds the bytes.
        caption: where the source finds the bytes of the picture's caption (see `captions`); None where it has none.
    """

    key: str
    label: str | None
    place: Place
    caption: Place | None = None


class File(NamedTuple):
    """What the file system says about one file, without reading it.

    Attributes:
        key: for a picture file as in `Entry`, else the file's name.
        bytes: its length; 0 where it cannot be found, such as a link to nothing.
        changed: time of its last change, in nanoseconds since 1970; 0 as above.
    """

    key: str
    bytes: int
    changed: int

    @classmethod
    def of(cls, path: Path) -> "File":
        """The file at `path`, with its name as the key."""
        status = path.stat()
        return cls(path.name, status.st_size, status.st_mtime_ns)


class UnreadableEntry(Exception):
    """One entry cannot be read, while the others can; it is listed as a bad picture."""


class Source(Protocol):
    """What all readers have in common."""

    def entries(self) -> list[Entry]:
        """All entries in byte order of their keys, those of one key in the order of the source."""
        ...

    def files(self) -> list[File]:
        """Every file that the pictures are read from; they tell whether a source has changed."""
        ...

    def open(self) -> AbstractContextManager[Read]:
        """A function that reads an entry's bytes, usable in this process while the block runs.

        It raises `UnreadableEntry`, `FileNotFoundError` or `PermissionError` when this one entry cannot be read, and
        `CorruptData` when the source as a whole is broken.
        """
        ...


def check_length(length: int) -> None:
    """Refuse an entry that is longer than any picture file, before it is read.

    Raises:
        UnreadableEntry: its length is above `LONGEST`.
    """
    if length > LONGEST:
        raise UnreadableEntry(f"{length:,} bytes, at most {LONGEST:,} are read")


def key_text(raw: bytes) -> str:
    """A key as text: bytes that are not UTF-8 become `%XX`."""
    text = raw.decode("utf-8", "surrogateescape")
    return re.sub("[\udc80-\udcff]", lambda match: f"%{ord(match[0]) - 0xDC00:02X}", text)


def is_picture_name(name: bytes) -> bool:
    """Whether a file counts as a picture by its name: a known suffix in any case, and not hidden."""
    base = name.rpartition(b"/")[2]
    return base.lower().endswith(SUFFIXES) and not base.startswith(b".")


def in_key_order(entries: Iterable[Entry]) -> list[Entry]:
    """Sort entries by key; the order of code points, which Python compares, is that of the UTF-8 bytes."""
    ordered = sorted(entries, key=operator.attrgetter("place"))
    ordered.sort(key=operator.attrgetter("key"))  # stable; pairs (key, place) of millions of pictures would fill memory
    return ordered
