"""A compressed tar (`.tar.gz`, `.tgz`, `.tar.bz2`, `.tar.xz`), which must be unpacked before it can be read.

Pictures are read in key order, and a compressed stream can only be read from its start.
"""

import bz2
import gzip
import io
import lzma
import zlib
from collections.abc import Callable
from pathlib import Path

from pipeline.core import files, progress
from pipeline.core.disk import require_free_space
from pipeline.core.errors import CorruptData
from pipeline.readers import first_bytes

UNPACKED = "unpacked.tar"
"""Name of the unpacked tar."""

_OPEN: dict[str, Callable[[Path], io.BufferedIOBase]] = {
    "gzip": gzip.GzipFile,
    "bzip2": bz2.BZ2File,
    "xz": lzma.LZMAFile,
}
_BLOCK = 1 << 20
_CHECKED = 1 << 26
"""Bytes between two checks of the free disk space, since the unpacked length is not known in advance."""


def compression(path: Path) -> str | None:
    """How a file is compressed: `gzip`, `bzip2` or `xz`, by its first bytes; None for any other file."""
    if not path.is_file():
        return None
    with path.open("rb") as file:
        kind = first_bytes.archive_format(file.read(first_bytes.LENGTH))
    return kind if kind in _OPEN else None


def unpack_tar(archive: Path, to: Path) -> None:
    """Decompress a compressed tar to `to / UNPACKED`, atomically; the tar itself is not unpacked further.

    Raises:
        CorruptData: the archive is cut off or damaged, or is no compressed tar.
        PipelineError: the disk has too little free space. The space is checked again and again while writing.
    """
    kind = compression(archive)
    if kind is None:
        raise CorruptData(f"{archive}: not compressed as a .tar.gz, .tar.bz2 or .tar.xz is; name it as it is")
    packed = archive.stat().st_size
    what = f"unpacking {archive.name}"
    require_free_space(to, packed, what)
    to.mkdir(parents=True, exist_ok=True)
    written = 0
    try:
        with (
            _OPEN[kind](archive) as source,
            files.atomic_path(to / UNPACKED) as temporary,
            temporary.open("wb") as target,
            progress.bar(what, None, "bytes") as advance,
        ):
            while block := source.read(_BLOCK):
                if not written:
                    _require_tar(archive, kind, block)
                if written % _CHECKED == 0:
                    require_free_space(to, _CHECKED, what)
                target.write(block)
                written += len(block)
                advance(len(block))
            if not written:
                raise CorruptData(f"{archive}: {kind} data of 0 bytes, expected a tar; name another archive")
    except EOFError:
        raise CorruptData(
            f"{archive}: truncated: the {kind} data end after {packed:,} bytes; download it again"
        ) from None
    except (gzip.BadGzipFile, zlib.error, lzma.LZMAError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:  # an error of the disk
            raise
        raise CorruptData(
            f"{archive}: damaged after {written:,} unpacked bytes ({error}); copy it again from where it is sound"
        ) from None


def _require_tar(archive: Path, kind: str, start: bytes) -> None:
    found = first_bytes.archive_format(start[: first_bytes.LENGTH])
    if found != "tar":
        what = first_bytes.describe(start[: first_bytes.LENGTH])
        raise CorruptData(f"{archive}: compressed with {kind}, but not a tar: {what}; unpack it, and name the result")
