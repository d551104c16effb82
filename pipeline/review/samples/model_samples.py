"""The samples that people judge: each is named by the model, a seed and a number, and by nothing else."""

import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from pipeline.core import files
from pipeline.imageset.format.image_set import Images
from pipeline.models.dcgan import sampling, saved_model
from pipeline.seeding import deterministic, torch_generator

THREADS = 2
"""Of torch: the last bit of a sum depends on it, and a picture does so hardly ever."""


def judged_latents(seed: int, samples: Sequence[int], latent: int) -> torch.Tensor:
    """z of samples by number, float32 (n, latent), uniform in [-1, 1); a number's z does not depend on the others."""
    drawn = [sampling.latents(torch_generator(seed, "judged", number), 1, latent) for number in samples]
    return torch.cat(drawn) if drawn else torch.zeros(0, latent)


class Samples:
    """The pictures of one model and seed, drawn when they are first asked for; usable by several threads.

    Args:
        folder: the model.
        seed: root seed of the samples.

    Attributes:
        digest: SHA-256 of `generator.safetensors`.
        side: of a picture, in pixels.

    Raises:
        MissingInput, CorruptData: the model is not there or not whole.
    """

    def __init__(self, folder: Path, seed: int) -> None:
        deterministic(THREADS)
        self.seed = seed
        self._generator = saved_model.load_generator(folder)
        self.digest = files.sha256_file(folder / "generator.safetensors")
        self.side = self._generator.preset.side
        self._blocks: dict[int, Images] = {}
        self._lock = threading.Lock()

    def picture(self, sample: int) -> Images:
        """A sample, uint8 (side, side, 3), as the running statistics give it: it depends on its own z alone."""
        block, within = divmod(sample, sampling.BLOCK)
        with self._lock:
            if block not in self._blocks:
                first = block * sampling.BLOCK
                self._blocks[block] = self._draw(self._latents(range(first, first + sampling.BLOCK)))
            picture: Images = self._blocks[block][within]
        return picture

    def mean(self, samples: Sequence[int]) -> Images:
        """What the generator makes of the mean z of at least one sample, uint8 (side, side, 3)."""
        with self._lock:
            picture: Images = self._draw(self._latents(samples).mean(0, keepdim=True))[0]
        return picture

    def _latents(self, samples: Sequence[int]) -> torch.Tensor:
        return judged_latents(self.seed, samples, self._generator.preset.latent)

    def _draw(self, z: torch.Tensor) -> Images:
        return np.ascontiguousarray(sampling.draw(self._generator, z))
