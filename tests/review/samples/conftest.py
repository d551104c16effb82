"""A tiny model that nobody has trained."""

from pathlib import Path

import pytest
import torch

from pipeline.models.dcgan import saved_model
from pipeline.models.dcgan.model import PRESETS, Discriminator, Generator, build


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its folder; pictures of 32×32 that differ from each other."""
    folder = tmp_path_factory.mktemp("models") / "tiny"
    folder.mkdir()
    rng, preset = torch.Generator().manual_seed(1), PRESETS["imagenet32"]
    networks = build(Generator, preset, 4, rng), build(Discriminator, preset, 4, rng)
    saved_model.save(folder, *networks, {"preset": "imagenet32", "base_width": 4})
    return folder
