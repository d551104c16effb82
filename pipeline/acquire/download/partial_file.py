"""The received bytes of an incomplete download, kept next to the final file, and the version of the file.

    NAME.part          the bytes
    NAME.part.version  the address, ETag, date and length of the file and, while several connections download it, the
                       ranges received; without ranges, all bytes up to the end of the partial file count

A partial file holds bytes of one version only. It is truncated before another version is recorded. Ranges beyond its
end are ignored.
"""

import contextlib
import fcntl
import glob
import os
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from pipeline.core import files
from pipeline.core.errors import Busy, CorruptData, MissingInput

Range = tuple[int, int]
"""Offsets of the first byte and of the byte after the last one."""


@dataclass(frozen=True)
class FileVersion:
    """What a server says about the version of a file that it offers.

    Attributes:
        url: the requested address.
        etag, modified: the headers ETag and Last-Modified; None if not sent.
        validator: the ETag or date to send as If-Range, which guarantees equal bytes; None if neither is strong enough.
        total: length of the whole file in bytes; None if not stated.
    """

    url: str
    etag: str | None
    modified: str | None
    validator: str | None
    total: int | None

    def differs(self, other: "FileVersion") -> bool:
        """Whether two responses describe different files; only values that both state are compared."""
        pairs = ((self.etag, other.etag), (self.modified, other.modified), (self.total, other.total))
        return any(ours is not None and theirs is not None and ours != theirs for ours, theirs in pairs)

    def same_as(self, other: "FileVersion | None") -> bool:
        """Whether the server guarantees that both have the same bytes."""
        return (
            other is not None
            and self.validator is not None
            and not self.differs(other)
            and (self.validator == other.validator)
        )


class PartialFile:
    """The received bytes of one file; see the module docstring.

    Attributes:
        path: path of the partial file.
        version: the version of the file; None if unknown, which makes the bytes useless.
    """

    def __init__(self, path: Path, handle: int) -> None:
        self.path = path
        self._handle = handle
        self._lock = threading.Lock()
        self.version: FileVersion | None = None
        self._ranges: list[Range] | None = None
        with contextlib.suppress(MissingInput, CorruptData, TypeError, KeyError, ValueError):
            noted = files.read_json(self._note)
            ranges = noted["ranges"]
            self._ranges = None if ranges is None else [(int(start), min(int(end), self._end)) for start, end in ranges]
            self.version = FileVersion(**noted["version"])

    @property
    def _note(self) -> Path:
        return self.path.with_name(f"{self.path.name}.version")

    @property
    def _end(self) -> int:
        return os.fstat(self._handle).st_size

    @property
    def prefix(self) -> int:
        """Number of bytes received without a gap from the start of the file."""
        if self._ranges is None:
            return self._end
        return self._ranges[0][1] if self._ranges and self._ranges[0][0] == 0 else 0

    @property
    def received(self) -> int:
        """Number of all bytes received."""
        return self._end if self._ranges is None else sum(end - start for start, end in self._ranges if end > start)

    def missing(self, total: int, piece: int) -> list[Range]:
        """The ranges not yet received of a file of `total` bytes, in order, cut at the multiples of `piece` bytes."""
        gaps, here = [], 0
        for start, end in [*(self._ranges if self._ranges is not None else [(0, self._end)]), (total, total)]:
            while here < start:
                stop = min(start, (here // piece + 1) * piece)
                gaps.append((here, stop))
                here = stop
            here = max(here, end)
        return gaps

    def write(self, offset: int, block: bytes) -> None:
        """Write bytes at an offset; several threads may do so at a time."""
        view = memoryview(block)
        while view:
            written = os.pwrite(self._handle, view, offset)
            view, offset = view[written:], offset + written

    def reset(self, version: FileVersion | None) -> None:
        """Drop all bytes; bytes written from now on are of `version`."""
        os.ftruncate(self._handle, 0)
        self.version, self._ranges = version, None
        self._save()

    def update_version(self, version: FileVersion) -> None:
        """Keep the bytes and replace the version; `version` describes the same file, perhaps in more detail."""
        if (self.version, self._ranges) != (version, None):
            self.version = version
            self._save()

    def allow_any_order(self) -> None:
        """Accept bytes in any order from now on; they count only after `mark_received` is called."""
        if self._ranges is None:
            self._ranges = [(0, self._end)]
            self._save()

    def require_order(self) -> None:
        """Accept bytes only in order from now on; bytes beyond the first gap are dropped."""
        if self._ranges is not None:
            os.ftruncate(self._handle, self.prefix)
            self._ranges = None
            self._save()

    def mark_received(self, start: int, end: int) -> None:
        """Count the bytes from `start` to `end` as received, after they are on the disk."""
        if end <= start:
            return
        os.fdatasync(self._handle)
        with self._lock:
            merged: list[Range] = []
            for first, last in sorted([*(self._ranges or []), (start, end)]):
                if merged and first <= merged[-1][1]:
                    merged[-1] = (merged[-1][0], max(merged[-1][1], last))
                elif last > first:
                    merged.append((first, last))
            self._ranges = merged
            self._save()

    def publish(self, to: Path) -> None:
        """Give the complete file its final name."""
        os.fsync(self._handle)
        self.path.replace(to)
        self._note.unlink(missing_ok=True)

    def discard(self) -> None:
        """Delete the bytes and the version."""
        self.path.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)

    def _save(self) -> None:
        if self.version is None:
            self._note.unlink(missing_ok=True)
        else:
            files.write_json(self._note, {"version": asdict(self.version), "ranges": self._ranges})


@contextlib.contextmanager
def open_partial_file(to: Path) -> Iterator[PartialFile]:
    """The partial file of `to`, locked; it is made if needed.

    Raises:
        Busy: another process holds it.
    """
    path = to.with_name(f"{to.name}.part")
    to.parent.mkdir(parents=True, exist_ok=True)
    handle = _lock(path)
    try:
        for left_over in path.parent.glob(f".{glob.escape(path.name)}.version.*.tmp"):  # left by a killed process
            left_over.unlink(missing_ok=True)
        part = PartialFile(path, handle)
        try:
            yield part
        finally:
            if part.received == 0:
                part.discard()
    finally:
        os.close(handle)


def _lock(path: Path) -> int:
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            raise Busy(f"{path}: another process is downloading this file; wait for it, then run this again") from None
        # Another process may have given the file its final name between the two calls: it must not be written to then.
        with contextlib.suppress(FileNotFoundError):
            if os.fstat(handle).st_ino == path.stat().st_ino:
                return handle
        os.close(handle)
