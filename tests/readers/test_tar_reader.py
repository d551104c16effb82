"""Tars and tars of tars: offsets, odd members, and every way of being cut off."""

import io
import json
import os
import tarfile

import pytest

from pipeline.core.errors import CorruptData
from pipeline.datasets.pictures import imagenet
from pipeline.readers.base import only_pictures
from pipeline.readers.captions import caption_table
from pipeline.readers.folder_reader import Folder
from pipeline.readers.tar_reader import Tar

SYNSETS = {
    "n02000000": {"n02000000_9.JPEG": b"nine", "n02000000_10.JPEG": b"ten" * 500},
    "n01000000": {"n01000000_1.JPEG": b"", "n01000000_0.JPEG": os.urandom(512)},
}
KEYS = [
    "n01000000/n01000000_0.JPEG",
    "n01000000/n01000000_1.JPEG",
    "n02000000/n02000000_10.JPEG",
    "n02000000/n02000000_9.JPEG",
]


def members(*infos: tarfile.TarInfo | tuple[str, bytes], form: int = tarfile.GNU_FORMAT) -> bytes:
    """A tar of the given members, in their order."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as archive:
        for info in infos:
            if isinstance(info, tuple):
                header = tarfile.TarInfo(info[0])
                header.size = len(info[1])
                archive.addfile(header, io.BytesIO(info[1]))
            else:
                archive.addfile(info)
    return buffer.getvalue()


def test_tar_of_tars_in_key_order(tmp_path, write_imagenet_tar):
    """Keys, labels and bytes come out in byte order though the archive is not in it."""
    source = Tar(write_imagenet_tar(tmp_path / "train.tar", SYNSETS))
    entries = imagenet.entries(source, tmp_path)
    assert [entry.key for entry in entries] == KEYS
    assert [entry.label for entry in entries] == [key.split("/")[0] for key in KEYS]
    with source.open() as read:
        assert [read(entry.place) for entry in entries] == [SYNSETS[e.label][e.key.split("/")[1]] for e in entries]


def test_an_unpacked_tree_has_the_same_keys_and_labels(tmp_path):
    """An ImageFolder and the archive are the same data set."""
    for synset, pictures in SYNSETS.items():
        (tmp_path / synset).mkdir()
        for name, data in pictures.items():
            (tmp_path / synset / name).write_bytes(data)
    entries = imagenet.entries(Folder(tmp_path), tmp_path)
    assert [(entry.key, entry.label) for entry in entries] == [(key, key.split("/")[0]) for key in KEYS]


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT])
def test_names_of_every_tar_dialect(tmp_path, form):
    """Long names, names beyond ASCII and a leading ./ come out as they went in; hostile ones are only keys."""
    names = ["d/" * 60 + "long.JPEG", "./dot.JPEG", "../../etc/up.jpg", "/abs.png", "ü.jpg", "after.jpg"]
    (tmp_path / "x.tar").write_bytes(members(*((name, name.encode()) for name in names), form=form))
    source = Tar(tmp_path / "x.tar")
    with source.open() as read:
        found = {entry.key: read(entry.place).decode() for entry in source.entries()}
    assert found == {name.removeprefix("./"): name for name in names}
    assert [path.name for path in tmp_path.iterdir()] == ["x.tar"]


def test_what_is_no_plain_picture_is_left_out(tmp_path):
    """Links, pipes, other files and hidden ones are listed with a reason; what follows them is still found."""
    odd = []
    for number, kind in enumerate((tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE)):
        info = tarfile.TarInfo(f"odd{number}.jpg")
        info.type, info.linkname = kind, "last.jpg"
        odd.append(info)
    data = members(*odd, ("._last.jpg", b"mac"), ("readme.txt", b"text"), ("last.jpg", b"picture"))
    (tmp_path / "x.tar").write_bytes(data)
    source = Tar(tmp_path / "x.tar")
    (entry,) = only_pictures(source.entries())
    with source.open() as read:
        assert (entry.key, read(entry.place)) == ("last.jpg", b"picture")
    left_out = {entry.key: entry.left_out for entry in source.entries() if entry.left_out}
    assert {key: why.reason for key, why in left_out.items()} == {
        **{"odd0.jpg": "link", "odd1.jpg": "link", "odd3.jpg": "not_a_picture"},
        **{"._last.jpg": "hidden", "readme.txt": "not_a_picture"},
    }
    assert left_out["odd0.jpg"].detail == "a link to last.jpg"


@pytest.mark.parametrize("form", ["gnu", "posix"])
def test_sparse_members_are_left_out(tmp_path, form):
    """A sparse member's bytes are not the file's; GNU tar's two ways of writing one are both seen."""
    import subprocess

    with (tmp_path / "holes.jpg").open("wb") as file:
        for block in range(40):  # enough holes that the old form needs a second header block
            file.seek(block * 100_000)
            file.write(b"data")
    (tmp_path / "plain.jpg").write_bytes(b"plain")
    command = ["tar", f"--format={form}", "--sparse", "-cf", "x.tar", "holes.jpg", "plain.jpg"]
    subprocess.run(command, cwd=tmp_path, check=True)
    entries = Tar(tmp_path / "x.tar").entries()
    assert [entry.key for entry in only_pictures(entries)] == ["plain.jpg"]
    assert ["without --sparse" in entry.left_out.detail for entry in entries if entry.left_out] == [True]


def test_repeated_names_are_listed_both(tmp_path):
    """Who reads decides what to do with a repeated key; the order is that of the archive."""
    (tmp_path / "x.tar").write_bytes(members(("a.jpg", b"first"), ("b.jpg", b""), ("a.jpg", b"second")))
    source = Tar(tmp_path / "x.tar")
    with source.open() as read:
        assert [(e.key, read(e.place)) for e in source.entries()] == [
            ("a.jpg", b"first"),
            ("a.jpg", b"second"),
            ("b.jpg", b""),
        ]


def test_every_truncation_is_found(tmp_path, write_imagenet_tar):
    """Wherever the file ends early, be it between two members, nothing passes for the whole."""
    whole = write_imagenet_tar(tmp_path / "train.tar", SYNSETS).read_bytes()
    end = len(whole.rstrip(b"\0")) // 512 * 512
    cut = tmp_path / "cut.tar"
    for kept in [*range(512, end, 512), 700, end - 5]:
        cut.write_bytes(whole[:kept])
        with pytest.raises(CorruptData, match=rf"cut\.tar: truncated at byte {kept:,}"):
            Tar(cut).entries()


def test_damage_is_located(tmp_path, write_imagenet_tar):
    """A damaged header inside an inner tar is named with the inner tar and the byte."""
    data = bytearray(write_imagenet_tar(tmp_path / "train.tar", SYNSETS).read_bytes())
    position = data.index(b"n02000000_10.JPEG")
    data[position : position + 4] = b"####"
    (tmp_path / "train.tar").write_bytes(data)
    with pytest.raises(CorruptData, match=rf"no tar header in n02000000\.tar at byte {position:,}"):
        Tar(tmp_path / "train.tar").entries()


@pytest.mark.parametrize("data", [b"<html>sorry</html>" * 100, os.urandom(2000), b""])
def test_what_is_no_tar(tmp_path, data):
    """A web page, noise or nothing under a tar's name."""
    (tmp_path / "x.tar").write_bytes(data)
    with pytest.raises(CorruptData, match=r"x\.tar: (no tar header|truncated)"):
        Tar(tmp_path / "x.tar").entries()


@pytest.mark.parametrize("record", [b"x path=a\n", b"999 path=a\n", b"3 size=1\n"])
def test_malformed_extended_headers(tmp_path, record):
    """A length that lies in a pax header is an error with a place, not an endless loop or a traceback."""
    info = tarfile.TarInfo("pax")
    info.type, info.size = tarfile.XHDTYPE, len(record)
    (tmp_path / "x.tar").write_bytes(info.tobuf() + record.ljust(512, b"\0") + members(("a.jpg", b"a")))
    with pytest.raises(CorruptData, match="at byte 0"):
        Tar(tmp_path / "x.tar").entries()


def test_a_label_travels_with_its_picture(tmp_path):
    """WebDataset's samples: the text of NAME.cls labels each picture of that stem, in either order, also in inner tars.

    A label that is empty, binary or long is none, and a stem in another folder is another sample. A text that is
    neither a label nor a caption is listed.
    """
    inner = members(("a.cls", b"7"), ("a.jpg", b""), ("b.jpg", b""))
    names = [
        *(("000123.jpg", b""), ("000123.png", b""), ("000123.cls", b" cat\n"), ("d/000123.jpg", b"")),
        *(("000124.CLS", "Käfer".encode()), ("000124.jpg", b"")),
        *(("empty.jpg", b""), ("empty.cls", b" "), ("binary.jpg", b""), ("binary.cls", b"\xff")),
        *(("long.jpg", b""), ("long.cls", b"x" * 1025), ("kb.jpg", b""), ("kb.cls", b"x" * 1024)),
        *(("two.left.jpg", b""), ("two.right.jpg", b""), ("two.cls", b"all"), ("two.right.cls", b"right")),
        *(("shard.tar", inner), ("README.txt", b"text")),
    ]
    (tmp_path / "x.tar").write_bytes(members(*names))
    entries = Tar(tmp_path / "x.tar").entries()
    assert [entry.key for entry in entries if entry.left_out] == ["README.txt", "long.cls"]
    assert {entry.key: entry.label for entry in only_pictures(entries)} == {
        **{"000123.jpg": "cat", "000123.png": "cat", "d/000123.jpg": None, "000124.jpg": "Käfer"},
        **{"empty.jpg": None, "binary.jpg": None, "long.jpg": None, "kb.jpg": "x" * 1024},
        **{"two.left.jpg": "all", "two.right.jpg": "right", "shard/a.jpg": "7", "shard/b.jpg": None},
    }


def test_captions_in_a_table(tmp_path):
    """Text before JSON; of JSON the caption alone; none where there is nothing to read; the first of a repeated key."""
    names = [
        *(("a.jpg", b""), ("a.txt", b"\xef\xbb\xbfA cat.\n"), ("a.json", b'{"caption": "not this"}')),
        *(("b.jpg", b""), ("b.png", b""), ("b.json", json.dumps({"url": "x", "caption": "Zwei Käfer"}).encode())),
        *(("c.jpg", b""), ("c.json", b'{"caption": 3}'), ("d.jpg", b""), ("d.txt", b"{smiling}")),
        *(("e.jpg", b""), ("e.txt", b"\xff"), ("f.jpg", b""), ("f.txt", b"x" * 70_000), ("g.jpg", b"")),
        *(("h.jpg", b""), ("h.txt", b"first"), ("h.jpg", b"")),
    ]
    (tmp_path / "x.tar").write_bytes(members(*names))
    source = Tar(tmp_path / "x.tar")
    table = caption_table(source, source.entries())
    assert table is not None and dict(zip(*table.to_pydict().values(), strict=True)) == {
        **{"a.jpg": "A cat.", "b.jpg": "Zwei Käfer", "b.png": "Zwei Käfer", "d.jpg": "{smiling}", "h.jpg": "first"}
    }
    (tmp_path / "x.tar").write_bytes(members(("a.jpg", b""), ("a.txt", b" ")))
    assert caption_table(source, source.entries()) is None
