"""Zips that are cut off, damaged, hostile or something else."""

import io
import os
import shutil
import zipfile

import pytest

from pipeline.core import disk
from pipeline.core.errors import CorruptData, PipelineError
from pipeline.readers.lmdb_reader import Lmdb
from pipeline.readers.zipped_lmdb import unpack_lmdb, unpacked_bytes


@pytest.fixture
def archive(tmp_path, write_lsun_zip):
    """An LSUN zip of 30 records."""
    return write_lsun_zip(tmp_path / "bedroom_train_lmdb.zip", {b"%040x" % n: os.urandom(5000) for n in range(30)})


@pytest.fixture
def out(tmp_path):
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


def test_only_the_lmdb_comes_out(archive, out):
    """data.mdb is whole; lock.mdb, which differs between any two copies, stays inside."""
    unpack_lmdb(archive, out)
    assert [path.name for path in out.iterdir()] == ["data.mdb"]
    assert (out / "data.mdb").stat().st_size == unpacked_bytes(archive)
    assert len(Lmdb(out).entries()) == 30


@pytest.mark.parametrize("share", [0.1, 0.5, 0.999])
def test_truncated_zip_says_so(archive, out, share):
    """The usual broken download: the message says what to do."""
    data = archive.read_bytes()
    archive.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(CorruptData, match=r"truncated.*download it again"):
        unpack_lmdb(archive, out)


def test_a_flipped_byte_is_found(archive, out):
    """The CRC is compared."""
    data = bytearray(archive.read_bytes())
    data[len(data) // 2] ^= 1
    archive.write_bytes(data)
    with pytest.raises(CorruptData, match=r"damaged \(Bad CRC-32 .*; copy it again from where it is sound"):
        unpack_lmdb(archive, out)


@pytest.mark.parametrize("name", ["../data.mdb", "/tmp/data.mdb", "a/../../data.mdb", "..\\data.mdb"])
def test_members_cannot_escape(tmp_path, out, name):
    """A zip with a name that leaves its folder is refused whole, and nothing is written anywhere."""
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as archive:
        archive.writestr(name, b"evil")
    with pytest.raises(CorruptData, match="leaves its folder"):
        unpack_lmdb(tmp_path / "evil.zip", out)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["evil.zip", "out"] and not list(out.iterdir())


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"<!DOCTYPE html><html>sorry</html>", "not a zip but a web page"),
        (bytes(range(1, 250)) * 20, "not a zip but a file that begins with"),
        (b"\x1f\x8b" + bytes(500), "not a zip but a file in the format gzip"),
        (b"", "truncated or damaged after 0 bytes .* download it again"),
    ],
)
def test_what_is_no_zip(tmp_path, out, data, message):
    """What was saved under the name instead is told apart."""
    (tmp_path / "x.zip").write_bytes(data)
    with pytest.raises(CorruptData, match=message):
        unpack_lmdb(tmp_path / "x.zip", out)


@pytest.mark.parametrize("names", [[], ["read.me"], ["pictures/1.jpg"], ["a_lmdb/data.mdb", "b_lmdb/data.mdb"]])
def test_exactly_one_lmdb_is_expected(tmp_path, out, names):
    """Several LMDBs are an error; a zip without one has nothing to unpack."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(name, b"x")
    (tmp_path / "x.zip").write_bytes(buffer.getvalue())
    with pytest.raises(CorruptData, match="expected one data"):
        unpack_lmdb(tmp_path / "x.zip", out)
    if len(names) < 2:
        assert unpacked_bytes(tmp_path / "x.zip") == 0
    else:
        with pytest.raises(CorruptData, match="expected one data"):
            unpacked_bytes(tmp_path / "x.zip")


def test_an_encrypted_member_is_an_error_of_one_line(archive, out):
    """zipfile raises a bare RuntimeError for it."""
    data = bytearray(archive.read_bytes())
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    archive.write_bytes(data)
    with pytest.raises(CorruptData, match="encrypted"):
        unpack_lmdb(archive, out)


def test_no_room_is_found_before_writing(archive, out, monkeypatch):
    """43 GB do not start to be unpacked onto a full disk."""
    usage = shutil.disk_usage(out)._replace(free=1000)
    monkeypatch.setattr(disk.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(PipelineError, match="needs"):
        unpack_lmdb(archive, out)
    assert not list(out.iterdir())
