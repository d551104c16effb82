"""How a source gives its encoded pictures: an LMDB, a folder; see `tars` and `zips` for the others.

A source is a small picklable description. `entries()` lists what it holds, in byte order of the keys; `open()` gives,
in whichever process asks, a function that reads one entry's bytes by its place. Nothing is ever written.
"""

import contextlib
import operator
import os
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

import lmdb

from pipeline.errors import CorruptData, MissingInput

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


@dataclass(frozen=True)
class Lmdb:
    """The records of an LMDB, as LSUN publishes them: key to encoded picture.

    Args:
        folder: the folder that holds `data.mdb`.
    """

    folder: Path

    def entries(self) -> list[Entry]:
        with self._transaction() as transaction:
            keys = [bytes(key) for key in transaction.cursor().iternext(keys=True, values=False)]
        return in_key_order(Entry(key_text(key), None, key) for key in keys)

    @contextlib.contextmanager
    def open(self) -> Iterator[Read]:
        with self._transaction() as transaction:

            def read(place: Place) -> bytes:
                assert isinstance(place, bytes)
                value = transaction.get(place)
                if value is None:
                    raise CorruptData(f"{self.folder}/data.mdb: record {place!r} is gone; it was changed while in use")
                check_length(len(value))
                return bytes(value)

            yield read

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[lmdb.Transaction]:
        """The one place that opens an LMDB to read: without locks, for the file may lie on a read-only disk."""
        file = self.folder / "data.mdb"
        if not file.is_file():
            raise MissingInput(f"{file}: no such file")
        try:
            with lmdb.open(str(self.folder), readonly=True, lock=False, readahead=False, create=False) as environment:
                # A read beyond the end of a mapped file ends the process with SIGBUS, so it must be found out first.
                expected = (environment.info()["last_pgno"] + 1) * environment.stat()["psize"]
                if file.stat().st_size < expected:
                    raise CorruptData(
                        f"{file}: truncated: {file.stat().st_size:,} bytes, its header speaks of {expected:,}; copy or "
                        "download it again"
                    )
                with environment.begin(buffers=True) as transaction:  # a value is copied once, when it is asked for
                    yield transaction
        except lmdb.Error as error:
            raise CorruptData(f"{file}: not readable as an LMDB ({error}); copy or download it again") from None


def find_lmdb(folder: Path) -> Path | None:
    """The folder with `data.mdb`: `folder` itself or its one sub folder `*_lmdb`; None where there is none.

    Raises:
        CorruptData: several sub folders hold one.
    """
    if (folder / "data.mdb").is_file():
        return folder
    found = sorted(file.parent for file in folder.glob("*_lmdb/data.mdb"))
    if len(found) > 1:
        names = ", ".join(path.name for path in found)
        raise CorruptData(f"{folder}: holds several LMDBs ({names}); name one of them, or put it into a folder alone")
    return found[0] if found else None


@dataclass(frozen=True)
class Folder:
    """Picture files in a folder and all below it, keyed by relative path with `/`; hidden names are left out.

    Links are followed, but each real folder is read once, by the first way found that takes the fewest links: so a
    loop of links ends.
    """

    folder: Path

    def entries(self) -> list[Entry]:
        return in_key_order(Entry(key_text(path), None, path) for path in self._walk())

    @contextlib.contextmanager
    def open(self) -> Iterator[Read]:
        root = os.fsencode(self.folder)

        def read(place: Place) -> bytes:
            assert isinstance(place, bytes)
            with open(os.path.join(root, place), "rb") as file:  # noqa: PTH118, PTH123 (Path takes no bytes)
                check_length(os.fstat(file.fileno()).st_size)
                return file.read(LONGEST)

        yield read

    def files(self) -> list[File]:
        """The files of all entries, in the same order."""
        return [self._look_at(entry) for entry in self.entries()]

    def _look_at(self, entry: Entry) -> File:
        assert isinstance(entry.place, bytes)
        try:
            status = os.stat(os.path.join(os.fsencode(self.folder), entry.place))  # noqa: PTH116, PTH118
        except OSError:
            return File(entry.key, 0, 0)
        return File(entry.key, status.st_size, status.st_mtime_ns)

    def _walk(self) -> Iterator[bytes]:
        """Relative paths of the picture files."""
        root = os.fsencode(self.folder)
        seen: set[tuple[int, int]] = set()
        waiting: deque[bytes] = deque([b""])
        while waiting:
            below = waiting.popleft()
            folder = os.path.join(root, below)  # noqa: PTH118
            status = os.stat(folder)  # noqa: PTH116
            if (status.st_dev, status.st_ino) in seen:
                continue
            seen.add((status.st_dev, status.st_ino))
            with os.scandir(folder) as listing:
                for item in sorted(listing, key=lambda item: item.name):
                    path = below + b"/" + item.name if below else item.name
                    if item.is_dir() and not item.name.startswith(b"."):
                        waiting.append(path) if item.is_symlink() else waiting.appendleft(path)
                    elif is_picture_name(item.name) and (item.is_file() or _is_dangling(item)):
                        yield path


def _is_dangling(item: os.DirEntry[bytes]) -> bool:
    """A link to nothing is listed, so that the missing picture is counted."""
    return item.is_symlink() and not os.path.exists(item.path)  # noqa: PTH110
