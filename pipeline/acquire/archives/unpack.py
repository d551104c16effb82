"""Take the LMDB out of an LSUN zip, and nothing else. A zip of pictures is read where it is, see `datasets.zips`,
and so is one of downsampled ImageNet's pickles."""

import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from pipeline.acquire.download.disk import require_room
from pipeline.core import progress
from pipeline.core.errors import CorruptData
from pipeline.datasets.imagenet32 import is_batch_name
from pipeline.readers.base import is_picture_name

_BLOCK = 1 << 20


def unpacked_bytes(archive: Path) -> int:
    """Length of the LMDB inside a zip, from the zip's directory alone; 0 for anything else.

    Raises:
        CorruptData: a zip holds neither pictures nor one LMDB; see `unpack_lmdb`.
    """
    if archive.suffix.lower() != ".zip" or not archive.is_file():
        return 0
    with _opened(archive) as (_, member):
        return member.file_size if member else 0


def unpack_lmdb(archive: Path, to: Path) -> None:
    """Write the zip's `data.mdb` to the folder `to`, under that name.

    Its `lock.mdb` is left out: readers here take no locks, and any two of these files differ.

    Raises:
        CorruptData: the zip is cut off or damaged, has names that leave their folder, or holds no LMDB or several.
        PipelineError: the disk has no room.
    """
    with _opened(archive) as (file, member):
        if member is None:
            raise CorruptData(f"{archive}: expected one data.mdb, found pictures alone; read them where they are")
        require_room(to, member.file_size, f"unpacking {archive.name}")
        with (
            file.open(member) as source,
            (to / "data.mdb").open("wb") as target,
            progress.bar(f"unpacking {archive.name}", member.file_size, "bytes") as advance,
        ):
            while block := source.read(_BLOCK):  # the last read compares the CRC
                target.write(block)
                advance(len(block))


@contextmanager
def _opened(archive: Path) -> Iterator[tuple[zipfile.ZipFile, zipfile.ZipInfo | None]]:
    """The zip and its one `data.mdb`, None where it holds pictures; errors of reading become `CorruptData`."""
    try:
        with zipfile.ZipFile(archive) as file:
            yield file, _find_lmdb(archive, file.infolist())
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise CorruptData(f"{archive}: {_what_is_wrong(archive, error)}") from None
    except RuntimeError as error:  # encrypted, or an unknown compression
        raise CorruptData(f"{archive}: not an LSUN zip ({error}); download it again") from None


def _find_lmdb(archive: Path, members: list[zipfile.ZipInfo]) -> zipfile.ZipInfo | None:
    for member in members:
        path = PurePosixPath(member.filename.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts:
            raise CorruptData(
                f"{archive}: member {member.filename!r} leaves its folder; no data set has one, so delete it"
            )
    found = [member for member in members if PurePosixPath(member.filename).name == "data.mdb"]
    if not found and any(_is_read_in_place(member.filename) for member in members):
        return None
    if len(found) != 1:
        names = ", ".join(member.filename for member in members[:5])
        raise CorruptData(
            f"{archive}: expected one data.mdb or pictures, found {len(found)} data.mdb among {names or 'no members'}"
        )
    return found[0]


def _is_read_in_place(name: str) -> bool:
    return is_picture_name(name.encode(errors="replace")) or is_batch_name(name)


def _what_is_wrong(archive: Path, error: Exception) -> str:
    length = archive.stat().st_size
    with archive.open("rb") as file:
        start = file.read(512).lstrip()
    if start.startswith(b"PK\x03\x04"):
        if isinstance(error, zipfile.BadZipFile) and "CRC" in str(error):
            return f"damaged ({error}); download it again"
        return f"truncated or damaged after {length:,} bytes ({error}); download it again"
    if start[:1] == b"<":
        return "a web page, not a zip; download it again and look at the address"
    return f"not a zip ({length:,} bytes); download it again"
