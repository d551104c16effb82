"""Samples depend on model, seed and number alone, so judged samples can be generated again."""

import io
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.core import files
from pipeline.core.errors import BadParameters
from pipeline.imageset.image_grid import png
from pipeline.models.dcgan.family import load_generator
from pipeline.review.samples.model_samples import ModelSamples
from tests.models.untrained import save_untrained


def test_pictures_are_generated_from_the_latents(tiny_model: Path) -> None:
    """In any order and by several threads; a mean picture comes from the mean z, not from mean pixels."""
    samples = ModelSamples(tiny_model, 3)
    assert samples.digest == files.sha256_file(tiny_model / "generator.safetensors") and samples.side == 32
    numbers = [130, 0, 64, 63, 1]
    with ThreadPoolExecutor(4) as pool:
        pictures = np.stack(list(pool.map(samples.picture, numbers)))
    model = load_generator(tiny_model)
    z = model.latents(numbers, 3)
    assert np.array_equal(pictures, model.decode(z)) and len(np.unique(pictures, axis=0)) == 5
    assert np.array_equal(pictures[3], model.sample(64, 3)[63])
    assert np.array_equal(samples.mean([5]), samples.picture(5))
    assert np.array_equal(samples.mean(numbers), model.decode(z.mean(0, keepdim=True))[0])


def test_grey_samples_with_classes(tmp_path: Path) -> None:
    """The classes take turns; a mean is of samples of one class."""
    folder = save_untrained(tmp_path / "model", "mnist28_conditional")
    samples, model = ModelSamples(folder, 3), load_generator(folder)
    assert samples.side == 28 and np.array_equal(samples.picture(70), model.sample(71, 3)[70])
    mean = model.decode(model.latents([3, 13], 3).mean(0, keepdim=True), [3])[0]
    assert np.array_equal(samples.mean([3, 13]), mean)
    with pytest.raises(BadParameters, match="of different classes"):
        samples.mean([3, 14])
    with Image.open(io.BytesIO(png(samples.picture(70)))) as shown:
        assert shown.mode == "L" and shown.size == (28, 28)
