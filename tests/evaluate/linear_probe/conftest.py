"""A small model, its training pictures, and a labelled benchmark whose classes differ in colour."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pipeline.core import files
from pipeline.evaluate.linear_probe.protocol import LinearProbeConfig
from pipeline.imageset.format import image_set
from pipeline.models.dcgan import saved_model
from pipeline.models.dcgan.model import PRESETS, Discriminator, Generator, build
from pipeline.seeding import torch_generator

CLASSES = ["red", "green", "blue"]
VALUES = {
    **{"norm": "own", "statistics_pictures": 256, "held_out": 60, "whole": True, "per_class": 8, "draws": 3},
    **{"selection_draws": 2, "folds": 2, "grid": [1e-3, 1e-2, 1e-1], "extensions": 2, "untrained": 1},
    **{"tolerance": 1e-4, "iterations": 200, "threads": 1},
}


def discriminator(preset: str = "imagenet32", width: int = 2, seed: int = 0) -> Discriminator:
    return build(Discriminator, PRESETS[preset], width, torch_generator(seed, "d"))


def coloured(count: int, seed: int) -> tuple[np.ndarray, list[str]]:
    """Noise pictures, uint8 (count, 32, 32, 3), with more of the colour that their class is named after."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, len(CLASSES), count)
    images = rng.integers(0, 160, (count, 32, 32, 3), dtype=np.uint8)
    images[np.arange(count), :, :, labels] += 60
    return images, [CLASSES[label] for label in labels]


def write_set(folder: Path, images: np.ndarray, labels: list[str] | None = None) -> Path:
    """Write an image set."""
    folder.mkdir(parents=True)
    pictures = [
        image_set.Picture(
            f"{number:05d}", 32, 32, 1, hashlib.sha256(image).hexdigest(), label=labels[number] if labels else None
        )
        for number, image in enumerate(images)
    ]
    chunks = folder.with_name(f"{folder.name}-chunks")
    image_set.write_chunk(chunks, 0, images, pictures, [], sources=len(pictures))
    image_set.join_chunks(chunks, 1, folder, side=images.shape[1], max_bad=0.0)
    return folder


@pytest.fixture
def parameters() -> Callable[..., LinearProbeConfig]:
    """A function that returns the section, with some values changed."""
    return lambda **changes: LinearProbeConfig(**{**VALUES, **changes})


@pytest.fixture
def inputs(tmp_path: Path) -> dict[str, Path]:
    """Input folders of `linear_probe.evaluate`: a model, its training pictures, and a benchmark."""
    preset = PRESETS["imagenet32"]
    generator = build(Generator, preset, 2, torch_generator(0, "g"))
    (tmp_path / "model").mkdir()
    description = {
        **{"preset": "imagenet32", "base_width": 2, "epochs": 1, "steps": 10, "seed": 0},
        "data": {"pictures": 300},
    }
    saved_model.save(tmp_path / "model", description, generator=generator, discriminator=discriminator())
    write_set(tmp_path / "images", coloured(300, 1)[0])
    files.write_array(tmp_path / "kept.npy", np.arange(0, 300, dtype=np.int64))
    for part, count, seed in (("train", 200, 2), ("test", 90, 3)):
        write_set(tmp_path / "benchmark" / part, *coloured(count, seed))
    files.write_json(tmp_path / "benchmark" / "source.json", {"classes": CLASSES, "source": "archive"})
    return {
        **{"model_folder": tmp_path / "model", "images_folder": tmp_path / "images", "kept": tmp_path / "kept.npy"},
        "benchmark_folder": tmp_path / "benchmark",
    }
