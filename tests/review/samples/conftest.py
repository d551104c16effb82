"""A tiny model that nobody has trained."""

from pathlib import Path

import pytest

from tests.models.untrained import save_untrained


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its folder; pictures of 32×32 that differ from each other."""
    return save_untrained(tmp_path_factory.mktemp("models") / "tiny")
