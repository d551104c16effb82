"""Copies score high, unrelated pictures score low, and a score does not depend on the other pairs of a batch."""

import json
from pathlib import Path

import numpy as np
import pytest

from pipeline.dedup.recall import recall_eval, transforms
from pipeline.dedup.scoring import pair_scorer
from pipeline.imageset.format.image_set import Images


@pytest.fixture(scope="module")
def scenes() -> Images:
    """Forty synthetic scenes of a gradient, ellipses and noise, uint8 (40, 32, 32, 3)."""
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
    """At the profile's threshold, 90 % of the copies pass, for every known transform but the three strongest."""
    assert (pair_scorer.score(scenes, recall_eval.planted_copies(scenes, name, 1)) >= 3).mean() >= 0.9


def test_unrelated_pictures_do_not_pass(scenes: Images) -> None:
    """No pair of different scenes scores above 0, also if one of them is mirrored."""
    left, right = np.triu_indices(len(scenes), 1)
    assert pair_scorer.score(scenes[left], scenes[right]).max() < 0
    assert pair_scorer.score(scenes[left][:, :, ::-1], scenes[right]).max() < 0


def test_a_score_does_not_depend_on_its_batch(scenes: Images) -> None:
    """Scoring pairs one by one or together gives the same scores."""
    right = recall_eval.planted_copies(scenes, "shift", 1)
    alone = [pair_scorer.score(scenes[n : n + 1], right[n : n + 1])[0] for n in range(len(scenes))]
    assert pair_scorer.score(scenes, right).tolist() == alone


def test_every_measurement_has_a_weight() -> None:
    """The file of weights has the names of the measurements, in their order."""
    table = json.loads(Path(pair_scorer.__file__).with_suffix(".json").read_text())
    assert list(table["weights"]) == list(pair_scorer.FEATURES) and len(pair_scorer.FEATURES) == 38
