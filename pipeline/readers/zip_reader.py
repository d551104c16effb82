"""Read pictures in a zip member by member, without unpacking the zip."""

import contextlib
import functools
import os
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pipeline.core.errors import CorruptData
from pipeline.readers.base import (
    Entry,
    File,
    Place,
    Read,
    UnreadableEntry,
    check_length,
    in_key_order,
    is_picture_name,
    key_text,
)


@dataclass(frozen=True)
class Zip:
    """The pictures of a zip; the key is the name of the member.

    Members count as pictures by the same suffixes as files in a folder. A name is a key, never a path to write to.
    """

    path: Path

    def files(self) -> list[File]:
        return [File.of(self.path)]

    def entries(self) -> list[Entry]:
        """List all pictures from the zip's directory.

        Raises:
            CorruptData: it is no zip, or its end is missing.
        """
        names = (_raw_name(member) for member in opened(self.path).infolist())
        return in_key_order(
            Entry(key_text(name.removeprefix(b"./")), None, (number, 0))
            for number, name in enumerate(names)
            if is_picture_name(name)
        )

    @contextlib.contextmanager
    def open(self) -> Iterator[Read]:
        archive = opened(self.path)
        members = archive.infolist()

        def read(place: Place) -> bytes:
            assert isinstance(place, tuple)
            member = members[place[0]]
            check_length(member.file_size)
            try:
                with archive.open(member) as file:
                    return file.read(member.file_size)  # a member may unpack to more bytes than announced
            # The member is damaged, encrypted, or has an unknown compression: only this picture is unreadable.
            except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
                raise UnreadableEntry(" ".join(str(error).split()) or type(error).__name__) from None

        yield read


def opened(path: Path) -> zipfile.ZipFile:
    """The opened zip, cached in each process: a directory of 200,000 names takes seconds to read.

    Raises:
        CorruptData: it is no zip, or its end is missing.
    """
    status = path.stat()
    return _opened(os.getpid(), path, status.st_size, status.st_mtime_ns)


@functools.lru_cache(maxsize=1)
def _opened(process: int, path: Path, size: int, changed: int) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError) as error:
        raise CorruptData(f"{path}: {explain_bad_zip(path, error)}") from None


def explain_bad_zip(path: Path, error: Exception) -> str:
    """The error for a file that cannot be read as a zip: what the file is, and what to do."""
    length = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(512).lstrip()
    if start.startswith(b"PK\x03\x04"):
        if isinstance(error, zipfile.BadZipFile) and "CRC" in str(error):
            return f"damaged ({error}); download it again"
        return f"truncated or damaged after {length:,} bytes ({error}); download it again"
    if start[:1] == b"<":
        return "a web page, not a zip; download it again and look at the address"
    return f"not a zip ({length:,} bytes); download it again"


def _raw_name(member: zipfile.ZipInfo) -> bytes:
    """The bytes of a name; zipfile decodes names without the UTF-8 flag as code page 437."""
    return member.orig_filename.encode("utf-8" if member.flag_bits & 0x800 else "cp437", "surrogateescape")
