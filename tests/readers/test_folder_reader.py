"""A folder as it lies on a disk: every file is read once or listed with a reason, and nothing ends the listing."""

import os
import socket
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipeline.core.errors import MissingInput
from pipeline.core.workspace import workspace
from pipeline.readers.base import File, only_pictures
from pipeline.readers.folder_reader import Folder

Encode = Callable[..., bytes]


def keys(folder: Path) -> list[str]:
    """The keys of the pictures."""
    return [entry.key for entry in only_pictures(Folder(folder).entries())]


def reasons(folder: Path) -> dict[str, str]:
    """The reason of each entry that is left out, by key."""
    return {entry.key: entry.left_out.reason for entry in Folder(folder).entries() if entry.left_out}


def details(folder: Path) -> dict[str, str]:
    """The same with what was found."""
    return {entry.key: entry.left_out.detail for entry in Folder(folder).entries() if entry.left_out}


def write(folder: Path, *names: str) -> None:
    """Write files whose content is their name."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)


def test_a_link_to_a_picture_is_not_a_second_picture(tmp_path: Path) -> None:
    """The file itself is the picture, whichever name comes first; the link names it."""
    write(tmp_path, "photos/1.jpg", "photos/2.jpg")
    (tmp_path / "best").mkdir()
    (tmp_path / "best" / "1.jpg").symlink_to("../photos/1.jpg")
    (tmp_path / "zuletzt.jpg").symlink_to(tmp_path / "photos" / "2.jpg")
    assert keys(tmp_path) == ["photos/1.jpg", "photos/2.jpg"]
    assert reasons(tmp_path) == {"best/1.jpg": "link", "zuletzt.jpg": "link"}
    assert details(tmp_path)["best/1.jpg"] == "the same file as photos/1.jpg"


def test_a_link_to_a_link_is_the_file_too(tmp_path: Path) -> None:
    """Also under a name without a suffix, by way of a linked folder, and with another suffix."""
    write(tmp_path, "photos/1.jpg")
    (tmp_path / "a.jpg").symlink_to("b.png")
    (tmp_path / "b.png").symlink_to("photos/1.jpg")
    (tmp_path / "album").symlink_to("photos")
    (tmp_path / "c.jpg").symlink_to("album/1.jpg")
    assert keys(tmp_path) == ["photos/1.jpg"]
    assert reasons(tmp_path) == dict.fromkeys(["a.jpg", "album", "b.png", "c.jpg"], "link")


def test_a_linked_picture_from_elsewhere_is_read_once(tmp_path: Path) -> None:
    """If its file is not listed, as in git-annex's hidden folders, the first of its links is the picture."""
    write(tmp_path / "elsewhere", "1.jpg")
    write(tmp_path / "source", ".git/annex/2")
    for name, target in (("b.jpg", "../elsewhere/1.jpg"), ("a.jpg", "../elsewhere/1.jpg"), ("2.jpg", ".git/annex/2")):
        (tmp_path / "source" / name).symlink_to(target)
    assert keys(tmp_path / "source") == ["2.jpg", "a.jpg"]
    assert reasons(tmp_path / "source") == {".git": "hidden", "b.jpg": "link"}
    with Folder(tmp_path / "source").open() as read:
        assert [read(name) for name in (b"2.jpg", b"a.jpg")] == [b".git/annex/2", b"1.jpg"]


def test_two_names_of_one_file_are_one_picture(tmp_path: Path) -> None:
    """Hard links: the first name in key order counts, in whichever folder; equal files that are two stay two."""
    write(tmp_path, "b/1.jpg", "a.jpg")
    for name in ("c.jpg", "b/0.jpg", "b/2.png"):
        os.link(tmp_path / "b" / "1.jpg", tmp_path / name)
    (tmp_path / "copy.jpg").write_bytes((tmp_path / "a.jpg").read_bytes())
    assert keys(tmp_path) == ["a.jpg", "b/0.jpg", "copy.jpg"]
    assert details(tmp_path) == dict.fromkeys(["b/1.jpg", "b/2.png", "c.jpg"], "the same file as b/0.jpg")


def test_links_that_lead_nowhere_are_listed(tmp_path: Path) -> None:
    """To itself, to each other, to nothing, and through a file: each is one unreadable entry, and no error."""
    write(tmp_path, "1.jpg")
    links = {"self.jpg": "self.jpg", "b.jpg": "c.jpg", "c.jpg": "b.jpg", "gone.jpg": "nowhere.jpg", "x.jpg": "1.jpg/x"}
    for name, target in {**links, "self": "self"}.items():
        (tmp_path / name).symlink_to(target)
    assert keys(tmp_path) == ["1.jpg"]
    assert reasons(tmp_path) == dict.fromkeys([*links, "self"], "unreadable")
    assert details(tmp_path)["self.jpg"] == "Too many levels of symbolic links"
    assert details(tmp_path)["gone.jpg"] == "No such file or directory"


def test_loops_of_folders_end(tmp_path: Path) -> None:
    """To a folder above, to itself, to each other, and out of the source to a folder that holds it."""
    write(tmp_path / "source", "z/x.jpg", "y/1.jpg")
    write(tmp_path, "not-mine.jpg")
    links = {"z/loop": "..", "a": "z", "z/other": "../y", "y/other": "../z", "y/out": "../.."}
    for name, target in links.items():
        (tmp_path / "source" / name).symlink_to(target)
    assert keys(tmp_path / "source") == ["y/1.jpg", "z/x.jpg"]
    assert reasons(tmp_path / "source") == dict.fromkeys(links, "link")
    found = details(tmp_path / "source")
    assert found["a"] == "the same folder as z" and found["z/loop"] == "the same folder as the source"
    assert found["y/out"] == "the same folder as a folder that holds the source"


@pytest.fixture
def as_other_user() -> Iterator[Callable[[], None]]:
    """A function after which files of mode 0 cannot be read, also if the tests run as root."""
    before = os.geteuid()
    yield lambda: os.seteuid(65534) if before == 0 else None
    os.seteuid(before)


def test_what_may_not_be_read_is_listed(as_other_user: Callable[[], None]) -> None:
    """A subfolder, one that can be listed but not entered, and a file without a suffix; the rest is read."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder, "open/1.jpg", "closed/2.jpg", "no-entry/3.jpg", "secret")
        folder.chmod(0o755)
        modes = {"closed": 0, "no-entry": 0o444, "secret": 0}
        for path, mode in modes.items():
            (folder / path).chmod(mode)
        as_other_user()
        found, why = keys(folder), reasons(folder)
        opened = Folder(folder).open()
        with opened as read, pytest.raises(PermissionError):
            read(b"no-entry/3.jpg")
        files = Folder(folder).files()
        os.seteuid(os.getuid())
        for path in modes:
            (folder / path).chmod(0o755)
        assert found == ["no-entry/3.jpg", "open/1.jpg"]
        assert why == {"closed": "unreadable", "secret": "unreadable"}
        assert [file.key for file in files] == ["closed", "no-entry/3.jpg", "open/1.jpg", "secret"]
        assert Folder(folder).files() != files and "closed/2.jpg" in keys(folder)


def test_a_source_that_may_not_be_read_is_an_error(as_other_user: Callable[[], None]) -> None:
    """Then there is nothing to list."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0)
        as_other_user()
        with pytest.raises(MissingInput, match="Permission denied; choose a folder that can be read"):
            Folder(folder).entries()
        os.seteuid(os.getuid())


def test_a_result_inside_the_source_is_not_part_of_it(tmp_path: Path) -> None:
    """Whatever this project made: a published folder, `dcgan dedup`'s folder, both at any depth and under any name."""
    write(tmp_path, "1.jpg", "found/gallery.png", "found/steps/images/2.jpg", "sub/made/3.jpg", "steps/climbing.jpg")
    for output in (tmp_path / "found" / "steps", tmp_path / "sub" / "made"):
        for path in sorted(output.rglob("*.jpg")):
            path.unlink()
        for path in sorted(output.rglob("*"), reverse=True):
            path.rmdir()
        with workspace(output, "d") as work:
            assert work is not None
            write(work.result, "images/2.jpg")
            work.publish()
    assert keys(tmp_path) == ["1.jpg", "steps/climbing.jpg"]
    assert reasons(tmp_path) == {}
    assert [file.key for file in Folder(tmp_path).files()] == ["1.jpg", "steps/climbing.jpg"]
    assert keys(tmp_path / "sub" / "made") == ["images/2.jpg"], "given as the source, it is read"


def test_a_picture_is_told_by_its_first_bytes(tmp_path: Path, encode: Encode) -> None:
    """Without a suffix, or with a wrong one; a text called .jpg is tried, and then listed as a bad picture."""
    for name, kind in (("IMG_1", "JPEG"), ("b.dat", "PNG"), ("c.jpg_large", "WEBP"), ("d.txt", "TIFF"), ("e.", "GIF")):
        (tmp_path / name).write_bytes(encode(1, file_format=kind))
    (tmp_path / "f.bin").write_bytes(encode(1, file_format="BMP"))
    (tmp_path / "g").write_bytes(encode(1, file_format="PPM"))
    write(tmp_path, "text.jpg")
    assert keys(tmp_path) == ["IMG_1", "b.dat", "c.jpg_large", "d.txt", "e.", "f.bin", "g", "text.jpg"]
    with Folder(tmp_path).open() as read:
        assert read(b"IMG_1") == encode(1)


def test_everything_else_is_listed(tmp_path: Path, encode: Encode) -> None:
    """Texts, raw files, archives, hidden files and folders, sockets: one row each, with the reason."""
    write(tmp_path, "notes.txt", "empty", "P1 report.txt", "BMW", ".hidden.jpg", ".git/1.jpg", ".git/2.jpg", "P6")
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "raw.CR2").write_bytes(b"II*\0\x10\0\0\0CR\x02\0" + bytes(100))
    (tmp_path / "raw.nef").write_bytes(encode(1, file_format="TIFF"))
    (tmp_path / "new.jxl").write_bytes(b"\xff\x0a" + bytes(50))
    (tmp_path / "inner.zip").write_bytes(b"PK\x03\x04" + bytes(50))
    os.mkfifo(tmp_path / "pipe.jpg")
    listening = socket.socket(socket.AF_UNIX)
    here = Path.cwd()
    try:
        os.chdir(tmp_path)  # the name of a socket may have 108 bytes
        listening.bind("socket.jpg")
    finally:
        os.chdir(here)
        listening.close()
    assert keys(tmp_path) == []
    assert reasons(tmp_path) == {
        **dict.fromkeys(["BMW", "P1 report.txt", "P6", "empty", "notes.txt"], "not_a_picture"),
        **dict.fromkeys(["pipe.jpg", "socket.jpg"], "not_a_picture"),
        **dict.fromkeys([".git", ".hidden.jpg"], "hidden"),
        **dict.fromkeys(["new.jxl", "raw.CR2", "raw.nef"], "unsupported_format"),
        "inner.zip": "archive",
    }
    assert "JPEG XL" in details(tmp_path)["new.jxl"] and "camera raw" in details(tmp_path)["raw.nef"]


def test_only_files_without_a_suffix_of_pictures_are_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A million pictures are listed without opening one."""
    write(tmp_path, "1.jpg", "2.PNG", "notes", "sub/3.webp")
    opened = []
    real = os.open
    monkeypatch.setattr(os, "open", lambda path, *rest: opened.append(path) or real(path, *rest))
    Folder(tmp_path).entries()
    assert opened == [os.fsencode(tmp_path / "notes")]


def test_files_tell_every_change(tmp_path: Path, encode: Encode) -> None:
    """A changed picture, a new file of any kind, and a file that becomes a picture; not the text of a note."""
    write(tmp_path, "1.jpg", "notes.txt", "2.dat")
    os.utime(tmp_path / "1.jpg", ns=(1, 7))
    first = Folder(tmp_path).files()
    assert first == [File("1.jpg", 5, 7), File("2.dat", 0, 0), File("notes.txt", 0, 0)]
    (tmp_path / "notes.txt").write_text("more")
    assert Folder(tmp_path).files() == first
    (tmp_path / "2.dat").write_bytes(encode(1))
    second = Folder(tmp_path).files()
    assert second != first
    write(tmp_path, "more.txt")
    third = Folder(tmp_path).files()
    assert third != second
    os.utime(tmp_path / "1.jpg", ns=(1, 8))
    assert Folder(tmp_path).files() != third


def test_celebas_double_folder(tmp_path: Path) -> None:
    """The copy on Kaggle has img_align_celeba/img_align_celeba/, with lists beside it."""
    write(tmp_path, "img_align_celeba/img_align_celeba/000001.jpg", "list_attr_celeba.csv")
    assert keys(tmp_path) == ["img_align_celeba/img_align_celeba/000001.jpg"]
    assert reasons(tmp_path) == {"list_attr_celeba.csv": "not_a_picture"}
