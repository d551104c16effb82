"""Formats told by first bytes: real files of each kind, and texts that begin alike."""

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.readers.first_bytes import LENGTH, archive_format, left_out, picture_format, unsupported_format


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "PPM", "TIFF", "AVIF", "JPEG2000", "DDS"])
def test_pictures_are_told(encode: Callable[..., bytes], kind: str) -> None:
    """As Pillow writes them, grey ones and colour ones."""
    names = {"JPEG2000": "JPEG 2000", "DDS": "DirectDraw surface"}
    for mode in ("L", "RGB"):
        data = encode(1, file_format=kind, mode=mode)
        assert picture_format(data[:32]) == names.get(kind, kind)
        assert archive_format(data[:LENGTH]) is None


@pytest.mark.parametrize(
    ("start", "kind"),
    [
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC"),
        (b"\0\0\0\x1cftypmif1\0\0\0\0mif1miafheic", "HEIC"),
        (b"\0\0\0\x1cftypmif1\0\0\0\0mif1avifmiaf", "AVIF"),
        (b"\0\0\0\x18ftypcrx \0\0\0\1crx isom", "camera raw (CR3)"),
        (b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41", None),
        (b"II*\0\x10\0\0\0CR\2\0", "camera raw (CR2)"),
        (b"FUJIFILMCCD-RAW 0201", "camera raw (RAF)"),
        (b"II+\0\x08\0\0\0", "TIFF"),
        (b"RIFF\x24\0\0\0WAVEfmt ", None),
        (b"P7 of the list", None),
        (b"P1: first point", None),
        (b"BM is short for bitmap", None),
        (b"", None),
    ],
)
def test_what_pillow_cannot_write(start: bytes, kind: str | None) -> None:
    """Phones, cameras, videos, and texts."""
    assert picture_format(start) == kind
    assert unsupported_format(start) == (None if kind == "TIFF" else kind)


def test_archives_are_told(tmp_path: Path) -> None:
    """As Python's own modules write them, an empty one too."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("x"), io.BytesIO())
    assert archive_format(buffer.getvalue()[:LENGTH]) == archive_format(bytes(10_240)[:LENGTH]) == "tar"
    assert archive_format(bytes(100)) is None
    for compress, kind in ((gzip.compress, "gzip"), (bz2.compress, "bzip2"), (lzma.compress, "xz")):
        assert archive_format(compress(buffer.getvalue())[:LENGTH]) == kind
    for members in ([], ["x"]):
        with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
            for name in members:
                archive.writestr(name, b"x")
        assert archive_format((tmp_path / "x.zip").read_bytes()[:LENGTH]) == "zip"
    pq.write_table(pa.table({"x": [1]}), tmp_path / "x.parquet")
    assert archive_format((tmp_path / "x.parquet").read_bytes()[:LENGTH]) == "parquet"


def test_a_name_decides_only_where_the_content_cannot(encode: Callable[..., bytes]) -> None:
    """Cameras' raw files begin like a TIFF; a damaged HEIC stays a picture, so that it is listed as a bad one."""
    tiff = encode(1, file_format="TIFF")[:LENGTH]
    assert left_out(b"scan", tiff) is None
    for name in (b"x.NEF", b"x.dng", b"x.arw"):
        reason = left_out(name, tiff)
        assert reason is not None and reason.reason == "unsupported_format"
    assert left_out(b"IMG.HEIC", bytes(LENGTH - 1)) is None
    assert left_out(b"IMG", bytes(LENGTH - 1)) is not None
