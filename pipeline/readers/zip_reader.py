"""Read pictures in a zip member by member, without unpacking the zip."""

import contextlib
import functools
import lzma
import os
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pipeline.core.errors import CorruptData
from pipeline.readers import first_bytes
from pipeline.readers.base import (
    HIDDEN,
    SUFFIXES,
    UNREADABLE,
    Entry,
    File,
    LeftOut,
    Place,
    Read,
    UnreadableEntry,
    check_length,
    in_key_order,
    key_text,
)

_ERRORS = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, lzma.LZMAError)
"""Raised for a member that is damaged, encrypted, or compressed by an unknown method; the others can still be read."""


@dataclass(frozen=True)
class Zip:
    """The pictures of a zip; the key is the name of the member.

    Members count as pictures by the same rules as files in a folder. A name is a key, never a path to write to.
    """

    path: Path

    def files(self) -> list[File]:
        return [File.of(self.path)]

    def entries(self) -> list[Entry]:
        """List all pictures from the zip's directory.

        Raises:
            CorruptData: it is no zip, or its end is missing.
        """
        archive = opened(self.path)
        members = enumerate(archive.infolist())
        return in_key_order(_entry(archive, number, member) for number, member in members if not member.is_dir())

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
            except _ERRORS as error:
                raise UnreadableEntry(_one_line(error)) from None

        yield read


def is_zip(path: Path) -> bool:
    """Whether a file is a zip: by its first bytes, or by its name if they are those of no other format.

    A zip can start with a program that unpacks it, and a file named `.zip` gets the better error message as a zip.
    """
    if not path.is_file():
        return False
    with path.open("rb") as file:
        kind = first_bytes.archive_format(file.read(first_bytes.LENGTH))
    return kind == "zip" or (kind is None and path.suffix.lower() == ".zip")


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
    with path.open("rb") as file:
        start = file.read(first_bytes.LENGTH)
    if start and first_bytes.archive_format(start) != "zip":
        return f"not a zip but {first_bytes.describe(start)}; name an archive or a folder of pictures"
    if isinstance(error, zipfile.BadZipFile) and "CRC" in str(error):
        return f"damaged ({error}); copy it again from where it is sound"
    return f"truncated or damaged after {path.stat().st_size:,} bytes ({error}); download it again"


def _entry(archive: zipfile.ZipFile, number: int, member: zipfile.ZipInfo) -> Entry:
    name = _raw_name(member)
    base = name.rpartition(b"/")[2]
    left_out = None
    if base.startswith(b"."):
        left_out = LeftOut(HIDDEN, "the name starts with a dot")
    elif not base.lower().endswith(SUFFIXES):
        try:
            with archive.open(member) as file:
                left_out = first_bytes.left_out(base, file.read(first_bytes.LENGTH))
        except _ERRORS as error:
            left_out = LeftOut(UNREADABLE, _one_line(error))
    return Entry(key_text(name.removeprefix(b"./")), None, (number, 0), left_out=left_out)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _raw_name(member: zipfile.ZipInfo) -> bytes:
    """The bytes of a name; zipfile decodes names without the UTF-8 flag as code page 437."""
    return member.orig_filename.encode("utf-8" if member.flag_bits & 0x800 else "cp437", "surrogateescape")
