"""The records of an LMDB."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import lmdb

from pipeline.core.errors import CorruptData, MissingInput
from pipeline.readers.base import (
    LOST_RECORD,
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
from pipeline.readers.lmdb_pages import list_keys

_SHORTEST = 2 * 4096
"""Minimum length of an LMDB in bytes: its two meta pages."""


@dataclass(frozen=True)
class Lmdb:
    """The records of an LMDB, as LSUN publishes them: key to encoded picture.

    Args:
        folder: the folder that holds `data.mdb`.
    """

    folder: Path

    def files(self) -> list[File]:
        return [File.of(self.folder / "data.mdb")]

    def entries(self) -> list[Entry]:
        """See `Source.entries`. Each record in a damaged page is an entry too.

        The keys of lost records are those of the tree's upper pages where these have them, else numbered.
        """
        with self._transaction():  # checks the header and the length of the file
            listed = list_keys(self.folder / "data.mdb")
        found = [Entry(key_text(key), None, key) for key in listed.keys]
        for number in range(listed.lost):
            page, first = listed.damaged[min(number, len(listed.damaged) - 1)]
            more = number - len(listed.damaged) + 1
            key = (key_text(first) or "first record") + (f" + {more}" if more > 0 else "")
            found.append(Entry(key, None, b"", left_out=LeftOut(LOST_RECORD, f"in the damaged page {page}")))
        return in_key_order(found)

    @contextlib.contextmanager
    def open(self) -> Iterator[Read]:
        with self._transaction() as transaction:

            def read(place: Place) -> bytes:
                assert isinstance(place, bytes)
                try:
                    value = transaction.get(place)
                except lmdb.Error as error:
                    raise UnreadableEntry(str(error)) from None
                if value is None:
                    raise CorruptData(
                        f"{self.folder}/data.mdb: record {place!r} is gone; the file was changed while in use"
                    )
                check_length(len(value))
                return bytes(value)

            yield read

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[lmdb.Transaction]:
        """Open the LMDB for reading, without locks: the file may be on a read-only disk."""
        file = self.folder / "data.mdb"
        if not file.is_file():
            raise MissingInput(f"{file}: no such file")
        try:
            with lmdb.open(str(self.folder), readonly=True, lock=False, readahead=False, create=False) as environment:
                # Reading past the end of a mapped file ends the process with SIGBUS, so the length is checked first.
                expected = (environment.info()["last_pgno"] + 1) * environment.stat()["psize"]
                if file.stat().st_size < expected:
                    raise CorruptData(
                        f"{file}: truncated: {file.stat().st_size:,} bytes, its header says {expected:,}; copy or "
                        "download it again"
                    )
                with environment.begin(buffers=True) as transaction:  # a value is copied once, when it is read
                    yield transaction
        except lmdb.Error as error:
            if (length := file.stat().st_size) < _SHORTEST:
                raise CorruptData(f"{file}: truncated: {length:,} bytes; copy or download it again") from None
            raise CorruptData(
                f"{file}: no LMDB, or its header is damaged ({error}); copy it again from where it is sound"
            ) from None


def find_lmdb(folder: Path) -> Path | None:
    """Find the folder with `data.mdb`: `folder` itself or its only subfolder `*_lmdb`; None if there is none.

    Raises:
        CorruptData: several subfolders hold a `data.mdb`.
    """
    if (folder / "data.mdb").is_file():
        return folder
    found = sorted(file.parent for file in folder.glob("*_lmdb/data.mdb"))
    if len(found) > 1:
        names = ", ".join(path.name for path in found)
        raise CorruptData(f"{folder}: holds several LMDBs ({names}); name one, or move it to its own folder")
    return found[0] if found else None
