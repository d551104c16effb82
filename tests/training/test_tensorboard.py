"""The optional curves for TensorBoard."""

import sys
from pathlib import Path

import pytest

from pipeline.core.errors import BadParameters
from pipeline.training.tensorboard import curves


def test_the_curves_are_what_was_logged(tmp_path: Path) -> None:
    """TensorBoard's own reader finds each metric with its steps; a resumed training adds to them."""
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    for first in (50, 150):
        with curves(tmp_path) as log:
            log(first, {"d_loss": 0.5, "g_loss": 2.0})
            log(first + 50, {"d_loss": 0.25, "g_loss": 3.0})
    found = accumulator.EventAccumulator(str(tmp_path))
    found.Reload()
    assert sorted(found.Tags()["scalars"]) == ["d_loss", "g_loss"]
    assert [(one.step, one.value) for one in found.Scalars("d_loss")] == [
        (50, 0.5),
        (100, 0.25),
        (150, 0.5),
        (200, 0.25),
    ]


def test_without_the_package_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is trained."""
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(BadParameters, match=r"pip install 'dcgan-pipeline\[tensorboard\]'"), curves(tmp_path / "log"):
        pass
    assert not (tmp_path / "log").exists()


def test_without_a_folder_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And nothing is imported."""
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with curves(None) as log:
        log(1, {"d_loss": 0.5})
    assert list(tmp_path.iterdir()) == []
