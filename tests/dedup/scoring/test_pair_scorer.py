"""Copies score high and strangers low, and the score is the same whatever else is compared."""

import json
from pathlib import Path

import numpy as np
import pytest

from pipeline.dedup.recall import recall_eval, transforms
from pipeline.dedup.scoring import pair_scorer
from pipeline.imageset.format.image_set import Images


@pytest.fixture(scope="module")
def scenes() -> Images:
    """Forty made-up scenes: sky and ground, a few bodies, texture; uint8 (40, 32, 32, 3)."""
    rng = np.random.default_rng(7)
    made = []
    y, x = np.mgrid[0:32, 0:32] / 31
    for _ in range(40):
        picture = rng.uniform(0, 255, 3) * (1 - y[..., None]) + rng.uniform(0, 255, 3) * y[..., None]
        for _ in range(6):
            cy, cx, ry, rx = rng.uniform(0, 1, 2).tolist() + rng.uniform(0.08, 0.4, 2).tolist()
            inside = ((y - cy) / ry) ** 2 + ((x - cx) / rx) ** 2 < 1
            picture[inside] = rng.uniform(0, 255, 3) + 40 * np.sin(rng.uniform(10, 40) * x[inside] + y[inside])[:, None]
        made.append(picture + rng.normal(0, 6, (32, 32, 3)))
    return np.stack(made).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("name", [name for name in transforms.KNOWN if name not in ("jpeg20", "quarter", "mark")])
def test_copies_pass(scenes: Images, name: str) -> None:
    """Of every known transform but the three that leave least, nine in ten at the profile's score."""
    assert (pair_scorer.score(scenes, recall_eval.planted_copies(scenes, name, 1)) >= 3).mean() >= 0.9


def test_strangers_do_not(scenes: Images) -> None:
    """All pairs of different scenes, mirrored ones too."""
    left, right = np.triu_indices(len(scenes), 1)
    assert pair_scorer.score(scenes[left], scenes[right]).max() < 0
    assert pair_scorer.score(scenes[left][:, :, ::-1], scenes[right]).max() < 0


def test_a_score_does_not_depend_on_its_batch(scenes: Images) -> None:
    """One by one or together."""
    right = recall_eval.planted_copies(scenes, "shift", 1)
    alone = [pair_scorer.score(scenes[n : n + 1], right[n : n + 1])[0] for n in range(len(scenes))]
    assert pair_scorer.score(scenes, right).tolist() == alone


def test_every_measurement_has_a_weight() -> None:
    """No more and no fewer than are named."""
    table = json.loads(Path(pair_scorer.__file__).with_suffix(".json").read_text())
    assert list(table["weights"]) == list(pair_scorer.FEATURES) and len(pair_scorer.FEATURES) == 38
