"""Picture files in a folder."""

import contextlib
import os
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pipeline.readers.base import (
    LONGEST,
    Entry,
    File,
    Place,
    Read,
    check_length,
    in_key_order,
    is_picture_name,
    key_text,
)


@dataclass(frozen=True)
class Folder:
    """Picture files in a folder and its subfolders; the key is the relative path with `/`. Hidden names are left out.

    Links are followed, but each real folder is read once, under the path with the fewest links, so that a loop of links
    ends.
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
        """The picture files, in the order of `entries`."""
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
    """Whether an item is a dangling link; it is listed, so that the missing picture is counted."""
    return item.is_symlink() and not os.path.exists(item.path)  # noqa: PTH110
