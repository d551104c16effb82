"""Samples depend on model, seed and number alone, so judged samples can be generated again."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from pipeline.core import files
from pipeline.models.dcgan.family import load_generator
from pipeline.review.samples.model_samples import ModelSamples


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
