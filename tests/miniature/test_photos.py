"""The drawn photographs' zip: same bytes every time, its oddities, and true lists of faces and of what was planted."""

import csv
import io
import re
import zipfile
from collections import Counter, defaultdict
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps

from pipeline.core.errors import BadParameters
from pipeline.miniature.photos import draw_faces, list_photos
from pipeline.miniature.planting import TRANSFORMS

COUNT, SHARE, SEED = 96, 0.125, 3
PLANTED = 12
FIELDS = ["key", "x0", "y0", "x1", "y1", "glasses", "smile", "pose", "hair"]
Boxes = dict[str, list[tuple[int, int, int, int]]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("faces")
    draw_faces(folder, count=COUNT, planted_share=SHARE, seed=SEED, workers=1)
    return folder


@pytest.fixture(scope="module")
def photos(folder: Path) -> dict[str, bytes]:
    """File bytes by name, in the order of the zip."""
    with zipfile.ZipFile(folder / "photos.zip") as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture(scope="module")
def boxes(folder: Path) -> Boxes:
    """True boxes by photo, from left to right."""
    found: Boxes = defaultdict(list)
    for row in rows(folder / "faces.csv"):
        x0, y0, x1, y1 = (int(row[name]) for name in FIELDS[1:5])
        found[row["key"].partition("#")[0]].append((x0, y0, x1, y1))
    return found


@pytest.fixture(scope="module")
def kinds() -> dict[str, str]:
    """What each file is, originals only."""
    return {photo.name: photo.kind for photo in list_photos(SEED, COUNT, SHARE) if not photo.transform}


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def seen(data: bytes, *, turned: bool = True) -> Image.Image:
    """The picture as a person sees it; as it is stored when not `turned`."""
    with Image.open(io.BytesIO(data)) as image:
        return (ImageOps.exif_transpose(image) if turned else image).convert("RGB")


def found(picture: Image.Image) -> list[tuple[int, int, int, int]]:
    cv2.setNumThreads(1)
    cascade = cv2.CascadeClassifier(str(Path(cv2.__file__).parent / "data" / "haarcascade_frontalface_default.xml"))
    grey = cv2.cvtColor(np.asarray(picture), cv2.COLOR_RGB2GRAY)
    boxes = cascade.detectMultiScale(grey, 1.1, 5, minSize=(64, 64))
    return sorted((int(x), int(y), int(x + width), int(y + height)) for x, y, width, height in boxes)


def overlap(a: tuple[int, int, int, int], b: tuple[int, int, int, int]) -> float:
    """Intersection over union."""
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    both = max(width, 0) * max(height, 0)
    return both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both)


def named(kinds: dict[str, str], kind: str) -> list[str]:
    return [name for name, own in kinds.items() if own == kind]


@pytest.mark.parametrize("workers", [1, 2])
def test_same_bytes_on_every_run_and_for_any_number_of_workers(workers: int, tmp_path: Path) -> None:
    first, again = tmp_path / "first", tmp_path / "again"
    for folder, number in ((first, 1), (again, workers)):
        folder.mkdir()
        draw_faces(folder, count=24, planted_share=0.25, seed=4, workers=number)
    assert {path.name: path.read_bytes() for path in first.iterdir()} == {
        path.name: path.read_bytes() for path in again.iterdir()
    }


def test_another_seed_draws_other_pictures(photos: dict[str, bytes], tmp_path: Path) -> None:
    draw_faces(tmp_path, count=12, planted_share=0.0, seed=5, workers=1)
    with zipfile.ZipFile(tmp_path / "photos.zip") as archive:
        assert not set(photos.values()) & {archive.read(name) for name in archive.namelist()}


def test_layout(folder: Path, photos: dict[str, bytes]) -> None:
    assert sorted(path.name for path in folder.iterdir()) == ["faces.csv", "photos.zip", "planted.csv"]
    assert list(photos) == [f"photos/{index:06d}.jpg" for index in range(COUNT)]
    with zipfile.ZipFile(folder / "photos.zip") as archive:
        members = archive.infolist()
    assert {(member.date_time, member.compress_type, member.external_attr >> 16) for member in members} == {
        ((2012, 1, 1, 0, 0, 0), zipfile.ZIP_STORED, 0o644)
    }


def test_the_oddities_are_there(photos: dict[str, bytes], kinds: dict[str, str]) -> None:
    odd = {"close": 2, "group": 13, "turned": 2, "png": 2, "small": 1, "empty": 1, "broken": 1}
    assert Counter(kinds.values()) == odd | {"plain": COUNT - PLANTED - 22}
    for name, data in photos.items():
        kind = kinds.get(name, "copy")
        if kind == "broken":
            assert len(data) == 200
            with pytest.raises(OSError):
                seen(data)
            continue
        with Image.open(io.BytesIO(data)) as image:
            assert (image.format, image.mode) == (("PNG", "RGBA") if kind == "png" else ("JPEG", "RGB"))
            assert (image.getexif().get(0x0112, 1) != 1) == (kind == "turned")
            assert kind == "copy" or 230 <= min(image.size) <= max(image.size) <= 430
            if kind == "png":
                assert image.getchannel("A").getextrema() == (0, 255)


def test_the_truth_has_every_face(folder: Path, photos: dict[str, bytes], kinds: dict[str, str], boxes: Boxes) -> None:
    table = rows(folder / "faces.csv")
    assert list(table[0]) == FIELDS
    assert [row["key"] for row in table] == sorted(row["key"] for row in table)
    assert len({row["key"] for row in table}) == len(table)
    for row in table:
        assert re.fullmatch(r"photos/\d{6}\.jpg#\d{3}", row["key"])
        assert row["glasses"] in "01" and row["smile"] in "01"
        assert row["pose"] in ("left", "front", "right")
        assert row["hair"] in ("dark", "brown", "blond", "red", "grey", "none")
    for name, data in photos.items():
        kind = kinds.get(name, "copy")
        own = boxes.get(name, [])
        assert len(own) in {"empty": (0,), "broken": (0,), "group": (2, 3)}.get(kind, (1,))
        assert own == sorted(own), "numbered from left to right"
        if own:
            width, height = seen(data).size
            assert all(0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height for x0, y0, x1, y1 in own)
            sides = [box[2] - box[0] for box in own]
            assert max(sides) < 50 if kind == "small" else min(sides) > 68


def test_a_cascade_finds_what_the_truth_says(photos: dict[str, bytes], kinds: dict[str, str], boxes: Boxes) -> None:
    plain = named(kinds, "plain") + named(kinds, "close") + named(kinds, "png")
    right = 0
    for name in plain:
        at = found(seen(photos[name]))
        right += len(at) == 1 and overlap(at[0], boxes[name][0]) >= 0.4
    assert right >= len(plain) - 2
    groups = [(box, found(seen(photos[name]))) for name in named(kinds, "group") for box in boxes[name]]
    assert sum(any(overlap(box, other) >= 0.4 for other in at) for box, at in groups) >= 0.95 * len(groups)
    for name in named(kinds, "small") + named(kinds, "empty"):
        assert not found(seen(photos[name]))


def test_turned_photos_need_their_orientation(photos: dict[str, bytes], kinds: dict[str, str], boxes: Boxes) -> None:
    for name in named(kinds, "turned"):
        (at,) = found(seen(photos[name]))
        assert overlap(at, boxes[name][0]) >= 0.4
        assert not found(seen(photos[name], turned=False))


def test_what_was_planted_is_as_listed(
    folder: Path, photos: dict[str, bytes], kinds: dict[str, str], boxes: Boxes
) -> None:
    planted = rows(folder / "planted.csv")
    assert len(planted) == PLANTED
    assert Counter(row["transform"] for row in planted) == dict.fromkeys(TRANSFORMS, 2)
    keys, originals = {row["key"] for row in planted}, {row["original"] for row in planted}
    assert len(keys) == len(originals) == PLANTED
    assert not keys & originals
    traits = {row["key"]: [row[name] for name in FIELDS[5:]] for row in rows(folder / "faces.csv")}
    for row in planted:
        assert row["key"].endswith(".jpg#000") and row["original"].endswith(".jpg#000")
        copy, original = (row[name].partition("#")[0] for name in ("key", "original"))
        assert kinds[original] == ("close" if row["transform"] == "resized" else "plain")
        assert (photos[copy] == photos[original]) == (row["transform"] == "copied")
        assert traits[row["key"]] == traits[row["original"]]
        faces = [
            np.asarray(seen(photos[name]).crop(boxes[name][0]).convert("L").resize((32, 32)), np.float64)
            for name in (copy, original)
        ]
        assert np.corrcoef(faces[0].ravel(), faces[1].ravel())[0, 1] > 0.95, row


@pytest.mark.parametrize(("count", "share"), [(6, 0.0), (20, 0.9)])
def test_too_few_pictures_for_what_is_asked(count: int, share: float, tmp_path: Path) -> None:
    with pytest.raises(BadParameters, match="count"):
        draw_faces(tmp_path, count=count, planted_share=share, seed=3, workers=1)
    assert not list(tmp_path.iterdir())
