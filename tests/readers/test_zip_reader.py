"""Pictures in a zip: the same keys as a folder's, one bad member loses itself alone, and nothing is written."""

import os
import zipfile

import pytest

from pipeline.acquire.archives.acquire import acquire
from pipeline.acquire.config import AcquireConfig
from pipeline.core.errors import CorruptData
from pipeline.imageset.format.image_set import ImageSet
from pipeline.prepare.squares import SquaresConfig, make_squares
from pipeline.readers import base
from pipeline.readers.base import UnreadableEntry, only_pictures
from pipeline.readers.folder_reader import Folder
from pipeline.readers.zip_reader import Zip


def write(path, members, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def read_all(source):
    with source.open() as read:
        return {entry.key: read(entry.place) for entry in only_pictures(source.entries())}


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA])
def test_a_zip_and_its_folder_are_alike(tmp_path, compression):
    """Keys, their order and the bytes; what is no picture, or hidden, is left out of both."""
    members = {"b/2.jpg": b"two", "a/1.PNG": b"one", "Ä.webp": b"umlaut", "notes.txt": b"no", "__MACOSX/._1.jpg": b"no"}
    archive = Zip(write(tmp_path / "x.zip", members, compression))
    for name, data in members.items():
        (tmp_path / "x" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "x" / name).write_bytes(data)
    assert [entry.key for entry in only_pictures(archive.entries())] == ["a/1.PNG", "b/2.jpg", "Ä.webp"]
    assert read_all(archive) == read_all(Folder(tmp_path / "x"))


def test_names_without_the_unicode_flag_keep_their_bytes(tmp_path):
    """Old tools write names in any encoding; a key says which bytes they are, not what code page 437 makes of them."""
    path = write(tmp_path / "x.zip", {"AAA.jpg": b"x"})
    path.write_bytes(path.read_bytes().replace(b"AAA.jpg", b"\xe4\xf6\xfc.jpg"))
    assert [entry.key for entry in Zip(path).entries()] == ["%E4%F6%FC.jpg"]


def test_a_damaged_member_loses_itself_alone(tmp_path, encode, capsys):
    """A wrong CRC is one bad picture of the set, with its cause; a name that comes twice is read once."""
    path = tmp_path / "archives" / "photos.zip"
    path.parent.mkdir()
    good = [encode(number) for number in range(4)]
    with pytest.warns(UserWarning, match="Duplicate name"), zipfile.ZipFile(path, "w") as archive:
        for number, data in enumerate(good):
            archive.writestr(f"{number}.jpg", data)
        archive.writestr("0.jpg", good[1])
    data = bytearray(path.read_bytes())
    data[data.index(good[2]) + 300] ^= 1
    path.write_bytes(data)
    with Zip(path).open() as read, pytest.raises(UnreadableEntry, match="CRC"):
        read((2, 0))
    section = AcquireConfig(
        source="archive", archive="photos.zip", checksum="any", keep_archive=True, count=1, planted_share=0.0
    )
    described = acquire(section, archives=path.parent, to=tmp_path / "raw")
    assert (described["kind"], described["place"], described["count"]) == ("zip", "archives", 5)
    squares = SquaresConfig(side=8, resize="area", chunk_keys=2, max_bad=0.5, max_pixels=10**6, keep_damaged=False)
    counts = make_squares(
        "lsun", squares, source=tmp_path / "raw", archives=path.parent, to=tmp_path / "set", workers=2
    )
    assert counts == {"sources": 5, "pictures": 3, "bad": 1, "filtered": 1}
    reasons = {row["key"]: row["reason"] for row in ImageSet(tmp_path / "set").skipped.to_pylist()}
    assert reasons == {"0.jpg": "repeated_key", "2.jpg": "unreadable"}


def test_a_bomb_is_not_unpacked(tmp_path, monkeypatch):
    """A member that says it is longer than any photograph is refused unread."""
    monkeypatch.setattr(base, "LONGEST", 1000)
    archive = Zip(write(tmp_path / "x.zip", {"1.jpg": bytes(5000)}, zipfile.ZIP_DEFLATED))
    with archive.open() as read, pytest.raises(UnreadableEntry, match="5,000 bytes, at most 1,000"):
        read((0, 0))


@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_a_cut_zip_is_an_error(tmp_path, share):
    """The directory stands at the end: without it nothing can be read, and that is said."""
    path = write(tmp_path / "x.zip", {"1.jpg": os.urandom(2000), "2.jpg": os.urandom(2000)})
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(CorruptData, match=r"x\.zip: (truncated or damaged after|not a zip) .* again"):
        Zip(path).entries()


def test_a_replaced_zip_is_opened_anew(tmp_path):
    """The opened zip that a process keeps is not that of an older file."""
    path = write(tmp_path / "x.zip", {"1.jpg": b"one"})
    assert read_all(Zip(path)) == {"1.jpg": b"one"}
    write(path, {"1.jpg": b"another"})
    assert read_all(Zip(path)) == {"1.jpg": b"another"}
