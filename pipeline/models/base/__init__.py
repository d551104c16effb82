"""What a trained model of any family offers to the commands that sample, walk, review and evaluate.

A family is a package of `pipeline/models/`, named in `pipeline.models.registry`. A saved model is a folder of
safetensors files and `model.json`, whose `family` names its family. Each family has a `Generator`. The further classes
are for what some families offer: a model offers it when it is an instance of the class.
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
        family: its name in the registry.
    """

    family: ClassVar[str]

    @property
    @abstractmethod
    def image_shape(self) -> tuple[int, int, int]:
        """Height, width and channels of a picture."""

    @property
    @abstractmethod
    def digest(self) -> str:
        """SHA-256 (64 hex characters) of the weights that make pictures; results name the model by it."""

    @abstractmethod
    def sample(self, count: int, seed: int, labels: Sequence[int] | None = None, *, first: int = 0) -> Images:
        """Pictures number `first` to `first + count - 1` of a seed: uint8 (count, H, W, C).

        A picture depends on seed, number and label alone: the first 5 of 100 are those of a draw of 5.

        Args:
            seed: any non-negative integer.
            labels: class of each picture, for families that learn classes.

        Raises:
            Unsupported: labels are given, and the family learns no classes.
        """

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write what makes pictures: safetensors files and `model.json`, to an existing folder."""


class LatentGenerator(Generator):
    """A generator that makes each picture of a latent."""

    @property
    @abstractmethod
    def latent_shape(self) -> tuple[int, ...]:
        """Shape of one latent."""

    @abstractmethod
    def latents(self, numbers: Sequence[int], seed: int) -> torch.Tensor:
        """Draws from the prior, float32 (n, *latent_shape); each depends on seed and its number alone."""

    @abstractmethod
    def decode(self, z: torch.Tensor) -> Images:
        """Pictures uint8 (n, H, W, C) of latents float32 (n, *latent_shape); each depends on its own latent alone."""

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
    """A generator that says how probable a picture is."""

    @abstractmethod
    def log_likelihood(self, images: Images) -> npt.NDArray[np.float64]:
        """Log-likelihood, or a lower bound of it, in nats for each picture uint8 (n, H, W, C): float64 (n,)."""


class FeatureNetwork(Protocol):
    """A `torch.nn.Module` whose maps serve as features."""

    def features(self, pictures: torch.Tensor) -> list[torch.Tensor]:
        """Maps float32 (n, channels, h, w) of each layer, from pictures float32 (n, C, H, W) in [-1, 1]."""


class FeatureExtractor(ABC):
    """The part of a trained model that gives features of pictures, such as a GAN's discriminator.

    Attributes:
        architecture: what it is, for people, such as `paper64, base width 16`.
        side: height and width of the pictures it takes.
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
        """The same network with first weights drawn from `rng`."""


def unsupported(model: Generator, command: str, what: str) -> Unsupported:
    """The error of a command that needs what the model does not offer.

    Args:
        command: name of the command, or of what was asked for.
        what: what it needs, such as `a latent space`.
    """
    return Unsupported(
        f"{command}: needs {what}, which a model of family {model.family} does not have; give a model of another family"
    )


def latents_digest(z: torch.Tensor) -> str:
    """SHA-256 (64 hex characters) of latents as little-endian float32, row by row."""
    return hashlib.sha256(z.numpy().astype("<f4").tobytes()).hexdigest()
