"""A container is opened by its content, whatever its name; what cannot be read is named for what it is."""

import bz2
import gzip
import lzma
import os
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.core.errors import BadParameters, CorruptData
from pipeline.datasets.pictures.raw_folder import count_pictures, files_of, open_archive
from pipeline.readers.base import only_pictures
from pipeline.readers.container import open_container

WriteTar = Callable[[Path, dict[str, bytes]], Path]
PICTURES = {"b/2.jpg": b"two", "1.jpg": b"one"}


@pytest.fixture
def write_zip() -> Callable[[Path, dict[str, bytes]], Path]:
    def write(path: Path, members: dict[str, bytes]) -> Path:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in members.items():
                archive.writestr(name, data)
        return path

    return write


def read_all(path: Path, unpack_to: Path | None = None) -> dict[str, bytes]:
    """The bytes of each picture, by key."""
    source = open_archive(path, unpack_to=unpack_to).source
    with source.open() as read:
        return {entry.key: read(entry.place) for entry in only_pictures(source.entries())}


def reasons(path: Path) -> dict[str, str]:
    return {entry.key: entry.left_out.reason for entry in open_archive(path).source.entries() if entry.left_out}


@pytest.mark.parametrize("name", ["x.tar", "x.zip", "x.jpg", "x", "x.tar.gz"])
def test_a_tar_under_any_name(tmp_path: Path, write_tar: WriteTar, name: str) -> None:
    """Some sites name every archive .zip."""
    write_tar(tmp_path / name, PICTURES)
    assert open_archive(tmp_path / name).kind == "tar" and read_all(tmp_path / name) == PICTURES


@pytest.mark.parametrize("name", ["x.zip", "x.tar", "x", "x.cbz", "x.tgz"])
def test_a_zip_under_any_name(tmp_path: Path, write_zip: WriteTar, name: str) -> None:
    """Comic books and downloads without a suffix are zips too."""
    write_zip(tmp_path / name, PICTURES)
    assert open_archive(tmp_path / name).kind == "zip" and read_all(tmp_path / name) == PICTURES


def test_a_zip_that_unpacks_itself(tmp_path: Path, write_zip: WriteTar) -> None:
    """It starts with a program; the directory at its end is what counts."""
    data = write_zip(tmp_path / "plain", PICTURES).read_bytes()
    (tmp_path / "x.zip").write_bytes(b"MZ" + bytes(1000) + data)
    assert read_all(tmp_path / "x.zip") == PICTURES


@pytest.mark.parametrize(
    ("name", "data", "what"),
    [
        ("x.zip", b"<!DOCTYPE html><html>sorry</html>", "a web page"),
        ("x.tar", b"\n <html>sorry</html>" * 100, "a web page"),
        ("x.tar", b"text " * 300, "begins with b'text tex'"),
        ("x.zip", os.urandom(4000).replace(b"PK", b"__").replace(b"\n", b"_"), "begins with"),
        ("x.tar.zst", b"\x28\xb5\x2f\xfd" + bytes(900), "format zstd"),
        ("x.zip", b"7z\xbc\xaf\x27\x1c" + bytes(900), "format 7z"),
        ("x.tar", b"Rar!\x1a\x07\x01\x00" + bytes(900), "format rar"),
        ("x.zip", b"\xff\xd8\xff\xe0" + bytes(900), r"a picture \(JPEG\)"),
        ("x.parquet", b"no table" * 100, "begins with b'no table'"),
    ],
)
def test_what_is_no_archive_is_named(tmp_path: Path, name: str, data: bytes, what: str) -> None:
    """Nobody is sent to download again what is sound, or what the same address would give once more."""
    (tmp_path / name).write_bytes(data)
    with pytest.raises(CorruptData, match=what) as caught:
        open_archive(tmp_path / name).source.entries()
    assert "again" not in str(caught.value) and str(tmp_path / name) in str(caught.value)


@pytest.mark.parametrize("name", ["x.zip", "x.tar", "x.tar.gz", "x"])
def test_an_empty_file_is_cut_off(tmp_path: Path, name: str) -> None:
    """What a failed download leaves."""
    (tmp_path / name).touch()
    with pytest.raises(CorruptData, match=r"download.* again"):
        open_archive(tmp_path / name).source.entries()


def test_the_file_of_an_lmdb(tmp_path: Path, write_lmdb: Callable[..., Path]) -> None:
    """The folder is what is read."""
    folder = write_lmdb(tmp_path / "x_lmdb", {b"1": b"one"})
    with pytest.raises(CorruptData, match="the file of an LMDB; name the folder"):
        open_container(folder / "data.mdb")


def test_archives_inside_archives(tmp_path: Path, write_zip: WriteTar, write_tar: WriteTar, encode: Callable) -> None:
    """A tar in a tar is read; any other archive inside one is listed, and named if there is nothing else."""
    inner_tar = write_tar(tmp_path / "inner", {"1.jpg": b"in"}).read_bytes()
    inner_zip = write_zip(tmp_path / "inner", {"1.jpg": b"in"}).read_bytes()
    inside = {"a.zip": inner_zip, "b.tar": inner_zip, "c.tar": inner_tar, "d.tgz": gzip.compress(inner_tar)}
    write_tar(tmp_path / "x.tar", {**inside, "out.jpg": b"out"})
    assert read_all(tmp_path / "x.tar") == {"c/1.jpg": b"in", "out.jpg": b"out"}
    assert reasons(tmp_path / "x.tar") == {"a.zip": "archive", "b.tar": "archive", "d.tgz": "archive"}
    write_zip(tmp_path / "x.zip", {**inside, "out.jpg": b"out"})
    assert read_all(tmp_path / "x.zip") == {"out.jpg": b"out"}
    assert reasons(tmp_path / "x.zip") == dict.fromkeys(inside, "archive")
    write_zip(tmp_path / "only.zip", {"deep/a.zip": inner_zip, "read.me": b"x"})
    for path in (tmp_path / "only.zip", _unpacked(tmp_path / "only.zip")):
        with pytest.raises(
            CorruptData, match=r"no pictures, but archive 1, not_a_picture 1: deep/a\.zip \(zip; give it"
        ):
            count_pictures(path, open_archive(path).source.entries())


def _unpacked(path: Path) -> Path:
    shutil.unpack_archive(path, path.with_suffix(""))
    return path.with_suffix("")


def test_archives_and_their_folder_are_alike(
    tmp_path: Path, write_zip: WriteTar, write_tar: WriteTar, encode: Callable[..., bytes]
) -> None:
    """What counts as a picture, by name or by first bytes, and what is left out for which reason."""
    members = {
        **{"a/photo": encode(1), "b.dat": encode(2, file_format="PNG"), "c.jpg": b"tried", "notes.txt": b"a text"},
        **{"._c.jpg": b"mac", "raw.nef": encode(1, file_format="TIFF"), "x.psd": b"8BPS" + bytes(40), "empty": b""},
    }
    folder = _unpacked(write_zip(tmp_path / "x.zip", members))
    write_tar(tmp_path / "x.tar", members)
    expected = {name: members[name] for name in ("a/photo", "b.dat", "c.jpg")}
    why = {"._c.jpg": "hidden", "empty": "not_a_picture", "notes.txt": "not_a_picture"}
    for path in (folder, tmp_path / "x.zip", tmp_path / "x.tar"):
        assert read_all(path) == expected
        assert reasons(path) == {**why, "raw.nef": "unsupported_format", "x.psd": "unsupported_format"}


def test_a_damaged_member_without_a_suffix(tmp_path: Path, write_zip: WriteTar) -> None:
    """Its first bytes cannot be read; it may have been a picture, and the others are not lost."""
    path = write_zip(tmp_path / "x.zip", {"1.jpg": b"one", "photo": os.urandom(300)})
    data = bytearray(path.read_bytes())
    at = data.index(b"photo") + len("photo")
    data[at : at + 100] = bytes([255]) * 100
    path.write_bytes(data)
    assert read_all(path) == {"1.jpg": b"one"}
    assert reasons(path) == {"photo": "unreadable"}


@pytest.mark.parametrize(
    ("name", "compress"),
    [("x.tar.gz", gzip.compress), ("x.tgz", gzip.compress), ("x.tar.bz2", bz2.compress), ("x.tar.xz", lzma.compress)],
)
def test_a_compressed_tar_is_read(
    tmp_path: Path, write_tar: WriteTar, name: str, compress: Callable[[bytes], bytes]
) -> None:
    """From an unpacked copy, which is made once; without a place for it, the error names the compression."""
    path = tmp_path / name
    path.write_bytes(compress(write_tar(tmp_path / "plain", PICTURES).read_bytes()))
    assert files_of(path)[0].key == name
    with pytest.raises(BadParameters, match=r"a tar compressed with (gzip|bzip2|xz); unpack it, and name the result"):
        open_archive(path)
    for _ in range(2):
        assert read_all(path, tmp_path / "scratch") == PICTURES
        assert [file.name for file in (tmp_path / "scratch").iterdir()] == ["unpacked.tar"]
    changed = (tmp_path / "scratch" / "unpacked.tar").stat().st_mtime_ns
    open_archive(path, unpack_to=tmp_path / "scratch")
    assert (tmp_path / "scratch" / "unpacked.tar").stat().st_mtime_ns == changed


def test_pictures_beside_tables(tmp_path: Path, encode: Callable[..., bytes]) -> None:
    """A table without pictures does not hide the pictures beside it; pictures beside a table of pictures are listed."""
    (tmp_path / "1.jpg").write_bytes(encode(1))
    pq.write_table(pa.table({"url": ["x"], "caption": ["y"]}), tmp_path / "00000.parquet")
    assert read_all(tmp_path) == {"1.jpg": encode(1)} and reasons(tmp_path) == {"00000.parquet": "archive"}
    (tmp_path / "read.me").write_text("x")
    pq.write_table(pa.table({"image": [encode(2)]}), tmp_path / "00000.parquet")
    assert read_all(tmp_path) == {"00000/0000000": encode(2)}
    assert reasons(tmp_path) == {"1.jpg": "beside_tables", "read.me": "not_a_picture"}
    (tmp_path / "1.jpg").unlink()
    pq.write_table(pa.table({"url": ["x"]}), tmp_path / "00000.parquet")
    with pytest.raises(CorruptData, match="expected a column `image`"):
        open_archive(tmp_path).source.entries()
