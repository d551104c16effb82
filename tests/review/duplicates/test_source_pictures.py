"""Sources are shown only if they are unchanged since the set was made; also with the whole command."""

import errno
import hashlib
import io
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import requests
from PIL import Image

from pipeline.core import files
from pipeline.datasets.pictures.raw_folder import Description
from pipeline.dedup.results.result_folders import ResultFolders, find_folders
from pipeline.imageset.format.image_set import ImageSet, Picture, join_chunks, write_chunk
from pipeline.readers.folder_reader import Folder
from pipeline.review.duplicates.dedup_result import read_pictures
from pipeline.review.duplicates.source_pictures import MAX_SIDE, SourcePictures, source_png
from tests.review.duplicates.results import make_result
from tests.webapp.serving import serving


def pixels(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)))


def test_large_sources_are_scaled_down(encode: Callable[..., bytes]) -> None:
    """The aspect ratio is preserved, and small sources are not changed."""
    assert pixels(source_png(encode(1, (3000, 1500)))).shape == (MAX_SIDE // 2, MAX_SIDE, 3)
    assert pixels(source_png(encode(1, (60, 48)))).shape == (48, 60, 3)
    assert source_png(b"no picture") is None


def test_the_source_of_a_face_is_its_part_of_the_photo(encode: Callable[..., bytes]) -> None:
    """A box may extend beyond the photo; a box outside of it gives no picture."""
    data = encode(1, (60, 48), "PNG")
    whole = pixels(source_png(data))
    assert (pixels(source_png(data, [-5, 10, 20, 99])) == whole[10:, :20]).all()
    assert source_png(data, [70, 0, 90, 20]) is None


@pytest.fixture
def added_to(tmp_path: Path, encode: Callable[..., bytes]) -> tuple[Path, ResultFolders]:
    """The folder `one` with one picture, and the folders of its result, to which folder `two` was added."""
    result = make_result(tmp_path / "found", 3, 1)
    steps = result / "steps"
    pictures = []
    for number, name in enumerate(("one", "two")):
        data = encode(number, (60 + number, 48), "PNG")
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{name}.png").write_bytes(data)
        described = Description("archive", name, len(data), "0" * 64, 1, False, "archives", "folder")
        raw = steps / ("raw-added-1" if number else "raw-images")
        files.write_json(raw / "source.json", described.as_json())
        pictures.append(Picture(f"{name}.png", 60, 48, len(data), hashlib.sha256(data).hexdigest()))
    images = np.zeros((2, 32, 32, 3), np.uint8)
    write_chunk(steps / "other chunks", 0, images, pictures, [], sources=2)
    (steps / "others").mkdir()
    join_chunks(steps / "other chunks", 1, steps / "others", side=32, max_bad=0.0)
    return tmp_path / "one", find_folders(result, images=steps / "others", archives=tmp_path)


def test_sources_of_a_set_that_was_added_to(added_to: tuple[Path, ResultFolders]) -> None:
    """Each picture is read from its own source, also while another source is missing."""
    one, folders = added_to
    pictures = read_pictures(ImageSet(folders.images), np.arange(2))
    sources = SourcePictures(pictures, folders.raw, folders.archives)
    away = one.rename(one.with_name("away"))
    assert sources.png(0) is None and pixels(sources.png(1)).shape == (48, 61, 3)
    away.rename(one)
    assert pixels(sources.png(0)).shape == (48, 60, 3)
    sources.close()


def test_a_failed_source_is_tried_again(added_to: tuple[Path, ResultFolders], monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk error at the first attempt does not hide the source for good."""
    _, folders = added_to
    sources = SourcePictures(read_pictures(ImageSet(folders.images), np.arange(2)), folders.raw, folders.archives)

    def fail(source: Folder) -> None:
        raise OSError(errno.EIO, "the disk does not answer")

    with monkeypatch.context() as patch:
        patch.setattr(Folder, "entries", fail)
        assert sources.png(0) is None
    assert sources.png(0)
    sources.close()


@pytest.mark.long
def test_sources_of_a_real_result(
    tmp_path: Path,
    scenes: Callable[[int, int], np.ndarray],
    run_stage: Callable[..., "subprocess.CompletedProcess[str]"],
) -> None:
    """The app on a result of `dcgan dedup`: sources of removed pictures are shown, changed ones are not."""
    pictures, out = tmp_path / "pictures", tmp_path / "out"
    pictures.mkdir()
    for number, picture in enumerate(scenes(40, 3)):
        Image.fromarray(picture).resize((160, 120)).save(pictures / f"{number:02d}.png")
    for copy, original in (("copy one.png", "03.png"), ("copy two.png", "04.png")):
        shutil.copy(pictures / original, pictures / copy)
    done = run_stage("dedup", pictures, "--to", out, "-j", 1)
    assert done.returncode == 0, done.stderr
    with serving(out, "--archives", tmp_path) as server, requests.Session() as session:
        session.get(server.link)
        assert session.get(f"{server.origin}/api/session").json()["sources"]
        pairs = session.get(f"{server.origin}/api/pairs?sort=key&descending=0").json()["pairs"]
        assert [pair["removed"]["key"] for pair in pairs] == ["copy one.png", "copy two.png"]
        rows = [pair["removed"]["row"] for pair in pairs]
        (pictures / "copy two.png").write_bytes((pictures / "09.png").read_bytes())
        shown = session.get(f"{server.origin}/source/{rows[0]}.png")
        assert shown.headers["content-type"] == "image/png"
        assert (pixels(shown.content) == np.asarray(Image.open(pictures / "03.png"))).all()
        assert session.get(f"{server.origin}/source/{rows[1]}.png").status_code == 404
        assert session.get(f"{server.origin}/picture/{rows[1]}.png").status_code == 200
    for there in (True, False):  # the result remembers where they are
        with serving(out) as server, requests.Session() as session:
            session.get(server.link)
            assert session.get(f"{server.origin}/api/session").json()["sources"] == there
        if there:
            pictures.rename(tmp_path / "moved")
