"""LMDB and folder readers: order, keys, and sources that are not what they should be."""

import os
import pickle
from pathlib import Path

import pytest

from pipeline.core.errors import CorruptData, MissingInput
from pipeline.datasets.pictures import lsun
from pipeline.readers import base
from pipeline.readers.base import SUFFIXES, File, UnreadableEntry, is_picture_name, key_text, only_pictures
from pipeline.readers.folder_reader import Folder
from pipeline.readers.lmdb_reader import Lmdb, find_lmdb
from pipeline.readers.tar_reader import Tar


def test_lmdb_gives_records_in_key_order_and_leaves_no_trace(tmp_path, write_lmdb):
    """Keys come sorted by bytes, values come whole, and reading writes neither lock nor anything else."""
    records = {f"{number * 7919 % 100:040x}".encode(): os.urandom(5000) for number in range(100)}
    folder = write_lmdb(tmp_path / "scenes_lmdb", records)
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    source = pickle.loads(pickle.dumps(Lmdb(folder)))
    entries = lsun.entries(source, tmp_path)
    assert [entry.key.encode() for entry in entries] == sorted(records)
    with source.open() as read:
        assert all(read(entry.place) == records[entry.key.encode()] for entry in entries)
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == before


def test_lmdb_keys_that_are_not_utf8_become_text(tmp_path, write_lmdb):
    """A key is text everywhere downstream; its bad bytes stay recognisable."""
    source = Lmdb(write_lmdb(tmp_path / "odd", {b"a\xff\xc3": b"1", "ä".encode(): b"2"}))
    entries = source.entries()
    assert [entry.key for entry in entries] == ["a%FF%C3", "ä"]
    with source.open() as read:
        assert [read(entry.place) for entry in entries] == [b"1", b"2"]


@pytest.mark.parametrize("kept", [0, 100, 8192, 100_000, -4096])
def test_truncated_lmdb_is_an_error_and_not_a_crash(tmp_path, write_lmdb, kept):
    """Reading past the end of a mapped file would end the process with SIGBUS."""
    folder = write_lmdb(tmp_path / "cut", {b"%040x" % n: os.urandom(9000) for n in range(50)})
    data = (folder / "data.mdb").read_bytes()
    (folder / "data.mdb").write_bytes(data[:kept])
    with pytest.raises(CorruptData, match=r"data\.mdb: (truncated|not readable).*again"):
        Lmdb(folder).entries()


@pytest.mark.parametrize("kind", ["folder", "lmdb", "tar"])
def test_what_is_longer_than_any_picture_is_not_read(tmp_path, write_lmdb, write_tar, monkeypatch, kind):
    """A source says how long an entry is; what no photograph has is not even asked for."""
    monkeypatch.setattr(base, "LONGEST", 1000)
    entries = {"long.jpg": bytes(1001), "most.jpg": bytes(1000)}
    if kind == "folder":
        for name, data in entries.items():
            (tmp_path / name).write_bytes(data)
        source = Folder(tmp_path)
    elif kind == "lmdb":
        source = Lmdb(write_lmdb(tmp_path / "x", {name.encode(): data for name, data in entries.items()}))
    else:
        source = Tar(write_tar(tmp_path / "x.tar", entries))
    long, most = source.entries()
    with source.open() as read:
        assert read(most.place) == bytes(1000)
        with pytest.raises(UnreadableEntry, match="1,001 bytes, at most 1,000 are read"):
            read(long.place)


def test_finding_an_lmdb(tmp_path, write_lmdb):
    """The folder itself or its one `*_lmdb` sub folder; two of them are not guessed between."""
    assert find_lmdb(tmp_path) is None
    one = write_lmdb(tmp_path / "bedroom_train_lmdb", {b"k": b"v"})
    assert find_lmdb(tmp_path) == find_lmdb(one) == one
    write_lmdb(tmp_path / "bedroom_val_lmdb", {b"k": b"v"})
    with pytest.raises(CorruptData, match="several LMDBs"):
        find_lmdb(tmp_path)
    with pytest.raises(MissingInput):
        Lmdb(tmp_path).entries()


def test_folder_lists_pictures_recursively_in_byte_order(tmp_path):
    """Any case of the suffixes, any depth; hidden and other files only with a reason; order is that of bytes."""
    for name in ("b.JPG", "a/z.png", "a.webp", "a-b/c.jpeg", "ä.jpg", "notes.txt", "a/.hidden.jpg", ".git/x.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    source = Folder(tmp_path)
    keys = [entry.key for entry in only_pictures(source.entries())]
    assert keys == ["a-b/c.jpeg", "a.webp", "a/z.png", "b.JPG", "ä.jpg"]
    with source.open() as read:
        assert [read(entry.place).decode() for entry in only_pictures(source.entries())] == keys
    left_out = {entry.key: entry.left_out.reason for entry in source.entries() if entry.left_out}
    assert left_out == {".git": "hidden", "a/.hidden.jpg": "hidden", "notes.txt": "not_a_picture"}


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_suffix_counts_unless_hidden(suffix: bytes) -> None:
    """No picture is passed over for its suffix; what a system hides beside one (`._x.jpg`) is none."""
    assert is_picture_name(b"a/x" + suffix) and is_picture_name(b"x" + suffix.upper())
    assert not is_picture_name(b"a/._x" + suffix)
    assert not is_picture_name(suffix)


def test_what_a_folder_tells_of_its_files(tmp_path: Path) -> None:
    """Length and time of the last change, in key order; a link to nothing has neither and stops nothing."""
    (tmp_path / "b.bmp").write_bytes(b"four")
    os.utime(tmp_path / "b.bmp", ns=(1, 7_000_000_001))
    (tmp_path / "a.jfif").symlink_to(tmp_path / "nowhere.jfif")
    assert Folder(tmp_path).files() == [File("a.jfif", 0, 0), File("b.bmp", 4, 7_000_000_001)]


def test_folder_survives_loops_and_follows_links_once(tmp_path):
    """A link to a folder above does not recurse for ever; a real folder goes before a link to it."""
    (tmp_path / "z").mkdir()
    (tmp_path / "z" / "x.jpg").write_bytes(b"x")
    (tmp_path / "a").symlink_to(tmp_path / "z")
    (tmp_path / "z" / "loop").symlink_to(tmp_path)
    (tmp_path / "gone.jpg").symlink_to(tmp_path / "nowhere.jpg")
    assert [entry.key for entry in only_pictures(Folder(tmp_path).entries())] == ["z/x.jpg"]


def test_folder_with_a_name_that_is_not_utf8(tmp_path):
    """File names are bytes on Linux; the file is read by its bytes and keyed by text."""
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.jpg")).write_bytes(b"picture")
    (entry,) = Folder(tmp_path).entries()
    assert entry.key == "caf%E9.jpg"
    with Folder(tmp_path).open() as read:
        assert read(entry.place) == b"picture"


def test_key_text_keeps_what_is_text():
    """Only bytes that are not UTF-8 are written as %XX."""
    assert key_text("n01440764/ü 100%.JPEG".encode()) == "n01440764/ü 100%.JPEG"
    assert key_text(b"\xed\xa0\x80") == "%ED%A0%80"  # a lone surrogate is no UTF-8
