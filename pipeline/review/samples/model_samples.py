"""The samples that people judge: each depends on the model, a seed and its number, and on nothing else."""

import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pipeline.core.errors import BadParameters
from pipeline.imageset.format.image_set import Images
from pipeline.models.base import LatentGenerator, unsupported
from pipeline.models.registry import load_generator
from pipeline.seeding import deterministic

THREADS = 2
"""Number of torch threads. It affects the last bits of sums, but rarely a pixel."""

BLOCK = 64
"""Number of pictures generated at a time."""


class ModelSamples:
    """Samples of one model and seed, generated in blocks when they are needed; safe to use from several threads.

    Args:
        folder: folder of the model; any model family is allowed.
        seed: root seed of the samples.

    Attributes:
        digest: SHA-256 of the generator's weights.
        side: side of a picture in pixels.

    Raises:
        MissingInput, CorruptData: the model does not exist or is damaged.
    """

    def __init__(self, folder: Path, seed: int) -> None:
        deterministic(THREADS)
        self.seed = seed
        self._model = load_generator(folder)
        self.digest = self._model.digest
        self.side = self._model.image_shape[0]
        self._blocks: dict[int, Images] = {}
        self._lock = threading.Lock()

    def picture(self, sample: int) -> Images:
        """A sample by number, uint8 (side, side, channels); it depends only on the model, the seed and the number.

        The classes of a model with classes take turns; see `Generator.default_labels`.
        """
        block, within = divmod(sample, BLOCK)
        with self._lock:
            if block not in self._blocks:
                self._blocks[block] = self._model.sample(BLOCK, self.seed, first=block * BLOCK)
            picture: Images = self._blocks[block][within]
        return np.ascontiguousarray(picture)

    def mean(self, samples: Sequence[int]) -> Images:
        """The generator's picture for the mean latent of one or more samples, uint8 (side, side, channels).

        Raises:
            Unsupported: the model family has no latent space.
            BadParameters: the samples are of different classes.
        """
        model = self._model
        if not isinstance(model, LatentGenerator):
            raise unsupported(model, "the picture of a mean", "a latent space")
        labels = model.default_labels(samples)
        if labels is not None and len(set(labels)) > 1:
            raise BadParameters("samples: of different classes, which have no common mean; choose samples of one class")
        with self._lock:
            z = model.latents(samples, self.seed).mean(0, keepdim=True)
            picture: Images = model.decode(z, None if labels is None else labels[:1])[0]
        return np.ascontiguousarray(picture)
