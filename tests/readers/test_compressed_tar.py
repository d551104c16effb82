"""Compressed tars that are cut off, damaged, or something else."""

import bz2
import gzip
import lzma
import os
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.core import disk
from pipeline.core.errors import CorruptData, PipelineError
from pipeline.readers import compressed_tar
from pipeline.readers.compressed_tar import UNPACKED, compression, unpack_tar

FORMATS = {"gzip": gzip.compress, "bzip2": bz2.compress, "xz": lzma.compress}


@pytest.fixture(params=FORMATS)
def archive(request: pytest.FixtureRequest, tmp_path: Path, write_tar: Callable[..., Path]) -> Path:
    """A compressed tar of three megabytes, beside the plain one."""
    plain = write_tar(tmp_path / "plain.tar", {f"{number}.jpg": os.urandom(300_000) for number in range(10)})
    path = tmp_path / "x.packed"
    path.write_bytes(FORMATS[request.param](plain.read_bytes()))
    assert compression(path) == request.param and compression(plain) is None
    return path


def test_it_is_unpacked_whole(archive: Path, tmp_path: Path) -> None:
    """Byte for byte, and nothing else is left."""
    unpack_tar(archive, tmp_path / "out")
    assert (tmp_path / "out" / UNPACKED).read_bytes() == (tmp_path / "plain.tar").read_bytes()
    assert [path.name for path in (tmp_path / "out").iterdir()] == [UNPACKED]


@pytest.mark.parametrize("share", [0.01, 0.5, 0.99])
def test_a_cut_one_says_so(archive: Path, tmp_path: Path, share: float) -> None:
    """This is what a download again helps against."""
    archive.write_bytes(archive.read_bytes()[: int(archive.stat().st_size * share)])
    with pytest.raises(CorruptData, match=r"truncated: .*; download it again"):
        unpack_tar(archive, tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())


def test_a_damaged_one_says_so(archive: Path, tmp_path: Path) -> None:
    """Every format has a checksum; nothing is left of what was unpacked before."""
    data = bytearray(archive.read_bytes())
    for at in range(len(data) // 2, len(data) // 2 + 40):
        data[at] ^= 0x5A
    archive.write_bytes(data)
    with pytest.raises(CorruptData, match=r"damaged after .*; copy it again from where it is sound"):
        unpack_tar(archive, tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a,b\n1,2\n" * 300, "compressed with gzip, but not a tar: a file that begins with"),
        (b"PK\x03\x04" + bytes(2000), "compressed with gzip, but not a tar: a file in the format zip"),
        (b"\xff\xd8\xff" + bytes(2000), r"not a tar: a picture \(JPEG\)"),
        (b"", "gzip data of 0 bytes"),
    ],
)
def test_what_is_compressed_but_no_tar(tmp_path: Path, content: bytes, message: str) -> None:
    """It is named before it is written."""
    (tmp_path / "x.tar.gz").write_bytes(gzip.compress(content))
    with pytest.raises(CorruptData, match=message):
        unpack_tar(tmp_path / "x.tar.gz", tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())


def test_several_compressed_parts_are_one_tar(tmp_path: Path) -> None:
    """As `pigz` and `cat a.gz b.gz` write them, with zeros after the end."""
    data = os.urandom(3000)
    plain = tmp_path / "plain.tar"
    with tarfile.open(plain, "w") as tar:
        (tmp_path / "1.jpg").write_bytes(data)
        tar.add(tmp_path / "1.jpg", "1.jpg")
    whole = plain.read_bytes()
    (tmp_path / "x.tgz").write_bytes(gzip.compress(whole[:2000]) + gzip.compress(whole[2000:]) + bytes(512))
    unpack_tar(tmp_path / "x.tgz", tmp_path / "out")
    assert (tmp_path / "out" / UNPACKED).read_bytes() == whole


@pytest.mark.parametrize("free", [1000, 3_100_000])
def test_a_full_disk_is_found_before_it_is_full(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int
) -> None:
    """Before anything is written, or while it is written: the unpacked length is not known in advance."""
    monkeypatch.setattr(compressed_tar, "_CHECKED", 1 << 20)
    out = tmp_path / "out"

    def usage(_: Path) -> object:
        written = sum(path.stat().st_size for path in out.glob(".*")) if out.exists() else 0
        return shutil._ntuple_diskusage(10**9, 0, free - written)  # type: ignore[attr-defined]

    monkeypatch.setattr(disk.shutil, "disk_usage", usage)
    with pytest.raises(PipelineError, match=r"unpacking x\.packed needs .* free; free some space"):
        unpack_tar(archive, out)
    assert not out.exists() or not list(out.iterdir())
