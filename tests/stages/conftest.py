"""Fixtures of the tests of commands: a browser that records errors, and a trained encoder."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser

from pipeline.core.params import default_profile, load_section
from pipeline.dedup.encoder.autoencoder import AutoencoderConfig
from tests.conftest import write_imageset
from tests.webapp.browsing import Watched


@pytest.fixture
def watched(chromium: Browser) -> Iterator[Watched]:
    context = chromium.new_context(viewport={"width": 1280, "height": 850})
    yield Watched(context)
    context.close()


@pytest.fixture(scope="session")
def encoder(tmp_path_factory: pytest.TempPathFactory, scenes: Callable[[int, int], np.ndarray]) -> Path:
    """Folder of an encoder trained on forty scenes as `dcgan dedup` does, for tests that do not train their own."""
    from pipeline.dedup.encoder.train_autoencoder import train_autoencoder  # imports torch, which is slow

    here = tmp_path_factory.mktemp("encoder")
    section = load_section(default_profile(), "dedup.lsun.autoencoder", AutoencoderConfig)
    section = section.model_copy(update={"batch_size": 40, "epochs": 60, "input": "normalised", "bits": "balanced"})
    train_autoencoder(write_imageset(here, scenes(40, 3)), section, name="dedup", seed=1, to=here / "trained")
    return here / "trained"
