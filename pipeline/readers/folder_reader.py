"""Picture files in a folder."""

import contextlib
import os
import stat
from array import array
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.core.errors import MissingInput
from pipeline.core.workspace import MARK
from pipeline.readers import first_bytes
from pipeline.readers.base import (
    HIDDEN,
    LINK,
    LONGEST,
    NOT_A_PICTURE,
    Entry,
    File,
    LeftOut,
    Place,
    Read,
    check_length,
    in_key_order,
    is_picture_name,
    key_text,
    unreadable,
)

_MARK = MARK.encode()


@dataclass(frozen=True)
class Folder:
    """Picture files in a folder and its subfolders; the key is the relative path with `/`.

    A file is a picture if its name has a suffix of one, or else if its first bytes are those of a picture. Only files
    without such a suffix are opened for that. Hidden files and other files are left out, with a reason. A result of
    this project inside the folder is ignored, so its presence does not change the set.

    Links are followed, but each file and each folder is read once: under its own name rather than under that of a link,
    and under the first of several names of a file in key order. Thus a loop of links ends.
    """

    folder: Path

    def entries(self) -> list[Entry]:
        """See `Source.entries`.

        Raises:
            MissingInput: the folder itself cannot be read.
        """
        inodes = array("Q")
        found = list(self._walk(inodes))
        self._leave_out_second_names(found, inodes)
        return in_key_order(found)

    @contextlib.contextmanager
    def open(self) -> Iterator[Read]:
        root = os.fsencode(self.folder)

        def read(place: Place) -> bytes:
            assert isinstance(place, bytes)
            with open(os.path.join(root, place), "rb") as file:  # noqa: PTH118, PTH123 (Path takes no bytes)
                check_length(os.fstat(file.fileno()).st_size)
                return file.read(LONGEST)

        yield read

    def path_of(self, place: Place) -> bytes:
        """The path of a file of this folder, as bytes."""
        assert isinstance(place, bytes)
        return os.path.join(os.fsencode(self.folder), place)  # noqa: PTH118 (Path takes no bytes)

    def files(self) -> list[File]:
        """All entries, in the order of `entries`. What is left out has length and time 0: its content is not used."""
        return [self._file(entry) for entry in self.entries()]

    def _file(self, entry: Entry) -> File:
        if entry.left_out:
            return File(entry.key, 0, 0)
        try:
            status = self._status(entry)
        except OSError:
            return File(entry.key, 0, 0)
        return File(entry.key, status.st_size, status.st_mtime_ns)

    def _status(self, entry: Entry) -> os.stat_result:
        assert isinstance(entry.place, bytes)
        return os.stat(os.path.join(os.fsencode(self.folder), entry.place))  # noqa: PTH116, PTH118

    def _walk(self, inodes: "array[int]") -> Iterator[Entry]:
        """Everything in the folder; the inode number of each entry's file is appended to `inodes`, 0 without a file."""
        root = os.fsencode(self.folder)
        seen = dict.fromkeys(_above(root), "a folder that holds the source")
        waiting: deque[bytes] = deque([b""])
        while waiting:
            below = waiting.popleft()
            left_out = None
            try:
                status = os.stat(os.path.join(root, below))  # noqa: PTH116, PTH118
                if first := seen.get((status.st_dev, status.st_ino)):
                    left_out = LeftOut(LINK, f"the same folder as {first}")
                else:
                    items = _items(os.path.join(root, below))  # noqa: PTH118
                    if below and _is_result(items):
                        continue
            except OSError as error:
                if not below:
                    raise MissingInput(f"{self.folder}: {error.strerror}; choose a folder that can be read") from None
                left_out = unreadable(error)
            if left_out:
                inodes.append(0)
                yield Entry(key_text(below), None, below, left_out=left_out)
                continue
            seen[status.st_dev, status.st_ino] = key_text(below) or "the source"
            slash = below + b"/" if below else b""
            for item in items:
                name = item.name
                path = slash + name
                if item.is_file(follow_symlinks=False) and is_picture_name(name):  # the usual case, and the quick one
                    inodes.append(item.inode())
                    yield Entry(key_text(path), None, path)
                elif item.is_dir(follow_symlinks=False) and not name.startswith(b"."):
                    waiting.appendleft(path)
                elif _is_linked_folder(item):
                    waiting.append(path)
                else:
                    inode, left_out = _look_at(item)
                    inodes.append(inode)
                    yield Entry(key_text(path), None, path, left_out=left_out)

    def _leave_out_second_names(self, entries: list[Entry], inodes: "array[int]") -> None:
        """Of several names of one file, leave only one: that of the file itself, the first in key order.

        Args:
            entries: changed in place.
            inodes: the inode number of each entry's file, 0 without a file. Entries with equal inode numbers are
                examined further, because files on different disks can have the same number.
        """
        numbers, counts = np.unique(np.frombuffer(inodes, np.uint64), return_counts=True)
        shared = numbers[(counts > 1) & (numbers > 0)]
        if not len(shared):
            return
        root = os.fsencode(self.folder)
        names: dict[tuple[int, int], list[tuple[bool, str, int]]] = {}
        for row in np.flatnonzero(np.isin(np.frombuffer(inodes, np.uint64), shared)).tolist():
            entry = entries[row]
            assert isinstance(entry.place, bytes)
            with contextlib.suppress(OSError):
                status = self._status(entry)
                is_link = os.path.islink(os.path.join(root, entry.place))  # noqa: PTH114, PTH118
                names.setdefault((status.st_dev, status.st_ino), []).append((is_link, entry.key, row))
        for (_, first, _), *others in map(sorted, names.values()):
            for _, _, row in others:
                entries[row] = entries[row]._replace(left_out=LeftOut(LINK, f"the same file as {first}"))


def _above(root: bytes) -> Iterator[tuple[int, int]]:
    """Device and inode number of the folders that hold the folder `root`, as far as they can be read."""
    for folder in Path(os.fsdecode(root)).resolve().parents:
        with contextlib.suppress(OSError):
            status = folder.stat()
            yield status.st_dev, status.st_ino


def _items(folder: bytes) -> list[os.DirEntry[bytes]]:
    with os.scandir(folder) as listing:
        return sorted(listing, key=lambda item: item.name)


def _is_result(items: list[os.DirEntry[bytes]]) -> bool:
    """Whether a folder was made by this project, or is the folder of a result of `dcgan dedup`, which has `steps`."""
    for item in items:
        if item.name == _MARK:
            return True
        if item.name == b"steps" and os.path.exists(os.path.join(item.path, _MARK)):  # noqa: PTH110, PTH118
            return True
    return False


def _is_linked_folder(item: os.DirEntry[bytes]) -> bool:
    try:
        return item.is_symlink() and item.is_dir() and not item.name.startswith(b".")
    except OSError:  # a link to itself
        return False


def _look_at(item: os.DirEntry[bytes]) -> tuple[int, LeftOut | None]:
    """The inode number of an item, 0 if it is not read, and why it is not read: None for a picture."""
    try:
        left_out = _why_not(item)
        return (0, left_out) if left_out else (item.stat().st_ino, None)
    except OSError as error:  # such as a link to nothing or to itself
        return 0, unreadable(error)


def _why_not(item: os.DirEntry[bytes]) -> LeftOut | None:
    if item.name.startswith(b"."):
        return LeftOut(HIDDEN, "the name starts with a dot")
    if not (item.is_file(follow_symlinks=False) or stat.S_ISREG(item.stat().st_mode)):
        return LeftOut(NOT_A_PICTURE, "neither a file nor a folder")
    if is_picture_name(item.name):
        return None
    descriptor = os.open(item.path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return first_bytes.left_out(item.name, os.read(descriptor, first_bytes.LENGTH))
    finally:
        os.close(descriptor)
