"""An LMDB inside a zip, the format of LSUN's archives; it must be unpacked before it can be read."""

import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from pipeline.core import files, progress
from pipeline.core.disk import require_free_space
from pipeline.core.errors import CorruptData
from pipeline.readers.zip_reader import explain_bad_zip, is_zip

_BLOCK = 1 << 20


def unpacked_bytes(archive: Path) -> int:
    """Length of the `data.mdb` inside a zip, read from the zip's directory; 0 if the file is anything else.

    Raises:
        CorruptData: the zip is cut off or damaged, has names that leave their folder, or holds several LMDBs.
    """
    if not is_zip(archive):
        return 0
    with _opened(archive) as (_, members):
        return members[0].file_size if members else 0


def unpack_lmdb(archive: Path, to: Path) -> None:
    """Unpack the zip's `data.mdb` to `to/data.mdb`, atomically.

    `lock.mdb` is left out: this project reads without locks, and every use changes that file.

    Raises:
        CorruptData: as for `unpacked_bytes`, or the zip holds no LMDB.
        PipelineError: the disk has too little free space.
    """
    with _opened(archive) as (file, members):
        if not members:
            names = ", ".join(file.namelist()[:5]) or "no members"
            raise CorruptData(f"{archive}: expected one data.mdb, found none among {names}")
        length = members[0].file_size
        require_free_space(to, length, f"unpacking {archive.name}")
        with (
            file.open(members[0]) as source,
            files.atomic_path(to / "data.mdb") as temporary,
            temporary.open("wb") as target,
            progress.bar(f"unpacking {archive.name}", length, "bytes") as advance,
        ):
            while block := source.read(_BLOCK):  # the last read compares the CRC
                target.write(block)
                advance(len(block))


@contextmanager
def _opened(archive: Path) -> Iterator[tuple[zipfile.ZipFile, list[zipfile.ZipInfo]]]:
    """The zip and its `data.mdb`, if it has one; errors of reading become `CorruptData`."""
    try:
        with zipfile.ZipFile(archive) as file:
            yield file, _find_lmdb(archive, file.infolist())
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise CorruptData(f"{archive}: {explain_bad_zip(archive, error)}") from None
    except RuntimeError as error:  # encrypted, or an unknown compression
        raise CorruptData(
            f"{archive}: not readable as a zip ({error}); unpack it with the program that made it"
        ) from None


def _find_lmdb(archive: Path, members: list[zipfile.ZipInfo]) -> list[zipfile.ZipInfo]:
    for member in members:
        path = PurePosixPath(member.filename.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts:
            raise CorruptData(
                f"{archive}: member {member.filename!r} leaves its folder; no data set has one, so delete it"
            )
    found = [member for member in members if PurePosixPath(member.filename).name == "data.mdb"]
    if len(found) > 1:
        names = ", ".join(member.filename for member in found[:5])
        raise CorruptData(f"{archive}: expected one data.mdb, found {len(found)}: {names}; unpack one")
    return found
