"""The latent walk of the paper's Figure 4: line segments between anchors; each row starts at an anchor."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pipeline.core.errors import BadParameters, Unsupported
from pipeline.core.workspace import MARK
from pipeline.figures import latent_walk
from pipeline.figures.latent_walk import LatentWalkConfig
from pipeline.models.base import latents_digest
from pipeline.models.dcgan.family import load_generator
from pipeline.seeding import derive
from tests.models.untrained import save_untrained


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A model folder with an untrained generator whose pictures differ."""
    return save_untrained(tmp_path / "model")


@settings(max_examples=30, deadline=None)
@given(rows=st.integers(1, 6), columns=st.integers(1, 12), seed=st.integers(0, 99))
def test_path(rows: int, columns: int, seed: int) -> None:
    """Anchors are at column 0 and at the end; steps between them are equal; values are in [-1, 1]."""
    anchors = torch.rand(rows + 1, 10, generator=torch.Generator().manual_seed(seed)) * 2 - 1
    points = latent_walk.path(anchors, columns)
    assert points.shape == (rows * columns + 1, 10) and points.dtype == torch.float32
    assert torch.equal(points[::columns], anchors)
    assert points.abs().max() <= 1
    steps = points.diff(dim=0).view(rows, columns, 10)
    whole = anchors.diff(dim=0)[:, None] / columns
    assert torch.allclose(steps, whole.expand_as(steps), atol=1e-6)
    assert torch.equal(latent_walk.path(anchors.view(-1, 5, 2), columns), points.view(-1, 5, 2))


def test_smoothness_of_a_fade_and_of_a_jump() -> None:
    """In a cross-fade, each step is 1 / columns of the distance; a jump is all of it in one step."""
    fade = np.repeat(np.array([0, 20, 40, 60, 80, 100, 80, 60, 40, 20, 0], np.uint8), 12).reshape(-1, 2, 2, 3)
    figures = latent_walk.smoothness(fade, columns=5)
    assert figures["mean_step"] == figures["largest_step"] == 20
    assert figures["anchor_distance"] == pytest.approx(200 / 3)
    assert figures["step_ratio"] == pytest.approx(0.3) and figures["largest_step_ratio"] == 1
    jump = np.repeat(np.array([0, 0, 0, 100, 100, 100], np.uint8), 12).reshape(-1, 2, 2, 3)
    figures = latent_walk.smoothness(jump, columns=5)
    assert figures["step_ratio"] == pytest.approx(0.2) and figures["largest_step_ratio"] == pytest.approx(5)


def test_smoothness_of_one_picture_for_all() -> None:
    """If all pictures are equal, the ratios are None, because JSON has no infinity."""
    figures = latent_walk.smoothness(np.full((11, 2, 2, 3), 9, np.uint8), columns=5)
    assert figures["step_ratio"] is None and figures["largest_step_ratio"] is None


def test_files(saved: Path, tmp_path: Path) -> None:
    """The figure has rows × columns pictures, the first column shows the anchors, and a second run gives the same."""
    trees = []
    for to in (tmp_path / "one", tmp_path / "two"):
        record = latent_walk.walk(saved, LatentWalkConfig(rows=3, columns=5, threads=1), name="set", seed=7, to=to)
        trees.append({path.name: path.read_bytes() for path in to.iterdir() if path.name != MARK})
    assert trees[0] == trees[1] and set(trees[0]) == {"walk.png", "walk.json"}
    assert record == json.loads(trees[0]["walk.json"])
    model = load_generator(saved)
    anchors = model.latents(range(4), derive(7, "walk-latent", "set"))
    assert record["anchors_sha256"] == latents_digest(anchors)
    first_column = model.decode(anchors)[:3]
    with Image.open(tmp_path / "one" / "walk.png") as sheet:
        pixels = np.asarray(sheet)
    assert pixels.shape == (3 * 32, 5 * 32, 3)
    assert np.array_equal(pixels[:, :32].reshape(3, 32, 32, 3), first_column)
    assert record["smoothness"]["mean_step"] > 0


def test_a_walk_within_a_class(tmp_path: Path) -> None:
    """A model with classes needs a label; grey pictures give a grey figure. Other models take none."""
    config = LatentWalkConfig(rows=2, columns=3, threads=1)
    folder = save_untrained(tmp_path / "mnist", "mnist28_conditional")
    with pytest.raises(BadParameters, match=r"--label: missing; .* give 0 to 9"):
        latent_walk.walk(folder, config, name="set", seed=7, to=tmp_path / "out")
    with pytest.raises(BadParameters, match="label 10: expected a class of the model, 0 to 9"):
        latent_walk.walk(folder, config, name="set", seed=7, to=tmp_path / "out", label=10)
    assert not (tmp_path / "out").exists()
    record = latent_walk.walk(folder, config, name="set", seed=7, to=tmp_path / "out", label=3)
    assert record["label"] == 3
    model = load_generator(folder)
    expected = model.decode(model.latents(range(2), derive(7, "walk-latent", "set")), [3, 3])
    with Image.open(tmp_path / "out" / "walk.png") as sheet:
        assert sheet.mode == "L" and sheet.size == (3 * 28, 2 * 28)
        assert np.array_equal(np.asarray(sheet)[:, :28].reshape(2, 28, 28), expected[..., 0])
    plain = save_untrained(tmp_path / "plain")
    with pytest.raises(Unsupported, match="learns no classes"):
        latent_walk.walk(plain, config, name="set", seed=7, to=tmp_path / "other", label=3)
