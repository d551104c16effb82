"""The drawn archives: same bytes every time, upstream's layout, and true lists of what was planted."""

import csv
import io
import re
import tarfile
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import lmdb
import numpy as np
import pytest
from PIL import Image, UnidentifiedImageError

from pipeline.core.errors import BadParameters
from pipeline.miniature.members import SYNSETS
from pipeline.miniature.picture_archives import draw_imagenet, draw_lsun
from pipeline.miniature.planting import TRANSFORMS, Copy
from pipeline.seeding import numpy_rng

COUNT, SHARE = 48, 0.25
PLANTED = 12


@pytest.fixture(scope="module")
def lsun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lsun")
    draw_lsun(folder, count=COUNT, planted_share=SHARE, seed=3, workers=1)
    return folder


@pytest.fixture(scope="module")
def imagenet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("imagenet")
    draw_imagenet(folder, count=COUNT, planted_share=SHARE, seed=3, workers=1)
    return folder


@pytest.fixture(scope="module")
def rooms(lsun: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """WebP bytes by key, read the way a user would."""
    unpacked = tmp_path_factory.mktemp("unpacked")
    with zipfile.ZipFile(lsun / "bedroom_train_lmdb.zip") as archive:
        archive.extractall(unpacked)
    with (
        lmdb.open(str(unpacked / "bedroom_train_lmdb"), readonly=True, lock=False) as environment,
        environment.begin() as transaction,
    ):
        return {bytes(key).decode(): bytes(value) for key, value in transaction.cursor()}


@pytest.fixture(scope="module")
def textures(imagenet: Path) -> dict[str, bytes]:
    """File bytes by `synset/name`, in the order of the archive."""
    found = {}
    with tarfile.open(imagenet / "ILSVRC2012_img_train.tar") as outer:
        for synset in outer:
            inner_file = outer.extractfile(synset)
            assert inner_file is not None
            with tarfile.open(fileobj=inner_file) as inner:
                for member in inner:
                    file = inner.extractfile(member)
                    assert file is not None
                    found[f"{synset.name.removesuffix('.tar')}/{member.name}"] = file.read()
    return found


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def decoded(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGB"))


def small_greys(pictures: list[np.ndarray]) -> np.ndarray:
    """Pictures as 32x32 greys of zero mean and unit length, float64 (n, 1024): products are correlations."""
    greys = [Image.fromarray(picture).convert("L").resize((32, 32), Image.Resampling.BOX) for picture in pictures]
    flat = np.stack([np.asarray(grey, dtype=np.float64).ravel() for grey in greys])
    flat -= flat.mean(axis=1, keepdims=True)
    return flat / np.linalg.norm(flat, axis=1, keepdims=True)


@pytest.mark.parametrize("draw", [draw_lsun, draw_imagenet])
@pytest.mark.parametrize("workers", [1, 2])
def test_same_bytes_on_every_run_and_for_any_number_of_workers(
    draw: Callable[..., None], workers: int, lsun: Path, imagenet: Path, tmp_path: Path
) -> None:
    first = lsun if draw is draw_lsun else imagenet
    draw(tmp_path, count=COUNT, planted_share=SHARE, seed=3, workers=workers)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        path.name: path.read_bytes() for path in first.iterdir()
    }


def test_another_seed_draws_other_pictures(rooms: dict[str, bytes], tmp_path: Path) -> None:
    draw_lsun(tmp_path, count=4, planted_share=0.0, seed=4, workers=1)
    with zipfile.ZipFile(tmp_path / "bedroom_train_lmdb.zip") as archive:
        data = archive.read("bedroom_train_lmdb/data.mdb")
    assert not any(value in data for value in rooms.values())


def test_lsun_layout(lsun: Path, rooms: dict[str, bytes]) -> None:
    assert sorted(path.name for path in lsun.iterdir()) == ["bedroom_train_lmdb.zip", "planted.csv", "windows.csv"]
    with zipfile.ZipFile(lsun / "bedroom_train_lmdb.zip") as archive:
        assert archive.namelist() == ["bedroom_train_lmdb/data.mdb", "bedroom_train_lmdb/lock.mdb"]
    assert len(rooms) == COUNT
    originals = set(rooms) - {row["key"] for row in rows(lsun / "planted.csv")}
    for key, value in rooms.items():
        assert re.fullmatch("[0-9a-f]{40}", key)
        with Image.open(io.BytesIO(value)) as image:
            assert image.format == "WEBP"
            assert key not in originals or (min(image.size) == 256 and max(image.size) <= 384)


def test_imagenet_layout(imagenet: Path, textures: dict[str, bytes]) -> None:
    assert sorted(path.name for path in imagenet.iterdir()) == ["ILSVRC2012_img_train.tar", "planted.csv"]
    with tarfile.open(imagenet / "ILSVRC2012_img_train.tar") as outer:
        members = outer.getmembers()
    assert [member.name for member in members] == [f"{synset}.tar" for synset in SYNSETS]
    assert {(member.mtime, member.uid, member.uname, member.mode) for member in members} == {
        (1_325_376_000, 0, "", 0o644)
    }
    assert len(textures) == COUNT
    assert all(re.fullmatch(r"(n\d{8})/\1_\d+\.JPEG", key) for key in textures)
    assert list(textures) != sorted(textures), "the real archive is not in the order of its keys either"


def test_the_oddities_of_imagenet_are_there(textures: dict[str, bytes]) -> None:
    kinds: Counter[str] = Counter()
    for data in textures.values():
        try:
            with Image.open(io.BytesIO(data)) as image:
                image.load()
                kinds[f"{image.format} {image.mode}"] += 1
        except (UnidentifiedImageError, OSError):
            kinds["unreadable JPEG" if data.startswith(b"\xff\xd8") else "text"] += 1
    assert kinds.pop("JPEG RGB") == COUNT - 7
    assert kinds == {"JPEG L": 2, "JPEG CMYK": 2, "PNG RGB": 1, "unreadable JPEG": 1, "text": 1}


def test_cmyk_is_inverted_as_adobe_does(textures: dict[str, bytes]) -> None:
    """The stored CMYK picture carries Adobe's marker, and shows the same as the class's drawing."""
    found = [data for data in textures.values() if data.startswith(b"\xff\xd8") and b"Adobe" in data[:64]]
    assert len(found) == 2
    for data in found:
        with Image.open(io.BytesIO(data)) as image:
            assert image.info["adobe_transform"] == 0
            assert np.asarray(image)[..., 3].max() < 128, "black ink is half of the common grey at most"


@pytest.mark.parametrize("name", ["lsun", "imagenet"])
def test_what_was_planted_is_as_listed(
    name: str, lsun: Path, imagenet: Path, rooms: dict[str, bytes], textures: dict[str, bytes]
) -> None:
    folder, files = (lsun, rooms) if name == "lsun" else (imagenet, textures)
    planted = rows(folder / "planted.csv")
    assert len(planted) == PLANTED
    assert Counter(row["transform"] for row in planted) == dict.fromkeys(TRANSFORMS, 2)
    keys, originals = {row["key"] for row in planted}, {row["original"] for row in planted}
    assert len(keys) == len(originals) == PLANTED
    assert not keys & originals
    for row in planted:
        original, copy = files[row["original"]], files[row["key"]]
        assert (original == copy) == (row["transform"] == "copied")
        first, second = small_greys([decoded(original), decoded(copy)])
        assert first @ second > 0.9, row
        if name == "imagenet":
            assert row["key"][:9] == row["original"][:9], "a copy has the class of its original"


@pytest.mark.parametrize("name", ["lsun", "imagenet"])
def test_unrelated_pictures_differ(
    name: str, lsun: Path, imagenet: Path, rooms: dict[str, bytes], textures: dict[str, bytes]
) -> None:
    """No two drawings are so alike that one could pass for the other's copy."""
    folder, files = (lsun, rooms) if name == "lsun" else (imagenet, textures)
    planted = {row["key"] for row in rows(folder / "planted.csv")}
    pictures = []
    for key, data in files.items():
        if key not in planted:
            try:
                pictures.append(decoded(data))
            except (UnidentifiedImageError, OSError):
                continue
    flat = small_greys(pictures)
    pairs = (flat @ flat.T)[np.triu_indices(len(flat), 1)]
    assert pairs.max() < 0.97
    assert np.quantile(pairs, 0.98) < 0.85


def test_windows_lie_inside_their_pictures(lsun: Path, rooms: dict[str, bytes]) -> None:
    windows = rows(lsun / "windows.csv")
    assert len({row["key"] for row in windows}) > COUNT // 3
    for row in windows:
        with Image.open(io.BytesIO(rooms[row["key"]])) as image:
            width, height = image.size
        assert 0 <= int(row["x0"]) < int(row["x1"]) <= width
        assert 0 <= int(row["y0"]) < int(row["y1"]) <= height


def test_windows_move_with_the_picture() -> None:
    image = np.zeros((100, 200, 3), np.uint8)
    assert Copy(image[:50, :100], scale=(0.5, 0.5)).moved((20, 10, 60, 90)) == (10, 5, 30, 45)
    assert Copy(image[3:, 5:], left=5, top=3).moved((20, 10, 60, 90)) == (15, 7, 55, 87)
    assert Copy(image[3:, 5:], left=5, top=3).moved((0, 0, 5, 50)) is None, "cut away whole"


@pytest.mark.parametrize("transform", sorted(TRANSFORMS))
def test_transforms_change_little(transform: str) -> None:
    image = np.asarray(Image.linear_gradient("L").resize((120, 90)).convert("RGB"))
    before = image.copy()
    copy = TRANSFORMS[transform](image, numpy_rng(0, transform))
    assert np.array_equal(image, before), "the original stays as it was"
    assert copy.image.dtype == np.uint8
    assert copy.image.flags.c_contiguous
    again = TRANSFORMS[transform](image, numpy_rng(0, transform))
    assert np.array_equal(copy.image, again.image)
    assert np.array_equal(copy.image, image) == (transform in ("copied", "reencoded"))
    assert (copy.quality is not None) == (transform == "reencoded")
    assert copy.untouched == (transform == "copied")


@pytest.mark.parametrize(("count", "share"), [(6, 0.0), (20, 0.9)])
def test_too_few_pictures_for_what_is_asked(count: int, share: float, tmp_path: Path) -> None:
    with pytest.raises(BadParameters, match="count"):
        draw_imagenet(tmp_path, count=count, planted_share=share, seed=3, workers=1)
    assert not list(tmp_path.iterdir())
