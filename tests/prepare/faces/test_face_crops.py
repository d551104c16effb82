"""Faces out of photographs: which are found, what the crop is, and that every photo is accounted for."""

import csv
import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pipeline.acquire.config import AcquireConfig
from pipeline.imageset.format.image_set import ImageSet, Skipped
from pipeline.miniature.draw_set import draw_set
from pipeline.prepare.decode import decode
from pipeline.prepare.faces.detectors import Box, detector
from pipeline.prepare.faces.face_crops import FacesConfig, crop, make_faces, to_faces
from pipeline.prepare.resize import resize
from pipeline.readers.base import Entry

VALUES = {
    **{"side": 128, "detector": "haar", "model": "frontalface_default", "model_sha256": ""},
    **{"scale": 1.1, "neighbours": 5, "score": 0.6, "network_side": 512, "smallest": 64, "margin": 0.5},
    **{"chunk_keys": 16, "max_bad": 0.1, "max_pixels": 10**7, "keep_damaged": False},
}
SECTION = FacesConfig(**VALUES)
HERE = Path()
COUNT = 150


@pytest.fixture(scope="module")
def archives(tmp_path_factory):
    """A folder with an archive of drawn photographs, and the truth about their faces."""
    folder = tmp_path_factory.mktemp("faces")
    section = AcquireConfig(
        source="miniature", archive="photos.zip", checksum="any", keep_archive=True, count=COUNT, planted_share=0.1
    )
    draw_set(section, to=folder / "drawn", seed=5, workers=2)
    return folder


def make(archives, to, workers=1, **changes):
    section = FacesConfig(**VALUES | changes)
    return make_faces(section, source=archives / "drawn" / "photos.zip", to=to, workers=workers)


def overlap(a, b):
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    both = max(width, 0) * max(height, 0)
    return both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both)


def test_the_truth_is_found(archives, tmp_path):
    """Of the faces drawn large enough, at least 97 in 100 are found where they are, under their own keys."""
    make(archives, tmp_path / "set")
    made = ImageSet(tmp_path / "set")
    with (archives / "drawn" / "faces.csv").open(newline="") as file:
        truth = {r["key"]: tuple(int(r[n]) for n in ("x0", "y0", "x1", "y1")) for r in csv.DictReader(file)}
    large = {key: box for key, box in truth.items() if box[2] - box[0] >= 64}
    found = {row["key"]: row["box"] for row in made.index.to_pylist()}
    right = [key for key in large if key in found and overlap(large[key], found[key]) >= 0.4]
    assert len(right) >= 0.97 * len(large) > 100
    assert len(found.keys() - large.keys()) <= 0.03 * len(found)


def test_every_photo_is_accounted_for(archives, tmp_path):
    """Photos with faces, without, and broken ones add up; a face too small is listed with its width."""
    counts = make(archives, tmp_path / "set")
    made = ImageSet(tmp_path / "set")
    photos = {key.rpartition("#")[0] for key in made.keys}
    assert counts["sources"] == COUNT == len(photos) + counts["bad"] + counts["filtered"]
    assert counts["bad"] == 1 and counts["filtered"] > 0
    listed = made.skipped.to_pylist()
    reasons = {row["reason"] for row in listed}
    assert {"too_small", "no_face", "truncated"} <= reasons
    for row in listed:
        if row["reason"] == "too_small":
            assert "#" in row["key"] and row["detail"].endswith("pixels wide, smallest is 64")
    assert made.keys == sorted(made.keys)
    index = made.index.to_pylist()
    assert all(row["box"][2] - row["box"][0] == row["box"][3] - row["box"][1] >= 64 for row in index)
    assert all(row["box"][2] <= row["source_width"] and row["box"][3] <= row["source_height"] for row in index)
    several = [key for key in made.keys if key.endswith("#001")]
    assert several, "some photos have several faces"
    by_key = {row["key"]: row for row in index}
    for key in several:
        first = by_key.get(key.replace("#001", "#000"))
        assert first is None or (first["box"][0] <= by_key[key]["box"][0] and first["sha256"] == by_key[key]["sha256"])


def test_workers_and_chunks_do_not_change_a_byte(archives, tmp_path):
    """OpenCV's own threads are off, and a chunk's faces depend on nothing else."""
    made = []
    for name, changes in (("one", {}), ("two", {"workers": 2}), ("chunks", {"chunk_keys": 7})):
        make(archives, tmp_path / name, **changes)
        made.append({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()})
    assert made[0] == made[1] == made[2]


def test_a_turned_photo_is_turned_back(archives):
    """EXIF orientation is applied before a face is looked for, and boxes are in the picture as a person sees it."""
    with (archives / "drawn" / "faces.csv").open(newline="") as file:
        key = next(row["key"] for row in csv.DictReader(file) if int(row["x1"]) - int(row["x0"]) >= 90)
    from pipeline.readers.zip_reader import Zip

    source = Zip(archives / "drawn" / "photos.zip")
    with source.open() as read:
        data = next(read(e.place) for e in source.entries() if e.key == key.rpartition("#")[0])
    upright = Image.fromarray(decode(data, max_pixels=10**7).image)
    (straight,) = detector(SECTION, HERE)(np.asarray(upright))
    buffer, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = 6  # to be turned by 90° clockwise
    upright.transpose(Image.Transpose.ROTATE_90).save(buffer, "PNG", exif=exif)
    ((_, picture),) = to_faces(SECTION, HERE, Entry("k", None, b""), buffer.getvalue())
    assert picture.box == straight and picture.key == "k#000"
    assert (picture.source_width, picture.source_height) == upright.size


def test_a_photo_without_a_face_says_so(encode):
    """Left out, with the reason; and what is no picture is bad."""
    made = to_faces(SECTION, HERE, Entry("k", None, b""), encode(1, (200, 150)))
    assert made == [Skipped("k", "filtered", "no_face", "none found in 200×150 pixels")]
    made = to_faces(SECTION, HERE, Entry("k", None, b""), b"text")
    assert made == [Skipped("k", "bad", "not_an_image", "4 bytes that begin with b'text'")]


@given(x=st.integers(0, 60), y=st.integers(0, 60), half=st.integers(12, 40))
def test_the_centre_of_the_crop_is_the_box(x, y, half):
    """With a margin of half a side, the centre 64 of 128 is the detector's box, to the bit."""
    image = np.random.default_rng(x * 61 + y).integers(0, 256, (140, 140, 3), dtype=np.uint8)
    box = Box(x, y, x + 2 * half, y + 2 * half)
    cut = crop(image, box, margin=0.5, side=128)
    assert cut.shape == (128, 128, 3) and cut.dtype == np.uint8
    inner = resize(image[box.y0 : box.y1, box.x0 : box.x1], side=64, method="area")
    np.testing.assert_array_equal(cut[32:96, 32:96], inner)


def test_beyond_the_picture_its_edge_goes_on():
    """A face at the border keeps its place in the crop; nothing black is learnt from."""
    image = np.full((100, 100, 3), 200, np.uint8)
    image[:, :50] = 10
    cut = crop(image, Box(0, 0, 100, 100), margin=0.5, side=64)
    assert (cut[:, :32] == 10).all() and (cut[:, 32:] == 200).all()
