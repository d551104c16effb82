"""A second family of models, for tests: pictures of one colour each, without latent space, features or batch norm."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pipeline.core import files
from pipeline.imageset.format.image_set import Images
from pipeline.models.base import Generator
from pipeline.seeding import numpy_rng


class Flat(Generator):
    """Pictures of 8×8, each of one random colour; labels add brightness."""

    family = "flat"
    image_shape = (8, 8, 3)
    digest = "f1" * 32

    def sample(self, count: int, seed: int, labels: Sequence[int] | None = None, *, first: int = 0) -> Images:
        """See `Generator.sample`."""
        colours = [numpy_rng(seed, number).integers(0, 200, 3) for number in range(first, first + count)]
        pictures = np.empty((count, *self.image_shape), np.uint8)
        pictures[:] = np.reshape(colours, (count, 1, 1, 3)) + np.reshape(labels or [0] * count, (count, 1, 1, 1))
        return pictures

    def save(self, folder: Path) -> None:
        """See `Generator.save`."""
        files.write_json(folder / "model.json", {"schema_version": 2, "family": self.family})


def load_generator(folder: Path) -> Flat:
    """See `registry.load_generator`."""
    return Flat()
