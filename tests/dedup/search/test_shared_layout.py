"""Pictures with a shared layout are no copies of each other; copies of one picture still are."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from pipeline.dedup.decision.removal import RemovalConfig, remove_duplicates
from pipeline.dedup.decision.verdicts import write_verdicts
from pipeline.dedup.recall import recall_eval, transforms
from pipeline.imageset.format.image_set import Images
from tests.dedup.detectors import NEAR
from tests.dedup.search.layouts import KINDS, anatomies, forms, templates

Find = Callable[..., Any]
Scenes = Callable[[int, int], Images]


@pytest.mark.parametrize("variant", range(4))
@pytest.mark.parametrize("kind", KINDS)
def test_pictures_with_a_shared_layout_are_doubtful(find: Find, scenes: Scenes, kind: str, variant: int) -> None:
    """The scorer takes them for copies, but none forms a pair, and none of the strangers among them passes."""
    summary, found = find(KINDS[kind](16, variant, scenes(16, 3)))
    assert found == [] and summary["doubtful_pairs"] > 0
    assert (summary["layout_pairs"], summary["layout_strangers_passed"]) == (0, 0)


def test_a_layout_is_found_among_other_pictures(find: Find, scenes: Scenes) -> None:
    """Sixteen forms and copies of scenes in one set: only the copies are pairs."""
    images = scenes(30, 1)
    copies = recall_eval.planted_copies(images[:5], "jpeg50", 1)
    summary, found = find(np.concatenate([images, copies, forms(16, 0, images)]))
    assert found == [(n, 30 + n) for n in range(5)] and summary["doubtful_pairs"] == 120


@pytest.mark.parametrize("name", ["jpeg50", "half", "crop2", "contrast"])
def test_copies_within_a_layout_are_found(find: Find, scenes: Scenes, name: str) -> None:
    """A copy of a picture in a template agrees with it beyond the template."""
    pictures = np.concatenate([templates(16, 0, scenes(16, 3)), anatomies(16, 3, scenes(1, 1))])
    originals = [1, 5, 17, 20]
    _, found = find(np.concatenate([pictures, recall_eval.planted_copies(pictures[originals], name, 1)]))
    assert found == list(zip(originals, range(32, 36), strict=True))


def test_a_form_that_was_saved_again_is_a_copy(find: Find, scenes: Scenes) -> None:
    """Two pictures of one form are equal up to noise, which the forms that are filled in differently are not."""
    pictures = forms(16, 0, scenes(1, 1))
    saved = recall_eval.planted_copies(pictures[[3, 8]], "jpeg80", 1)
    _, found = find(np.concatenate([pictures, saved]))
    assert found == [(3, 16), (8, 17)]


def changed(picture: Images) -> Images:
    """A picture, and its copies by most of the transforms."""
    names = (
        "jpeg80",
        "jpeg50",
        "jpeg20",
        "half",
        "crop1",
        "crop2",
        "brighter5",
        "darker15",
        "contrast",
        "noise",
        "mark",
    )
    copies = [recall_eval.planted_copies(picture[None], name, 1) for name in (*names, *transforms.HELD_OUT[:3])]
    return np.concatenate([picture[None], *copies])


def filmed(picture: Images) -> Images:
    """Fifteen frames of a camera that moves a little."""
    large = Image.fromarray(picture).resize((400, 400))
    boxes = [(n % 5, n % 3, 390 + n % 5, 390 + n % 3) for n in range(15)]
    return np.stack([np.array(large.resize((64, 64), Image.Resampling.BOX, box)) for box in boxes])


def cropped_and_tinted(picture: Images) -> Images:
    """Twenty pale crops of a picture, 80 % of its sides or more, each in other tints, as of some cars in CIFAR-10."""
    rng = np.random.default_rng(2)
    large = Image.fromarray(picture).resize((400, 400))
    made = []
    for _ in range(20):
        side = rng.uniform(0.8, 1) * 400
        left, top = rng.uniform(0, 400 - side, 2)
        crop = large.resize((64, 64), Image.Resampling.BOX, (left, top, left + side, top + side))
        made.append((np.asarray(crop) * rng.uniform(0.4, 0.5, 3) + rng.uniform(32, 52)).astype(np.uint8))
    return np.stack(made)


@pytest.mark.parametrize("make", [changed, filmed])
def test_many_copies_of_one_picture_are_copies(find: Find, scenes: Scenes, make: Callable[[Images], Images]) -> None:
    """Fifteen copies or frames of a scene among other scenes: each is paired with the first; none is doubtful."""
    images = scenes(20, 1)
    summary, found = find(np.concatenate([make(images[4]), np.delete(images, 4, axis=0)]))
    assert summary["doubtful_pairs"] == 0
    assert {right for left, right in found if left == 0} == set(range(1, 15)) and max(found)[1] < 15


def test_many_crops_of_one_picture_are_copies(find: Find, scenes: Scenes) -> None:
    """Before they are aligned, they agree little; most pairs are found, and hardly any of them is doubtful."""
    images = scenes(20, 1)
    summary, found = find(np.concatenate([cropped_and_tinted(images[4]), np.delete(images, 4, axis=0)]))
    assert len(found) >= 100 and summary["doubtful_pairs"] <= 0.1 * len(found)
    assert all(right < 20 for _, right in found)


def test_the_same_bytes_for_any_number_of_workers(find: Find, scenes: Scenes, tmp_path: Path) -> None:
    """The number of processes changes no byte; mirrored copies are examined too."""
    mirrored = NEAR.model_copy(update={"mirrored": "remove"})
    pictures = anatomies(40, 1, scenes(1, 1))
    summary, _ = find(pictures, mirrored)
    find(pictures, mirrored, workers=2, to="again")
    assert summary["doubtful_pairs"] > 100
    for name in ("pairs.parquet", "misses.parquet", "mirrored.parquet", "doubtful.parquet", "pairs.json"):
        assert (tmp_path / "pairs" / name).read_bytes() == (tmp_path / "again" / name).read_bytes(), name


def test_doubtful_pictures_are_kept_and_listed(
    find: Find, scenes: Scenes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Removal keeps the doubtful pictures, counts and lists them, and warns of them first."""
    find(forms(12, 1, scenes(1, 1)))
    write_verdicts(tmp_path / "verdicts.csv", [])
    folders = (tmp_path / "set", tmp_path / "codes", tmp_path / "pairs", tmp_path / "verdicts.csv")
    summary = remove_duplicates(*folders, RemovalConfig(keep=["first"]), tmp_path / "dedup")
    assert (summary["removed"], summary["doubtful"], summary["shared_layout_pairs"]) == (0, 12, 66)
    assert "12 of 12 pictures share a layout" in capsys.readouterr().err.splitlines()[0]
    lines = (tmp_path / "dedup" / "doubtful.csv").read_text().splitlines()
    assert lines[0] == "key,other_key,score" and len(lines) == 67
    rows = pq.read_table(tmp_path / "pairs" / "doubtful.parquet").to_pylist()
    best = max(rows, key=lambda row: row["score"])
    assert lines[1] == f"k{best['left']:03d},k{best['right']:03d},{best['score']:.2f}"
