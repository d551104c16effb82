"""Removed files are moved away and back; nothing is overwritten, and nothing is moved that is not what was removed."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.acquire.archives.acquire import describe_source
from pipeline.core import files
from pipeline.core.errors import BadParameters, CorruptData, MissingInput
from pipeline.datasets.pictures.raw_folder import remember_place
from pipeline.dedup.decision.removal import RemovalConfig, remove_duplicates
from pipeline.dedup.decision.verdicts import write_verdicts
from pipeline.dedup.encoder.codes import Encoder, hash_images, save_encoder
from pipeline.dedup.encoder.encoder_input import INPUTS
from pipeline.dedup.search.find_pairs import find_pairs
from pipeline.export import move_removed as module
from pipeline.export.move_removed import MOVED, move_back, move_removed
from pipeline.prepare.squares import SquaresConfig, make_squares
from tests.conftest import folder_bytes
from tests.dedup.detectors import EXACT

HOSTILE = os.fsencode("b/") + b'caf\xe9, "50%"\n.jpg'


@pytest.fixture
def source(tmp_path: Path, encode: Callable[..., bytes]) -> Path:
    """Three pictures, and the same files again: in another folder, with a hostile name, and behind a link."""
    folder = tmp_path / "source"
    for path in ("a/0.jpg", "a/1.jpg", "a/2.jpg"):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(encode(int(Path(path).stem)))
    (folder / "b").mkdir()
    (folder / "b" / "0.jpg").write_bytes(encode(0))
    Path(os.fsdecode(os.path.join(os.fsencode(folder), HOSTILE))).write_bytes(encode(1))  # noqa: PTH118
    (tmp_path / "disk").mkdir()
    (tmp_path / "disk" / "2.jpg").write_bytes(encode(2))
    (folder / "c").symlink_to(tmp_path / "disk")
    return folder


@pytest.fixture
def arguments(source: Path, tmp_path: Path) -> dict[str, Any]:
    """Arguments of `move_removed` for a result of which `b/` and `c/` are removed."""
    raw = tmp_path / "raw"
    describe_source(source, to=raw)
    remember_place(raw, source)
    squares = SquaresConfig(side=32, resize="area", chunk_keys=4, max_bad=0.0, max_pixels=10**6, keep_damaged=False)
    make_squares("lsun", squares, source=raw, archives=tmp_path, to=tmp_path / "images", workers=1)
    weight = np.random.default_rng(1).integers(-127, 128, (128, INPUTS), dtype=np.int8)
    encoder = Encoder(weight, np.zeros(128, np.int32))
    (tmp_path / "encoder").mkdir()
    save_encoder(tmp_path / "encoder" / "encoder.safetensors", encoder)
    folders = (tmp_path / "images", tmp_path / "codes", tmp_path / "encoder")
    hash_images(folders[0], folders[2], folders[1])
    find_pairs(*folders, EXACT, workers=1, to=tmp_path / "pairs")
    write_verdicts(tmp_path / "verdicts.csv", [])
    inputs = (*folders[:2], tmp_path / "pairs", tmp_path / "verdicts.csv")
    assert remove_duplicates(*inputs, RemovalConfig(keep=["first"]), tmp_path / "dedup")["removed"] == 3
    return {"images_folder": folders[0], "dedup": tmp_path / "dedup", "raws": [raw], "archives": None}


def test_there_and_back(source: Path, arguments: dict[str, Any], tmp_path: Path) -> None:
    """A dry run moves nothing; what is moved keeps its path and is listed; after moving back all is as before."""
    before, to = folder_bytes(source), tmp_path / "away"
    counts = move_removed(**arguments, to=to, dry_run=True)
    assert counts["moved"] == 2 and counts["linked"] == 1 and not to.exists() and folder_bytes(source) == before
    assert move_removed(**arguments, to=to) == counts
    moved = list(to.rglob("*.jpg"))
    assert {os.fsencode(path.relative_to(to)) for path in moved} == {b"b/0.jpg", HOSTILE}
    assert {**folder_bytes(source), **folder_bytes(to)}.keys() - {MOVED} == before.keys()
    assert len((to / MOVED).read_text().splitlines()) == 3 and str(source) in (to / MOVED).read_text()
    assert move_removed(**arguments, to=to) == {"moved": 0, "bytes": 0, "moved_before": 2, "linked": 1}
    assert move_back(to, dry_run=True) == {"moved_back": 2} and (to / "b" / "0.jpg").exists()
    assert move_back(to) == {"moved_back": 2}
    assert folder_bytes(source) == before and not to.exists()


@pytest.mark.parametrize("links", [True, False], ids=["same disk", "no hard links"])
def test_an_interruption_loses_nothing(
    source: Path, arguments: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    """Ended between any two system calls, the same call completes the move, or the other one undoes it."""
    before, to = folder_bytes(source), tmp_path / "away"
    if not links:

        def no_links(*_: object, **__: object) -> None:
            raise OSError(18, "Invalid cross-device link")

        monkeypatch.setattr(os, "link", no_links)
    unlink = os.unlink
    for undo in (False, True):
        with monkeypatch.context() as patch:

            def die(path: bytes) -> None:
                raise KeyboardInterrupt

            patch.setattr(module.os, "unlink", die)
            with pytest.raises(KeyboardInterrupt):
                move_removed(**arguments, to=to)
        assert os.unlink is unlink and set(folder_bytes(source)) == set(before)  # it has two names, or is there twice
        if undo:
            move_back(to)
        else:
            assert move_removed(**arguments, to=to)["moved"] == 2
            assert move_back(to) == {"moved_back": 2}
        assert folder_bytes(source) == before


def test_what_is_not_as_it_was_stays(source: Path, arguments: dict[str, Any], tmp_path: Path) -> None:
    """A changed file, a kept picture that is gone, and a file in the way: nothing is moved at all."""
    before = folder_bytes(source)
    (tmp_path / "away" / "b").mkdir(parents=True)
    files.write_text(tmp_path / "away" / MOVED, "from,to,sha256,kept_key\n")
    (tmp_path / "away" / "b" / "0.jpg").write_bytes(b"mine")
    with pytest.raises(BadParameters, match=r"b/0\.jpg: already exists"):
        move_removed(**arguments, to=tmp_path / "away")
    for to, message in ((tmp_path / "disk", "contains files but no moved.csv"), (source / "x", "overlaps the source")):
        with pytest.raises(BadParameters, match=message):
            move_removed(**arguments, to=to)
    assert folder_bytes(source) == before
    kept = (source / "a" / "0.jpg").rename(tmp_path / "0.jpg")
    with pytest.raises(MissingInput, match=r"'a/0\.jpg': is kept for others, but no longer in the source"):
        move_removed(**arguments, to=tmp_path / "new")
    kept.rename(source / "a" / "0.jpg")
    with (source / "b" / "0.jpg").open("ab") as file:
        file.write(b"more")
    with pytest.raises(CorruptData, match="has changed since"):
        move_removed(**arguments, to=tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_moving_back_overwrites_nothing(source: Path, arguments: dict[str, Any], tmp_path: Path) -> None:
    """A new file in the old place, or a lost one, stops it before the first move."""
    to = tmp_path / "away"
    move_removed(**arguments, to=to)
    (source / "b" / "0.jpg").write_bytes(b"new")
    with pytest.raises(BadParameters, match=r"b/0\.jpg: is there again"):
        move_back(to)
    (source / "b" / "0.jpg").unlink()
    lost = (to / "b" / "0.jpg").rename(tmp_path / "lost.jpg")
    with pytest.raises(MissingInput, match=r"b/0\.jpg: neither there nor in"):
        move_back(to)
    lost.rename(to / "b" / "0.jpg")
    assert move_back(to) == {"moved_back": 2}
    with pytest.raises(MissingInput, match="give the folder that --move-to was given"):
        move_back(tmp_path)


def test_an_archive_is_never_changed(arguments: dict[str, Any], tmp_path: Path, write_tar: Callable[..., Path]) -> None:
    """Files cannot be moved out of a tar."""
    archive = write_tar(tmp_path / "source.tar", {"a.jpg": b"x"})
    describe_source(archive, to=tmp_path / "raw")
    remember_place(tmp_path / "raw", archive)
    with pytest.raises(BadParameters, match="the source is one archive"):
        move_removed(**arguments, to=tmp_path / "away")
