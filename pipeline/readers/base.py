"""The interface of all readers of containers; `container.open_container` chooses the reader.

A source is a small picklable description of where pictures are. `entries()` lists them in byte order of their keys,
together with everything that is not read as a picture, so that nothing is passed over in silence. `open()` returns a
function that reads the bytes of an entry; it can be called in any process. A source never writes.
"""

import errno
import operator
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple, Protocol

Place = bytes | tuple[int, int]
"""Position of an entry: record key, relative path, (offset, length) in a tar, (number, 0) in a zip, (file, row)."""

Read = Callable[[Place], bytes]

LONGEST = 1 << 28
"""Maximum length of an entry in bytes, ten times that of the largest photographs; a longer one may be an attack."""

SUFFIXES = tuple(b".jpg .jpeg .jpe .jfif .png .apng .webp .bmp .gif .tif .tiff .ppm .pgm .pbm .pnm".split())
"""Suffixes of picture files, in lower case. A file with another name counts as a picture if its first bytes do."""

OPTIONAL_SUFFIXES = (b".heic", b".heif", b".hif", b".avif")
"""Suffixes of pictures that are read only if a decoder is installed."""


class LeftOut(NamedTuple):
    """Why an entry of a source is not read as a picture.

    Attributes:
        reason: a fixed word; one of the constants of this module.
        detail: a description of what was found.
    """

    reason: str
    detail: str

    @property
    def is_bad(self) -> bool:
        """Whether a picture may be lost, so that the entry counts for the limit of bad pictures."""
        return self.reason in (UNREADABLE, LOST_RECORD)


NOT_A_PICTURE = "not_a_picture"
"""The name has no suffix of a picture, and the content is no picture. Also devices, pipes and sparse members."""

UNSUPPORTED_FORMAT = "unsupported_format"
"""A picture in a format that is not decoded."""

ARCHIVE = "archive"
"""An archive inside the source; only tars inside a tar are read."""

HIDDEN = "hidden"
"""The name starts with a dot. The content of a hidden folder is not listed."""

LINK = "link"
"""Another name of a file or folder that is read under its own name."""

BESIDE_TABLES = "beside_tables"
"""A picture file in a folder whose pictures are in parquet files."""

UNREADABLE = "unreadable"
"""A file or folder that the system does not let this process read."""

LOST_RECORD = "lost_record"
"""A record in a damaged page of an LMDB."""


class Entry(NamedTuple):
    """One encoded picture of a source, or something in the source that is not read as a picture.

    Attributes:
        key: UTF-8 text. In a broken archive several entries may have the same key; these are adjacent.
        label: class name; None if the data set has none.
        place: position from which the source reads the picture's bytes.
        caption: position of the bytes of the picture's caption (see `captions`); None without a caption.
        left_out: why the entry is not read as a picture; None for pictures. It is decided without decoding, so a
            picture may still turn out to be damaged.
    """

    key: str
    label: str | None
    place: Place
    caption: Place | None = None
    left_out: LeftOut | None = None


class File(NamedTuple):
    """What the file system says about one file, without reading it.

    Attributes:
        key: as in `Entry` for a file in a folder; for any other file, its name.
        bytes: length of the file; 0 if it cannot be found, such as for a dangling link.
        changed: time of the last change, in nanoseconds since 1970; 0 if the file cannot be found.
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
    """One entry cannot be read, but the others can. It is listed as a bad picture."""


_OF_THE_MACHINE = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENODEV, errno.ESTALE, errno.ENOTCONN}
_OF_THE_MACHINE |= {errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.ENETDOWN, errno.ENETUNREACH, errno.ETIMEDOUT}
"""Errors after which no other entry can be read either: without disk, network, memory or file descriptors."""


class Source(Protocol):
    """The base class of all readers."""

    def entries(self) -> list[Entry]:
        """List all entries in byte order of their keys; entries with the same key are in the order of the source.

        Entries that are not pictures have a reason in `left_out`; their bytes are not read.
        """
        ...

    def files(self) -> list[File]:
        """List every file that the pictures are read from; lengths and times show whether the source has changed."""
        ...

    def open(self) -> AbstractContextManager[Read]:
        """Return, as a context manager, a function that reads an entry's bytes in this process.

        The function raises `UnreadableEntry` or `OSError` if only this entry cannot be read (see `unreadable`), and
        `CorruptData` if the source as a whole is broken.
        """
        ...


def unreadable(error: OSError | UnreadableEntry) -> LeftOut:
    """Why an entry cannot be read. An error that is not about this entry, such as of a network, is raised again."""
    if isinstance(error, OSError) and error.errno in _OF_THE_MACHINE:
        raise error
    return LeftOut(UNREADABLE, str((isinstance(error, OSError) and error.strerror) or error))


def check_length(length: int) -> None:
    """Refuse an entry that is longer than any picture file, before it is read.

    Raises:
        UnreadableEntry: the length is above `LONGEST`.
    """
    if length > LONGEST:
        raise UnreadableEntry(f"{length:,} bytes, at most {LONGEST:,} are read")


def key_text(raw: bytes) -> str:
    """A key as text: bytes that are not UTF-8 become `%XX`."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        text = raw.decode("utf-8", "surrogateescape")
    return re.sub("[\udc80-\udcff]", lambda match: f"%{ord(match[0]) - 0xDC00:02X}", text)


def is_picture_name(name: bytes) -> bool:
    """Whether a file counts as a picture by its name: a known suffix in any case, and not hidden."""
    base = name.rpartition(b"/")[2]
    return base.lower().endswith(SUFFIXES) and not base.startswith(b".")


def only_pictures(entries: Iterable[Entry]) -> Iterator[Entry]:
    """The entries that are read as pictures."""
    return (entry for entry in entries if entry.left_out is None)


def in_key_order(entries: Iterable[Entry]) -> list[Entry]:
    """Sort entries by key. Python compares code points, which gives the same order as comparing UTF-8 bytes."""
    ordered = sorted(entries, key=operator.attrgetter("place"))
    ordered.sort(key=operator.attrgetter("key"))  # stable; pairs (key, place) of millions of pictures would fill memory
    return ordered
