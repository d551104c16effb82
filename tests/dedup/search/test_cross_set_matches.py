"""All pictures of a set that are also in another set are found, including pictures with equal pixels."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from pipeline.core.errors import CorruptData, MissingInput
from pipeline.dedup.encoder.autoencoder import quantise
from pipeline.dedup.encoder.codes import BITS, save_encoder
from pipeline.dedup.encoder.encoder_input import INPUTS
from pipeline.dedup.pairs.matches_table import load_matches
from pipeline.dedup.recall import recall_eval
from pipeline.dedup.search.cross_set_matches import find_matches
from pipeline.imageset.format.image_set import Images, ImageSet
from tests.dedup.detectors import NEAR


@pytest.fixture
def encoder(tmp_path: Path) -> Path:
    """The folder of an encoder with smooth random weights."""
    coarse = np.random.default_rng(5).normal(size=(BITS, 3, 8, 8)) * np.array([1, 0.3, 0.3])[:, None, None]
    weight = coarse.repeat(4, axis=2).repeat(4, axis=3).reshape(BITS, INPUTS).astype(np.float32)
    (tmp_path / "encoder").mkdir()
    save_encoder(
        tmp_path / "encoder" / "encoder.safetensors", quantise(weight, np.zeros(BITS, np.float32), "normalised")
    )
    return tmp_path / "encoder"


def test_every_picture_of_both_sets_is_found(
    tmp_path: Path, encoder: Path, make_set: Callable[..., Path], scenes: Callable[[int, int], Images]
) -> None:
    """All files with equal pixels match, in both sets, although one of them is compared."""
    pictures = scenes(12, 1)
    copy = recall_eval.planted_copies(pictures[:1], "jpeg50", 1)
    images = make_set(pictures[[0, 1, 2, 0, 3]], "images")
    other = make_set(np.concatenate([pictures[6:], copy, copy, pictures[1:2]]), "other", [f"o{n}" for n in range(9)])
    summary = find_matches(images, other, encoder, NEAR, workers=1, to=tmp_path / "matches")
    rows = pq.read_table(tmp_path / "matches" / "matches.parquet").to_pylist()
    found = [(row["left"], row["right"], row["reason"]) for row in rows]
    assert found == [
        *((0, right, "near_code") for right in (6, 7)),
        (1, 8, "same_pixels"),
        *((3, right, "near_code") for right in (6, 7)),
    ]
    assert (summary["matched"], summary["other_matched"], summary["decoys"]) == (3, 3, 0)
    best = load_matches(tmp_path / "matches", ImageSet(images))
    assert best.rows.tolist() == [0, 1, 3] and best.keys == ["k006", "k008", "k006"]


def test_mirrored_copies_match_only_if_they_are_removed(
    tmp_path: Path, encoder: Path, make_set: Callable[..., Path], scenes: Callable[[int, int], Images]
) -> None:
    """They have a reason of their own, and come after unchanged copies."""
    pictures = scenes(8, 1)
    images = make_set(pictures[:4], "images")
    copies = recall_eval.planted_copies(pictures[1:3], "jpeg50", 1)
    other = make_set(np.concatenate([pictures[[1]][:, :, ::-1], copies]), "other", ["x", "y", "z"])
    for mirrored, expected in (
        ("list", [(1, 1, "near_code"), (2, 2, "near_code")]),
        ("remove", [(1, 0, "mirrored"), (1, 1, "near_code"), (2, 2, "near_code")]),
    ):
        parameters = NEAR.model_copy(update={"mirrored": mirrored})
        summary = find_matches(images, other, encoder, parameters, workers=1, to=tmp_path / mirrored)
        rows = pq.read_table(tmp_path / mirrored / "matches.parquet").to_pylist()
        assert [(row["left"], row["right"], row["reason"]) for row in rows] == expected
        assert summary["decoys"] == 1 and load_matches(tmp_path / mirrored, ImageSet(images)).keys == ["k001", "k002"]


def test_exactly_equal_codes_in_mode_exact(
    tmp_path: Path, encoder: Path, make_set: Callable[..., Path], scenes: Callable[[int, int], Images]
) -> None:
    """Mode exact across two sets: a change of one pixel by one level gives another picture with the same code."""
    pictures = scenes(6, 2)
    other = pictures[:2].copy()
    other[0, 0, 0, 0] ^= 1
    folders = make_set(pictures, "images"), make_set(other, "other", ["x", "y"])
    exact = NEAR.model_copy(update={"mode": "exact"})
    find_matches(*folders, encoder, exact, workers=1, to=tmp_path / "matches")
    rows = pq.read_table(tmp_path / "matches" / "matches.parquet").to_pylist()
    assert [(row["left"], row["reason"]) for row in rows] == [(0, "same_code"), (1, "same_pixels")]


@pytest.mark.parametrize("mode", ["near", "exact"])
def test_equal_squares_are_found_across_schema_versions(
    tmp_path: Path,
    encoder: Path,
    make_set: Callable[..., Path],
    scenes: Callable[[int, int], Images],
    as_version_1: Callable[[Path], None],
    mode: Any,
) -> None:
    """A set of schema version 1 has the same matches; without digests of the sources, they are not `same_pixels`."""
    pictures = scenes(6, 2)
    folders = make_set(pictures, "images"), make_set(pictures[:2], "other", ["x", "y"])
    as_version_1(folders[1])
    parameters = NEAR.model_copy(update={"mode": mode})
    find_matches(*folders, encoder, parameters, workers=1, to=tmp_path / "matches")
    rows = pq.read_table(tmp_path / "matches" / "matches.parquet").to_pylist()
    reason = {"near": "near_code", "exact": "same_code"}[mode]
    assert [(row["left"], row["right"], row["reason"]) for row in rows] == [(n, n, reason) for n in (0, 1)]


def test_matches_of_another_set_are_refused(
    tmp_path: Path, encoder: Path, make_set: Callable[..., Path], scenes: Callable[[int, int], Images]
) -> None:
    """Matches of another set are refused, and a folder without matches is named."""
    images, other = make_set(scenes(4, 3), "images"), make_set(scenes(4, 4), "other")
    find_matches(images, other, encoder, NEAR, workers=1, to=tmp_path / "matches")
    with pytest.raises(CorruptData, match="of another image set"):
        load_matches(tmp_path / "matches", ImageSet(other))
    with pytest.raises(MissingInput, match=r"no matches\.json here"):
        load_matches(tmp_path / "nowhere", ImageSet(images))
