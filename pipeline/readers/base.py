"""How a source gives its encoded pictures: an LMDB, a folder; see `tars` and `zips` for the others.

A source is a small picklable description. `entries()` lists what it holds, in byte order of the keys; `open()` gives,
in whichever process asks, a function that reads one entry's bytes by its place. Nothing is ever written.
"""

import operator
import re
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import NamedTuple, Protocol

Place = bytes | tuple[int, int]
"""Where an entry's bytes are: a record's key, a relative path, (offset, length) in a tar, or (number, 0) in a zip."""

Read = Callable[[Place], bytes]

LONGEST = 1 << 28
"""Bytes above which an entry is no picture file but a bomb, and is not read; the longest photographs take a tenth."""

SUFFIXES = tuple(b".jpg .jpeg .jpe .jfif .png .apng .webp .bmp .gif .tif .tiff .ppm .pgm .pbm .pnm".split())
"""Of file names that count as pictures, in lower case."""


class Entry(NamedTuple):
    """One encoded picture of a source.

    Attributes:
        key: UTF-8 text; two entries of a broken archive may share one, and then stand beside each other.
        label: class name, where the data set has one.
        place: where the source finds the bytes.
        caption: where it finds the bytes of what is written about the picture; None where it has none. See `captions`.
    """

    key: str
    label: str | None
    place: Place
    caption: Place | None = None


class File(NamedTuple):
    """What the file system tells of one picture file, without reading it.

    Attributes:
        key: as in `Entry`.
        bytes: its length; 0 where it cannot be looked at, such as a link to nothing.
        changed: time of its last change, in nanoseconds; 0 as above.
    """

    key: str
    bytes: int
    changed: int


class UnreadableEntry(Exception):
    """One entry's bytes cannot be had, while the others can; it is listed as a bad picture."""


class Source(Protocol):
    """What `Lmdb`, `Folder`, `tars.Tar` and `zips.Zip` have in common."""

    def entries(self) -> list[Entry]:
        """All entries in byte order of their keys, those of one key in the order of the source."""
        ...

    def open(self) -> AbstractContextManager[Read]:
        """A function that reads an entry's bytes, usable in this process while the block runs.

        It raises `UnreadableEntry`, `FileNotFoundError` or `PermissionError` for an entry that alone cannot be read,
        and `CorruptData` where the source as a whole is broken.
        """
        ...


def check_length(length: int) -> None:
    """Refuse, before it is read, what is longer than any picture file.

    Raises:
        UnreadableEntry: it has more than `LONGEST` bytes.
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
