"""A tiny untrained model."""

from pathlib import Path

import pytest

from tests.models.untrained import save_untrained


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the model, whose samples are 32×32 pixels and differ from each other."""
    return save_untrained(tmp_path_factory.mktemp("models") / "tiny")
