"""The records of an LMDB."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import lmdb

from pipeline.core.errors import CorruptData, MissingInput
from pipeline.readers.base import Entry, File, Place, Read, check_length, in_key_order, key_text


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
            raise CorruptData(f"{file}: not readable as an LMDB ({error}); copy or download it again") from None


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
