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
from pipeline.readers import first_bytes
from pipeline.readers.base import (
    HIDDEN,
    LINK,
    NOT_A_PICTURE,
    SUFFIXES,
    Entry,
    File,
    LeftOut,
    Place,
    Read,
    check_length,
    in_key_order,
    key_text,
)

_BLOCK = 512
_LINKS = (tarfile.LNKTYPE, tarfile.SYMTYPE)
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
    """A member of a tar, except a folder.

    Attributes:
        name: its name, without a leading `./`.
        offset, length: position of its bytes from the start of the outermost file.
        left_out: why it is not read, if its header says so.
    """

    name: bytes
    offset: int
    length: int
    left_out: LeftOut | None = None


@dataclass(frozen=True)
class Tar:
    """The pictures of a tar; a member `NAME.tar` is entered, and its pictures are keyed `NAME/…`.

    Members count as pictures by the same rules as files in a folder. Links, devices and sparse files are left out. A
    leading `./` is dropped; otherwise names are used unchanged, because they are keys, never paths.

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
            left_out: list[Entry] = []
            for member in self._all(descriptor, os.fstat(descriptor).st_size):
                stem, dot, suffix = member.name.rpartition(b".")
                ending = dot + suffix.lower()
                is_short_text = member.left_out is None and member.length <= _LONGEST.get(ending, -1)
                reason = member.left_out or self._look_into(descriptor, member)
                if reason is None:
                    pictures.append(member)
                elif reason.reason == NOT_A_PICTURE and is_short_text:
                    beside.setdefault(stem + ending, member)
                else:
                    left_out.append(_left_out(member, reason))
            # Drop each member when its entry is made: keeping both, for millions of pictures, would fill memory.
            used: set[bytes] = set()
            count = len(pictures)
            found = [self._entry(descriptor, pictures.pop(), beside, used) for _ in range(count)]
            unused = LeftOut(NOT_A_PICTURE, "a label or caption without a picture")
            found += (_left_out(member, unused) for name, member in beside.items() if name not in used)
            found += left_out
            return in_key_order(found)

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
        """The members of the tar; a tar inside it is replaced by its own members."""
        for member in self._walk(descriptor, 0, size, ""):
            if member.left_out or not member.name.lower().endswith(b".tar") or self._other_archive(descriptor, member):
                yield member
                continue
            end = member.offset + member.length
            for inner in self._walk(descriptor, member.offset, end, f" in {key_text(member.name)}"):
                yield inner._replace(name=member.name[:-4] + b"/" + inner.name)

    def _start(self, descriptor: int, member: Member) -> bytes:
        return self._read(descriptor, member.offset, min(member.length, first_bytes.LENGTH))

    def _other_archive(self, descriptor: int, member: Member) -> bool:
        """Whether a member named `.tar` is an archive of another format; anything else is a damaged tar."""
        return first_bytes.archive_format(self._start(descriptor, member)) not in (None, "tar")

    def _look_into(self, descriptor: int, member: Member) -> LeftOut | None:
        """Whether a member is no picture: by its name or, without a suffix of pictures, by its first bytes."""
        base = member.name.rpartition(b"/")[2]
        if base.startswith(b"."):
            return LeftOut(HIDDEN, "the name starts with a dot")
        if base.lower().endswith(SUFFIXES):
            return None
        return first_bytes.left_out(base, self._start(descriptor, member))

    def _entry(self, descriptor: int, picture: Member, beside: dict[bytes, Member], used: set[bytes]) -> Entry:
        """The entry of a picture; the names of its label and its caption are added to `used`."""
        folder, slash, name = picture.name.rpartition(b"/")
        stems = [folder + slash + stem for stem in (name.rpartition(b".")[0], name.partition(b".")[0])]

        def find(*suffixes: bytes) -> Member | None:
            names = [stem + end for stem in stems for end in suffixes if stem + end in beside]
            used.update(names)
            return beside[names[0]] if names else None

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
        """The members of the tar in bytes `start` to `end`, except folders."""
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
                if header.type != tarfile.DIRTYPE:
                    found = extended.get(b"path") or name or header.name.encode("utf-8", "surrogateescape")
                    yield Member(found.removeprefix(b"./"), data, length, _unread_kind(header, extended))
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
        return CorruptData(
            f"{self.path}: no tar header{where} at byte {offset:,} ({error}), so it is damaged; copy it again "
            "from where it is sound"
        )


def _left_out(member: Member, reason: LeftOut) -> Entry:
    return Entry(key_text(member.name), None, (member.offset, member.length), left_out=reason)


def _unread_kind(header: tarfile.TarInfo, extended: dict[bytes, bytes]) -> LeftOut | None:
    """Why a member's bytes are not those of a file: a link, a device, a sparse file. None for a regular file."""
    if header.type in _LINKS:
        return LeftOut(LINK, f"a link to {extended.get(b'linkpath', b'').decode(errors='replace') or header.linkname}")
    if header.type == tarfile.GNUTYPE_SPARSE or any(key.startswith(b"GNU.sparse") for key in extended):
        return LeftOut(NOT_A_PICTURE, "a sparse file, which is not stored as a whole; make the tar without --sparse")
    return None if header.isreg() else LeftOut(NOT_A_PICTURE, "neither a file nor a folder")


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
