"""Read pictures, labels and captions in a tar, or in tars inside a tar, by offset, without unpacking.

`tarfile.TarFile` is not used: it treats a damaged header or a missing end as the end of the archive, so an incomplete
download would be accepted as complete.
"""

import contextlib
import os
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from pipeline.core.errors import CorruptData
from pipeline.readers.base import Entry, File, Place, Read, check_length, in_key_order, is_picture_name, key_text

_BLOCK = 512
_WITHOUT_DATA = (
    tarfile.LNKTYPE,
    tarfile.SYMTYPE,
    tarfile.DIRTYPE,
    tarfile.CHRTYPE,
    tarfile.BLKTYPE,
    tarfile.FIFOTYPE,
)
_LONGEST_EXTRA = 1 << 20
"""Maximum bytes of a long name or an extended header; real ones have hundreds."""

_LABEL, _CAPTIONS = b".cls", (b".txt", b".json")
"""Suffixes of WebDataset's labels and captions, which share the stem of their picture; the first caption is used."""

_LONGEST = {_LABEL: 1 << 10} | dict.fromkeys(_CAPTIONS, 1 << 16)
"""Maximum bytes of a label or caption, by suffix; a longer one is ignored."""


class Member(NamedTuple):
    """A regular file in a tar: its name, and the position of its bytes from the start of the outermost file."""

    name: bytes
    offset: int
    length: int


@dataclass(frozen=True)
class Tar:
    """The pictures of a tar; a member `NAME.tar` is entered, and its pictures are keyed `NAME/…`.

    Members count as pictures by the same suffixes as files in a folder. Links, folders, devices and sparse files are
    left out. A leading `./` is dropped; otherwise names are used unchanged, because they are keys, never paths.

    Members with the same stem are a sample, as in WebDataset. The text of `000123.cls` is the label of `000123.jpg` and
    `000123.png`, unless it is empty, not UTF-8, or longer than 1 kB. `000123.txt`, or else `000123.json`, is their
    caption, up to 64 kB. A picture's stem ends at the last dot of its name or, if no label or caption is found with
    that, at the first dot.
    """

    path: Path

    def files(self) -> list[File]:
        return [File.of(self.path)]

    def entries(self) -> list[Entry]:
        """List all pictures by reading every header once.

        Raises:
            CorruptData: the tar, or one inside it, is cut off or damaged.
        """
        with self._descriptor() as descriptor:
            pictures: list[Member] = []
            beside: dict[bytes, Member] = {}
            for member in self._all(descriptor, os.fstat(descriptor).st_size):
                stem, dot, suffix = member.name.rpartition(b".")
                if is_picture_name(member.name):
                    pictures.append(member)
                elif member.length <= _LONGEST.get(ending := dot + suffix.lower(), -1):
                    beside.setdefault(stem + ending, member)
            # Drop each member when its entry is made: keeping both, for millions of pictures, would fill memory.
            count = len(pictures)
            return in_key_order(self._entry(descriptor, pictures.pop(), beside) for _ in range(count))

    @contextlib.contextmanager
    def open(self) -> Iterator[Read]:
        with self._descriptor() as descriptor:

            def read(place: Place) -> bytes:
                assert isinstance(place, tuple)
                offset, length = place
                check_length(length)
                return self._read(descriptor, offset, length)

            yield read

    @contextlib.contextmanager
    def _descriptor(self) -> Iterator[int]:
        with self.path.open("rb") as file:
            yield file.fileno()

    def _all(self, descriptor: int, size: int) -> Iterator[Member]:
        """The regular files of the tar; a tar inside it is replaced by its own regular files."""
        for member in self._walk(descriptor, 0, size, ""):
            if not member.name.lower().endswith(b".tar"):
                yield member
                continue
            end = member.offset + member.length
            for inner in self._walk(descriptor, member.offset, end, f" in {key_text(member.name)}"):
                yield inner._replace(name=member.name[:-4] + b"/" + inner.name)

    def _entry(self, descriptor: int, picture: Member, beside: dict[bytes, Member]) -> Entry:
        folder, slash, name = picture.name.rpartition(b"/")
        stems = [folder + slash + stem for stem in (name.rpartition(b".")[0], name.partition(b".")[0])]

        def find(*suffixes: bytes) -> Member | None:
            return next((beside[stem + end] for stem in stems for end in suffixes if stem + end in beside), None)

        label, caption = find(_LABEL), find(*_CAPTIONS)
        return Entry(
            key_text(picture.name),
            self._label(descriptor, label) if label else None,
            (picture.offset, picture.length),
            (caption.offset, caption.length) if caption else None,
        )

    def _label(self, descriptor: int, member: Member) -> str | None:
        try:
            return self._read(descriptor, member.offset, member.length).decode().strip() or None
        except UnicodeDecodeError:
            return None

    def _walk(self, descriptor: int, start: int, end: int, where: str) -> Iterator[Member]:
        """The regular files of the tar in bytes `start` to `end`."""
        name: bytes | None = None
        extended: dict[bytes, bytes] = {}
        position = start
        while True:
            if position + _BLOCK > end:
                raise self._truncated(position, f"the archive{where} has no end mark")
            block = self._read(descriptor, position, _BLOCK)
            if not any(block):
                return
            try:
                header = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
                size = int(extended.get(b"size", header.size))
                if size < 0:
                    raise ValueError("negative length")
            except (tarfile.HeaderError, ValueError) as error:
                raise self._damaged(position, where, error) from None
            data = position + _BLOCK
            if header.type == tarfile.GNUTYPE_SPARSE and block[482]:  # the list of holes continues in further blocks
                while self._read(descriptor, data, _BLOCK)[504]:
                    data += _BLOCK
                data += _BLOCK
            length = 0 if header.type in _WITHOUT_DATA else size
            if data + length > end:
                raise self._truncated(end, f"the member{where} that starts at {position:,} has {length:,} bytes")
            if header.type == tarfile.GNUTYPE_LONGNAME:
                name = self._read(descriptor, data, min(size, _LONGEST_EXTRA)).split(b"\0", 1)[0]
            elif header.type in (tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE):
                try:
                    extended = _parse_extended(self._read(descriptor, data, min(size, _LONGEST_EXTRA)))
                except ValueError as error:
                    raise self._damaged(position, where, error) from None
            elif header.type not in (tarfile.GNUTYPE_LONGLINK, tarfile.XGLTYPE):
                sparse = header.type == tarfile.GNUTYPE_SPARSE or any(k.startswith(b"GNU.sparse") for k in extended)
                if header.isreg() and not sparse:
                    found = extended.get(b"path") or name or header.name.encode("utf-8", "surrogateescape")
                    yield Member(found.removeprefix(b"./"), data, size)
                name, extended = None, {}
            position = data + -(-length // _BLOCK) * _BLOCK

    def _read(self, descriptor: int, offset: int, length: int) -> bytes:
        data = os.pread(descriptor, length, offset)
        if len(data) != length:
            raise self._truncated(offset + len(data), f"{length:,} bytes were expected at {offset:,}")
        return data

    def _truncated(self, offset: int, detail: str) -> CorruptData:
        return CorruptData(f"{self.path}: truncated at byte {offset:,}: {detail}; download or copy it again")

    def _damaged(self, offset: int, where: str, error: Exception) -> CorruptData:
        return CorruptData(f"{self.path}: no tar header{where} at byte {offset:,} ({error}); download or copy it again")


def _parse_extended(data: bytes) -> dict[bytes, bytes]:
    """The records `LENGTH KEY=VALUE\\n` of a pax header (POSIX.1-2001). `ValueError` if they are malformed."""
    records: dict[bytes, bytes] = {}
    while data.strip(b"\0"):
        digits, _, _ = data.partition(b" ")
        length = int(digits)
        if not len(digits) < length <= len(data):
            raise ValueError("malformed extended header")
        key, _, value = data[len(digits) + 1 : length - 1].partition(b"=")
        records[key] = value
        data = data[length:]
    return records
