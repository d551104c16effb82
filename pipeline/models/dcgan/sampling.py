"""Sample latents from the prior of a preset, and generate uint8 pictures from them."""

import copy

import numpy as np
import torch

from pipeline.imageset.format.image_set import Images
from pipeline.models.dcgan.networks import Generator
from pipeline.models.dcgan.presets import Preset

BLOCK = 64
"""Batch size of generation. It never changes, because the last bits of a convolution can depend on the batch size."""


def latents(preset: Preset, rng: torch.Generator, *shape: int) -> torch.Tensor:
    """z sampled from the prior of the preset, float32 (*shape, latent).

    The prior `uniform` has values in [-1, 1), `normal` has mean 0 and variance 1.
    """
    if preset.prior == "normal":
        return torch.randn(*shape, preset.latent, generator=rng)
    return torch.rand(*shape, preset.latent, generator=rng) * 2 - 1


def draw(
    generator: Generator, z: torch.Tensor, labels: torch.Tensor | None = None, *, batch_statistics: bool = False
) -> Images:
    """Pictures uint8 (n, side, side, colours) from z float32 (n, latent).

    The networks run where the generator is, and the generator is not changed.

    Args:
        labels: int64 (n,), for presets with classes; otherwise None.
        batch_statistics: False: batch norm uses its running statistics, and a picture depends only on its z and label.
            True: it uses the mean and variance of all `z` together, and a picture depends on all of them.
    """
    if batch_statistics:
        return _pictures(copy.deepcopy(generator).train(), z, labels)
    preset, training = generator.preset, generator.training
    pictures = np.empty((len(z), preset.side, preset.side, preset.colours), np.uint8)
    generator.eval()
    for start in range(0, len(z), BLOCK):
        block = slice(start, start + BLOCK)
        made = _pictures(generator, _padded(z[block]), None if labels is None else _padded(labels[block]))
        pictures[block] = made[: len(z[block])]
    generator.train(training)
    return pictures


def _padded(rows: torch.Tensor) -> torch.Tensor:
    """At most `BLOCK` rows, with rows of zeros after them: `BLOCK` rows."""
    return torch.cat([rows, rows.new_zeros(BLOCK - len(rows), *rows.shape[1:])])


def _pictures(generator: Generator, z: torch.Tensor, labels: torch.Tensor | None) -> Images:
    device = next(generator.parameters()).device
    with torch.no_grad():
        values = generator(z.to(device), None if labels is None else labels.to(device))
        pictures: Images = generator.preset.pixels(values).cpu().numpy()
    return pictures
