"""A tiny image set and the parameters of a tiny training."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pipeline.models.dcgan.config import DcganConfig

RUNTIME: dict[str, object] = {
    **{"device": "cpu", "precision": "float32", "memory_format": "channels_last", "compile": False},
    "cuda_graphs": False,
    **{"determinism": "strict", "threads": 1},
}


@pytest.fixture
def drawn(make_imageset: Callable[..., Path], tmp_path: Path) -> tuple[Path, Path]:
    """An image set of 70 noisy pictures of 32×32 in two colours, and a kept.npy that names 64 of them."""
    rng = np.random.default_rng(3)
    images = rng.integers(0, 60, (70, 32, 32, 3), dtype=np.uint8)
    images[::2, 8:24, 8:24] += 150
    kept = tmp_path / "kept.npy"
    np.save(kept, np.arange(3, 67, dtype=np.int64))
    return make_imageset(images), kept


@pytest.fixture
def tiny() -> Callable[..., DcganConfig]:
    """A function that makes the parameters of a training of eight paired steps, with changes."""

    def make(**changes: object) -> DcganConfig:
        values = {
            "preset": "imagenet32",
            "base_width": 4,
            "epochs": 2,
            "batch_size": 16,
            "learning_rate": 2e-4,
            "beta1": 0.5,
            "beta2": 0.999,
            "weight_decay": 0.0,
            "schedule": "paired",
            "share_fakes": False,
            "ema": 0.0,
            "sync_batch_norm": True,
            "checkpoint_every": 3,
            "on_divergence": "stop",
            "grid": 9,
        }
        runtime = {name: changes.pop(name) for name in list(changes) if name in RUNTIME}
        return DcganConfig.model_validate(values | changes | {"runtime": RUNTIME | runtime})

    return make
