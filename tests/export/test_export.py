"""Kept pictures are exported in five formats; a reader of each format gets the same bytes back."""

import io
import json
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torchvision.datasets import LSUN

from pipeline.acquire.archives.acquire import acquire
from pipeline.acquire.config import AcquireConfig
from pipeline.core.errors import BadParameters, CorruptData
from pipeline.export.export import export
from pipeline.export.key_paths import path_of, suffix_of
from pipeline.imageset.format.image_set import ImageSet
from pipeline.prepare.squares import SquaresConfig, make_squares

KEPT = [0, 2, 3, 5]


@pytest.fixture
def made(tmp_path: Path, encode: Callable[..., bytes]) -> dict[str, Any]:
    """Arguments of `export` without the format: an image set of six files in two folders, four of them kept."""
    source = tmp_path / "archives" / "mine"
    for n in range(6):
        file = source / f"{'ab'[n % 2]}" / f"p{n}.{'jpg' if n else 'png'}"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(encode(n, file_format="JPEG" if n else "PNG"))
    section = AcquireConfig(
        source="archive", archive="mine", checksum="any", keep_archive=True, count=1, planted_share=0.0
    )
    acquire(section, archives=source.parent, to=tmp_path / "raw")
    squares = SquaresConfig(side=32, resize="area", chunk_keys=4, max_bad=0.0, max_pixels=10**6, keep_damaged=False)
    make_squares(
        "imagenet", squares, source=tmp_path / "raw", archives=source.parent, to=tmp_path / "images", workers=1
    )
    np.save(tmp_path / "kept.npy", np.array(KEPT))
    return {
        "images_folder": tmp_path / "images",
        "kept_file": tmp_path / "kept.npy",
        "raws": [tmp_path / "raw"],
        "archives": source.parent,
    }


@pytest.fixture
def originals(made: dict[str, Any]) -> dict[str, bytes]:
    """Bytes of the kept pictures, by key."""
    keys = ImageSet(made["images_folder"]).keys
    return {keys[row]: (made["archives"] / "mine" / keys[row]).read_bytes() for row in KEPT}


@pytest.mark.parametrize("link", ["copy", "hardlink", "symlink"])
def test_a_folder(made: dict[str, Any], originals: dict[str, bytes], tmp_path: Path, link: Any) -> None:
    """Files named by key, copied or linked; the source is unchanged."""
    assert export(**made, form="folder", link=link, to=tmp_path / "to")["pictures"] == 4
    folder = tmp_path / "to" / "pictures"
    assert {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*.*")} == originals
    some = next(iter(originals))
    same = (folder / some).samefile(made["archives"] / "mine" / some)
    assert same == (link != "copy") and (folder / some).is_symlink() == (link == "symlink")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # torchvision leaves its cache file open
def test_an_lmdb(
    made: dict[str, Any], originals: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """torchvision reads it as it reads LSUN."""
    monkeypatch.chdir(tmp_path)  # torchvision writes its cache file here
    export(**made, form="lmdb", to=tmp_path / "bedroom_val_lmdb")
    read = LSUN(str(tmp_path), classes=["bedroom_val"])
    expected = [np.asarray(Image.open(io.BytesIO(originals[key])).convert("RGB")) for key in sorted(originals)]
    assert len(read) == 4
    for n, picture in enumerate(expected):
        assert np.array_equal(np.asarray(read[n][0]), picture)


def test_webdataset(made: dict[str, Any], originals: dict[str, bytes], tmp_path: Path) -> None:
    """Two shards; each picture has a JSON file with its metadata."""
    export(**made, form="webdataset", shard_pictures=3, to=tmp_path / "to")
    found = {}
    for name in ("shard-000000.tar", "shard-000001.tar"):
        with tarfile.open(tmp_path / "to" / name) as tar:
            members = {member.name: tar.extractfile(member).read() for member in tar}  # type: ignore[union-attr]
        for member, data in members.items():
            if member.endswith(".json"):
                about = json.loads(data)
                stem = member.removesuffix(".json")
                (picture,) = (other for other in members if other.startswith(stem) and other != member)
                found[about["key"]] = members[picture]
                assert about["label"] == about["key"][0]
    assert found == originals


def test_parquet(made: dict[str, Any], originals: dict[str, bytes], tmp_path: Path) -> None:
    """The layout of Hugging Face's `datasets`: a struct of bytes and path."""
    export(**made, form="parquet", shard_pictures=3, to=tmp_path / "to")
    shards = sorted((tmp_path / "to").glob("*.parquet"))
    assert [shard.name for shard in shards] == ["train-00000-of-00002.parquet", "train-00001-of-00002.parquet"]
    rows = [row for shard in shards for row in pq.read_table(shard).to_pylist()]
    assert {row["image"]["path"]: row["image"]["bytes"] for row in rows} == originals


def test_stylegan(made: dict[str, Any], tmp_path: Path) -> None:
    """The layout of StyleGAN's tool: PNGs, and labels as numbers."""
    export(**made, form="stylegan", to=tmp_path / "to")
    with zipfile.ZipFile(tmp_path / "to" / "dataset.zip") as archive:
        labels = json.loads(archive.read("dataset.json"))["labels"]
        pictures = [np.asarray(Image.open(io.BytesIO(archive.read(name)))) for name, _ in labels]
    images = ImageSet(made["images_folder"])
    assert np.array_equal(np.stack(pictures), images.read(np.array(KEPT)))
    assert [number for _, number in labels] == ["ab".index(images.keys[row][0]) for row in KEPT]


def test_a_changed_source_is_an_error(made: dict[str, Any], originals: dict[str, bytes], tmp_path: Path) -> None:
    """If a kept key has other bytes now, nothing is exported."""
    path = made["archives"] / "mine" / next(iter(originals))
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(CorruptData, match="has changed since the image set was made"):
        export(**made, form="folder", to=tmp_path / "to")
    assert not (tmp_path / "to").exists()
    with pytest.raises(BadParameters, match="only --format folder has files to link"):
        export(**made, form="lmdb", link="hardlink", to=tmp_path / "to")


@given(st.lists(st.text(min_size=1, max_size=60), unique=True, max_size=12))
def test_paths_stay_in_their_folder_and_differ(keys: list[str]) -> None:
    """With any keys, no path leaves its folder, and no two paths are equal."""
    encodable = [key for key in keys if key.encode("utf-8", "ignore").decode() == key]
    taken = {key for key in encodable if key.lower().endswith((".jpg", ".png"))}
    paths = [path_of(key, ".jpg", taken) for key in encodable]
    assert len(set(paths)) == len(paths)
    for path in paths:
        parts = path.split("/")
        assert not path.startswith("/") and not {"", ".", ".."} & set(parts)
        assert max(len(part.encode()) for part in parts) <= 255 and "\x00" not in path


def test_suffixes_follow_the_content(encode: Callable[..., bytes]) -> None:
    """The suffix is chosen by the content, not by the name."""
    formats = {"JPEG": ".jpg", "PNG": ".png", "WEBP": ".webp", "GIF": ".gif", "BMP": ".bmp", "TIFF": ".tif"}
    assert {form: suffix_of(encode(file_format=form)) for form in formats} == formats
    modes = {"RGB": ".ppm", "L": ".pgm", "1": ".pbm"}
    assert {mode: suffix_of(encode(file_format="PPM", mode=mode)) for mode in modes} == modes
