"""Sample latents from the DCGAN's prior, and generate uint8 pictures from them."""

import copy

import numpy as np
import torch

from pipeline.imageset.format.image_set import Images
from pipeline.models.dcgan.model import Generator

BLOCK = 64
"""Batch size of generation. It never changes, because the last bits of a convolution can depend on the batch size."""


def latents(rng: torch.Generator, *shape: int) -> torch.Tensor:
    """z, float32 of this shape, uniform in [-1, 1)."""
    return torch.rand(shape, generator=rng) * 2 - 1


def draw(generator: Generator, z: torch.Tensor, *, batch_statistics: bool = False) -> Images:
    """Pictures uint8 (n, side, side, 3) from z float32 (n, latent).

    A value v in [-1, 1] becomes (v + 1) · 127.5, rounded to the nearest integer, which inverts the preprocessing
    x / 127.5 - 1. The generator is not changed.

    Args:
        batch_statistics: False: batch norm uses its running statistics, and a picture depends on its z alone. True: it
            uses the mean and variance of all `z` together, and a picture depends on all of them.
    """
    if batch_statistics:
        return _pictures(copy.deepcopy(generator).train(), z)
    training = generator.training
    generator.eval()
    blocks = []
    for block in torch.split(z, BLOCK):
        padded = torch.zeros(BLOCK, z.shape[1])
        padded[: len(block)] = block
        blocks.append(_pictures(generator, padded)[: len(block)])
    generator.train(training)
    return np.concatenate(blocks)


def _pictures(generator: Generator, z: torch.Tensor) -> Images:
    device = next(generator.parameters()).device
    with torch.no_grad():
        values = generator(z.to(device))
        rounded = ((values + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
    pictures: Images = rounded.permute(0, 2, 3, 1).cpu().contiguous().numpy()
    return pictures
