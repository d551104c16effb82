"""What has arrived of a file, kept beside its final name, and what is known of the version that it is of.

    NAME.part          the bytes
    NAME.part.version  where they come from, what the server calls this version, how long it is, and, while several
                       connections fetch it, which ranges are here; without these, all up to the part's end is

The part only ever grows towards one version: before it is emptied for another, nothing of the old one is claimed, since
ranges beyond the part's end do not count.
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
"""From the first byte to the one after the last."""


@dataclass(frozen=True)
class Version:
    """What a server says of the very file that it offers.

    Attributes:
        url: the address asked.
        etag, modified: ETag and Last-Modified as sent; None where they were not.
        validator: what vouches for equal bytes in If-Range; None where neither of the two is strong enough.
        total: length of the whole file in bytes; None where not told.
    """

    url: str
    etag: str | None
    modified: str | None
    validator: str | None
    total: int | None

    def differs(self, other: "Version") -> bool:
        """Whether two answers speak of different files, as far as both say anything."""
        pairs = ((self.etag, other.etag), (self.modified, other.modified), (self.total, other.total))
        return any(ours is not None and theirs is not None and ours != theirs for ours, theirs in pairs)

    def same_as(self, other: "Version | None") -> bool:
        """Whether the server vouches that both are the same bytes."""
        return (
            other is not None
            and self.validator is not None
            and not self.differs(other)
            and (self.validator == other.validator)
        )


class Part:
    """The bytes of one file that are here; see the head of this module.

    Attributes:
        path: the part.
        version: what it is a part of; None where unknown, and then its bytes are worth nothing.
    """

    def __init__(self, path: Path, handle: int) -> None:
        self.path = path
        self._handle = handle
        self._lock = threading.Lock()
        self.version: Version | None = None
        self._ranges: list[Range] | None = None
        with contextlib.suppress(MissingInput, CorruptData, TypeError, KeyError, ValueError):
            noted = files.read_json(self._note)
            ranges = noted["ranges"]
            self._ranges = None if ranges is None else [(int(start), min(int(end), self._end)) for start, end in ranges]
            self.version = Version(**noted["version"])

    @property
    def _note(self) -> Path:
        return self.path.with_name(f"{self.path.name}.version")

    @property
    def _end(self) -> int:
        return os.fstat(self._handle).st_size

    @property
    def prefix(self) -> int:
        """Bytes that are here from the very start of the file on."""
        if self._ranges is None:
            return self._end
        return self._ranges[0][1] if self._ranges and self._ranges[0][0] == 0 else 0

    @property
    def received(self) -> int:
        """All bytes that are here."""
        return self._end if self._ranges is None else sum(end - start for start, end in self._ranges if end > start)

    def missing(self, total: int, piece: int) -> list[Range]:
        """What is not here of a file of `total` bytes, cut at the multiples of `piece`, in order."""
        gaps, here = [], 0
        for start, end in [*(self._ranges if self._ranges is not None else [(0, self._end)]), (total, total)]:
            while here < start:
                stop = min(start, (here // piece + 1) * piece)
                gaps.append((here, stop))
                here = stop
            here = max(here, end)
        return gaps

    def write(self, offset: int, block: bytes) -> None:
        """Put bytes at their place; several threads may."""
        view = memoryview(block)
        while view:
            written = os.pwrite(self._handle, view, offset)
            view, offset = view[written:], offset + written

    def start_over(self, version: Version | None) -> None:
        """Drop the bytes: what comes is of `version`."""
        os.ftruncate(self._handle, 0)
        self.version, self._ranges = version, None
        self._save()

    def note(self, version: Version) -> None:
        """Keep the bytes; `version` says the same as before, or more."""
        if (self.version, self._ranges) != (version, None):
            self.version = version
            self._save()

    def scatter(self) -> None:
        """From here on bytes arrive in any order, and count when `mark` says that they are here."""
        if self._ranges is None:
            self._ranges = [(0, self._end)]
            self._save()

    def gather(self) -> None:
        """From here on bytes arrive in order again; what is here out of order is dropped."""
        if self._ranges is not None:
            os.ftruncate(self._handle, self.prefix)
            self._ranges = None
            self._save()

    def mark(self, start: int, end: int) -> None:
        """The bytes from `start` to `end` are here, and stay so through a power cut."""
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
        """Give the part, now whole, its final name."""
        os.fsync(self._handle)
        self.path.replace(to)
        self._note.unlink(missing_ok=True)

    def discard(self) -> None:
        """Delete it all."""
        self.path.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)

    def _save(self) -> None:
        if self.version is None:
            self._note.unlink(missing_ok=True)
        else:
            files.write_json(self._note, {"version": asdict(self.version), "ranges": self._ranges})


@contextlib.contextmanager
def lock_partial_file(to: Path) -> Iterator[Part]:
    """The part of the file `to`, made where there is none, while no other process has it.

    Raises:
        Busy: another process has.
    """
    path = to.with_name(f"{to.name}.part")
    to.parent.mkdir(parents=True, exist_ok=True)
    handle = _lock(path)
    try:
        for left_over in path.parent.glob(f".{glob.escape(path.name)}.version.*.tmp"):  # of a process that was killed
            left_over.unlink(missing_ok=True)
        part = Part(path, handle)
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
            raise Busy(f"{path}: another process is fetching this file; wait for it, then run this again") from None
        # Another process may have given the file its final name between the two calls: then it must not be written to.
        with contextlib.suppress(FileNotFoundError):
            if os.fstat(handle).st_ino == path.stat().st_ino:
                return handle
        os.close(handle)
