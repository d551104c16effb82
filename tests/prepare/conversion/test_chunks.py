"""Cutting into chunks, resuming, and bytes that depend on neither workers nor interruptions."""

import hashlib
import io
import resource
import tarfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.errors import CorruptData, PipelineError
from pipeline.imageset.format import image_set
from pipeline.imageset.format.image_set import ImageSet, Picture, Skipped
from pipeline.prepare.conversion.chunks import cut, make_image_set
from pipeline.readers.base import Entry
from pipeline.readers.folder_reader import Folder
from pipeline.readers.tar_reader import Tar


def bytes_digest(data):
    """A digest of the bytes instead of the decoded picture."""
    return hashlib.sha256(data).digest()[:16]


def flat(entry, data):
    """A flat picture in the shade of the first byte; `bad` has none."""
    if data == b"bad":
        return [Skipped(entry.key, "bad", "not_an_image", "said so")]
    image = np.full((4, 4, 3), data[0], np.uint8)
    return [(image, Picture(entry.key, 8, 8, len(data), hashlib.sha256(data).hexdigest(), label=entry.label))]


@pytest.fixture
def make(tmp_path):
    """A function that makes an image set of the files in `tmp_path/source`."""

    def make(to="set", workers=1, chunk_keys=5, max_bad=0.5, convert=flat, digest="d", entries=None):
        source = Folder(tmp_path / "source")
        counts = make_image_set(
            lambda _: (source, source.entries() if entries is None else entries),
            convert,
            bytes_digest,
            side=4,
            chunk_keys=chunk_keys,
            max_bad=max_bad,
            work_digest=digest,
            to=tmp_path / to,
            workers=workers,
        )
        return counts, {path.name: path.read_bytes() for path in sorted((tmp_path / to).iterdir())}

    (tmp_path / "source").mkdir()
    for number in range(23):
        (tmp_path / "source" / f"{number * 7 % 23:02}.jpg").write_bytes(b"bad" if number == 3 else bytes([number, 1]))
    return make


@given(keys=st.lists(st.sampled_from("abcdef"), max_size=40).map(sorted), chunk_keys=st.integers(1, 5))
def test_cutting_keeps_order_and_repeated_keys_together(keys, chunk_keys):
    """Every entry is in one chunk; a chunk has `chunk_keys` keys but for the last."""
    entries = [Entry(key, None, (number, 1)) for number, key in enumerate(keys)]
    chunks = cut(entries, chunk_keys)
    assert [entry for _, chunk in chunks for entry in chunk] == entries
    assert [number for number, _ in chunks] == list(range(len(chunks)))
    sizes = [len({entry.key for entry in chunk}) for _, chunk in chunks]
    assert all(size == chunk_keys for size in sizes[:-1]) and sum(sizes) == len(set(keys))


def test_the_set_is_in_key_order_and_adds_up(make, tmp_path):
    """Sources are pictures and skipped ones; rows follow the keys."""
    counts, _ = make()
    assert counts == {"sources": 23, "pictures": 22, "bad": 1, "filtered": 0}
    made = ImageSet(tmp_path / "set")
    assert made.keys == sorted(made.keys)
    shades = made.read(np.arange(22))[:, 0, 0, 0]
    assert [(tmp_path / "source" / key).read_bytes()[0] for key in made.keys] == list(shades)
    assert [row["reason"] for row in made.skipped.to_pylist()] == ["not_an_image"]


def test_workers_and_chunk_size_do_not_change_a_byte(make):
    """One process or two, chunks of 5 or of 7."""
    reference = make("one")
    assert make("two", workers=2) == reference
    assert make("seven", chunk_keys=7) == reference


def test_interrupted_work_is_not_done_again(make, tmp_path, capsys):
    """After a failure in the third chunk, two chunks are taken over and three are made."""
    done = []

    def failing(entry, data):
        if entry.key == "12.jpg":
            raise KeyboardInterrupt
        done.append(entry.key)
        return flat(entry, data)

    def counting(entry, data):
        done.append(entry.key)
        return flat(entry, data)

    reference = make("whole")
    with pytest.raises(KeyboardInterrupt):
        make(convert=failing)
    assert not (tmp_path / "set").exists()
    done.clear()
    assert make(convert=counting) == reference
    assert len(done) == 23 - 10
    assert "2 of 5 chunks were done before" in capsys.readouterr().err
    assert not list(tmp_path.glob(".*partial"))


def test_other_parameters_start_over(make, capsys):
    """Chunks of another digest are not mixed in."""

    def failing(entry, data):
        if entry.key == "12.jpg":
            raise KeyboardInterrupt
        return [(np.zeros((4, 4, 3), np.uint8), flat(entry, b"1")[0][1])]

    with pytest.raises(KeyboardInterrupt):
        make(convert=failing, digest="other")
    reference = make("whole")
    assert make() == reference
    assert "were done before" not in capsys.readouterr().err


def test_too_many_bad_pictures_stop_it_without_losing_work(make, capsys):
    """The first are named; a higher limit then takes every chunk over."""
    with pytest.raises(PipelineError, match=r"1 of 23 .*at most 1\.00% may be bad.*not_an_image"):
        make(max_bad=0.01)
    make(max_bad=0.05)
    assert "5 of 5 chunks were done before" in capsys.readouterr().err


def test_a_repeated_key_is_skipped_once(make, tmp_path):
    """The first counts, in whichever chunk it is; it is left out on purpose and so not bad."""
    entries = Folder(tmp_path / "source").entries()
    entries.insert(5, entries[4]._replace(place=b"00.jpg"))
    counts, _ = make(entries=entries, max_bad=1 / 23)
    assert counts == {"sources": 24, "pictures": 22, "bad": 1, "filtered": 1}
    skipped = [row for row in ImageSet(tmp_path / "set").skipped.to_pylist() if row["kind"] == "filtered"]
    assert [(row["key"], row["reason"]) for row in skipped] == [("04.jpg", "repeated_key")]
    row = ImageSet(tmp_path / "set").keys.index("04.jpg")
    shade = ImageSet(tmp_path / "set").read(np.array([row]))[0, 0, 0, 0]
    assert shade == (tmp_path / "source" / "04.jpg").read_bytes()[0]


def test_files_that_cannot_be_read_are_counted(make, tmp_path):
    """A link to nothing is one bad picture, with its cause."""
    (tmp_path / "source" / "gone.jpg").symlink_to(tmp_path / "nowhere.jpg")
    counts, _ = make()
    assert counts["bad"] == 2
    (row,) = [row for row in ImageSet(tmp_path / "set").skipped.to_pylist() if row["key"] == "gone.jpg"]
    assert (row["reason"], row["detail"]) == ("unreadable", "No such file or directory")


def test_what_is_no_picture_is_listed_and_not_bad(make, tmp_path):
    """Links, texts, hidden files and formats that are not read, under any name; only unreadable ones count as bad."""
    source = tmp_path / "source"
    (source / "link.jpg").symlink_to("00.jpg")
    (source / "self.jpg").symlink_to("self.jpg")
    (source / ".hidden").mkdir()
    (source / "notes.txt").write_text("text")
    (source / "new.jxl").write_bytes(b"\xff\x0a" + bytes(30))
    (source / "photoshop.jpg").write_bytes(b"8BPS" + bytes(30))
    counts, made = make()
    assert counts == {"sources": 29, "pictures": 22, "bad": 2, "filtered": 5}
    skipped = {row["key"]: (row["kind"], row["reason"]) for row in ImageSet(tmp_path / "set").skipped.to_pylist()}
    assert skipped == {
        ".hidden": ("filtered", "hidden"),
        "21.jpg": ("bad", "not_an_image"),
        "link.jpg": ("filtered", "link"),
        "new.jxl": ("filtered", "unsupported_format"),
        "notes.txt": ("filtered", "not_a_picture"),
        "photoshop.jpg": ("filtered", "unsupported_format"),
        "self.jpg": ("bad", "unreadable"),
    }
    assert make("again", workers=2, chunk_keys=3)[1] == made


def test_the_share_of_bad_pictures_is_that_of_pictures(make, tmp_path):
    """A thousand texts do not hide that half of the pictures are broken."""
    for number in range(200):
        (tmp_path / "source" / f"{number}.txt").write_text("text")
    with pytest.raises(PipelineError, match="1 of 23 sources could not be read"):
        make(max_bad=0.04)
    assert make(max_bad=0.05)[0]["filtered"] == 200


def test_formats_that_are_not_read_are_said_at_the_end(make, tmp_path, capsys):
    """Their owner can convert them."""
    (tmp_path / "source" / "a.psd").write_bytes(b"8BPS" + bytes(30))
    make()
    said = capsys.readouterr().err
    assert "warning: pictures in formats that are not read: 1, such as a.psd (Photoshop; convert it to PNG" in said


def test_a_picture_after_a_link_of_its_name(make, tmp_path, write_tar):
    """In a tar, one name may be first a link and then a file; the file is the picture."""
    with tarfile.open(tmp_path / "x.tar", "w") as archive:
        link = tarfile.TarInfo("1.jpg")
        link.type, link.linkname = tarfile.SYMTYPE, "0.jpg"
        archive.addfile(link)
        for data in (b"\1", b"\2"):
            info = tarfile.TarInfo("1.jpg")
            info.size = 1
            archive.addfile(info, io.BytesIO(data))
    source = Tar(tmp_path / "x.tar")
    counts = make_image_set(
        lambda _: (source, source.entries()),
        flat,
        bytes_digest,
        side=4,
        chunk_keys=2,
        max_bad=0.0,
        work_digest="d",
        to=tmp_path / "set",
        workers=1,
    )
    assert counts == {"sources": 3, "pictures": 1, "bad": 0, "filtered": 2}
    assert {row["reason"] for row in ImageSet(tmp_path / "set").skipped.to_pylist()} == {"link", "repeated_key"}
    assert (ImageSet(tmp_path / "set")[0] == 1).all()


def test_an_error_of_the_machine_ends_the_run(make, tmp_path):
    """Without file descriptors, no picture can be opened: they are not listed as bad, and the work is resumed later."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)

    def exhausting(entry, data):
        if entry.key == "12.jpg":
            resource.setrlimit(resource.RLIMIT_NOFILE, (0, limits[1]))
        return flat(entry, data)

    try:
        with pytest.raises(OSError, match="Too many open files"):
            make(convert=exhausting)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert make()[0]["pictures"] == 22


def test_a_chunk_without_pictures(make, tmp_path):
    """All of one chunk bad: the set is whole all the same."""
    for number in range(5):
        (tmp_path / "source" / f"{number:02}.jpg").write_bytes(b"bad")
    counts, _ = make()
    assert counts["pictures"] + counts["bad"] == 23


def test_an_empty_source(make):
    """Nothing at all is an error that says so."""
    with pytest.raises(PipelineError, match="no source pictures"):
        make(entries=[])


def test_errors_of_the_source_come_through_workers(make, tmp_path, write_lmdb):
    """An archive that breaks under way ends the run with its own message, whatever the engine."""
    (tmp_path / "short.tar").write_bytes(bytes(100))
    entries = [Entry(f"{number}.jpg", None, (number * 50, 50)) for number in range(4)]
    with pytest.raises(CorruptData, match=r"short\.tar: truncated at byte 100"):
        make_image_set(
            lambda _: (Tar(tmp_path / "short.tar"), entries),
            flat,
            bytes_digest,
            side=4,
            chunk_keys=1,
            max_bad=1.0,
            work_digest="d",
            to=tmp_path / "set",
            workers=1,
        )
    assert image_set.chunk_done(tmp_path / ".set.partial" / "scratch", 1)
