"""A sample is named by model, seed and number: what was judged can be drawn again."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch

from pipeline.core import files
from pipeline.models.dcgan import sampling, saved_model
from pipeline.review.samples.model_samples import Samples, judged_latents


def test_a_latent_hangs_on_seed_and_number_alone() -> None:
    """More samples leave the first ones as they were; another seed or number gives another z."""
    z = judged_latents(3, range(150), 100)
    assert z.shape == (150, 100) and z.dtype == torch.float32 and z.min() >= -1 and z.max() < 1
    assert torch.equal(judged_latents(3, [149, 7], 100), z[[149, 7]])
    assert len({tuple(row.tolist()) for row in z}) == 150
    assert not torch.equal(judged_latents(4, [0], 100), z[:1])
    assert judged_latents(3, [], 100).shape == (0, 100)


def test_pictures_are_those_of_the_latents(tiny_model: Path) -> None:
    """In whichever order they are asked for, and by several threads; the mean is one of z, not of pictures."""
    samples = Samples(tiny_model, 3)
    assert samples.digest == files.sha256_file(tiny_model / "generator.safetensors") and samples.side == 32
    numbers = [130, 0, 64, 63, 1]
    with ThreadPoolExecutor(4) as pool:
        pictures = np.stack(list(pool.map(samples.picture, numbers)))
    generator = saved_model.load_generator(tiny_model)
    z = judged_latents(3, numbers, 256)
    assert np.array_equal(pictures, sampling.draw(generator, z)) and len(np.unique(pictures, axis=0)) == 5
    assert np.array_equal(samples.mean([5]), samples.picture(5))
    assert np.array_equal(samples.mean(numbers), sampling.draw(generator, z.mean(0, keepdim=True))[0])
