"""What a trained model of any family offers to the commands that sample, walk, review and evaluate.

A model family, such as `dcgan`, is a package of `pipeline/models/` that is listed in `pipeline.models.registry`. A
saved model is a folder with safetensors files and `model.json`, whose key `family` has the name of the family. Each
family has a subclass of `Generator`. The other base classes describe abilities that only some families have.
"""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Protocol

import numpy as np
import numpy.typing as npt
import torch

from pipeline.core.errors import Unsupported
from pipeline.imageset.format.image_set import Images


class Generator(ABC):
    """A trained model that makes pictures.

    Attributes:
        family: name of its family in the registry.
    """

    family: ClassVar[str]

    @property
    @abstractmethod
    def image_shape(self) -> tuple[int, int, int]:
        """Height, width and channels of a picture."""

    @property
    @abstractmethod
    def digest(self) -> str:
        """SHA-256 (64 hex characters) of the weights that make pictures; results identify the model by it."""

    @abstractmethod
    def sample(self, count: int, seed: int, labels: Sequence[int] | None = None, *, first: int = 0) -> Images:
        """Pictures number `first` to `first + count - 1` of a seed: uint8 (count, H, W, C).

        A picture depends only on seed, number and label: the first 5 of 100 pictures equal the 5 of a call for 5.

        Args:
            seed: any non-negative integer.
            labels: class of each picture, for families that are trained with classes.

        Raises:
            Unsupported: labels are given, but the family has no classes.
        """

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write the generator to an existing folder, as safetensors files and `model.json`."""


class LatentGenerator(Generator):
    """A generator that makes each picture from a latent."""

    @property
    @abstractmethod
    def latent_shape(self) -> tuple[int, ...]:
        """Shape of one latent."""

    @abstractmethod
    def latents(self, numbers: Sequence[int], seed: int) -> torch.Tensor:
        """Latents sampled from the prior, float32 (n, *latent_shape); each depends only on the seed and its number."""

    @abstractmethod
    def decode(self, z: torch.Tensor) -> Images:
        """Pictures uint8 (n, H, W, C) of latents float32 (n, *latent_shape); each depends only on its own latent."""

    def sample(self, count: int, seed: int, labels: Sequence[int] | None = None, *, first: int = 0) -> Images:
        """The pictures of `latents`; see `Generator.sample`."""
        if labels is not None:
            raise Unsupported(f"a model of family {self.family} learns no classes; sample without labels")
        return self.decode(self.latents(range(first, first + count), seed))


class BatchStatisticsGenerator(LatentGenerator):
    """A generator with batch norm, which can use the statistics of a batch instead of the running ones."""

    @abstractmethod
    def decode_batch(self, z: torch.Tensor) -> Images:
        """Pictures of at least two latents, normalised by the mean and variance of this batch.

        Each picture depends on its whole batch.
        """


class LikelihoodGenerator(Generator):
    """A generator that computes the likelihood of a picture."""

    @abstractmethod
    def log_likelihood(self, images: Images) -> npt.NDArray[np.float64]:
        """Log-likelihood, or a lower bound of it, of pictures uint8 (n, H, W, C), in nats per picture: float64 (n,)."""


class FeatureNetwork(Protocol):
    """A `torch.nn.Module` whose maps serve as features."""

    def features(self, pictures: torch.Tensor) -> list[torch.Tensor]:
        """Return the feature maps of each layer, float32 (n, channels, h, w).

        Args:
            pictures: float32 (n, C, H, W), in [-1, 1].
        """


class FeatureExtractor(ABC):
    """The part of a trained model that computes features of pictures, such as the discriminator of a GAN.

    Attributes:
        architecture: description for people, such as `paper64, base width 16`.
        side: height and width of its input pictures, in pixels.
        digest: SHA-256 (64 hex characters) of its weights.
    """

    architecture: str
    side: int
    digest: str

    @abstractmethod
    def trained(self) -> torch.nn.Module:
        """The trained network, a `FeatureNetwork` on the CPU in evaluation mode."""

    @abstractmethod
    def untrained(self, rng: torch.Generator) -> torch.nn.Module:
        """The same network with initial weights sampled from `rng`."""


def unsupported(model: Generator, command: str, what: str) -> Unsupported:
    """The error for a command that needs an ability that the model does not have.

    Args:
        command: name of the command or of the requested feature.
        what: the missing ability, such as `a latent space`.
    """
    return Unsupported(
        f"{command}: needs {what}, which a model of family {model.family} does not have; give a model of another family"
    )


def latents_digest(z: torch.Tensor) -> str:
    """SHA-256 (64 hex characters) of latents as little-endian float32, row by row."""
    return hashlib.sha256(z.numpy().astype("<f4").tobytes()).hexdigest()
