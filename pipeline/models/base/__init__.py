"""What a trained model of any family offers to the commands that sample, walk, review and evaluate.

A model family, such as `dcgan`, is a package of `pipeline/models/` that is listed in `pipeline.models.registry`. A
saved model is a folder with safetensors files and `model.json`, whose key `family` has the name of the family. Each
family has a subclass of `Generator`. The other base classes describe abilities that only some families have.
"""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Literal, Protocol

import numpy as np
import numpy.typing as npt
import torch

from pipeline.core.errors import BadParameters, Unsupported
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

    @property
    def classes(self) -> int:
        """Number of classes that the model was trained with; 0 for a model without classes."""
        return 0

    @abstractmethod
    def sample(self, count: int, seed: int, labels: Sequence[int] | None = None, *, first: int = 0) -> Images:
        """Pictures number `first` to `first + count - 1` of a seed: uint8 (count, H, W, C).

        A picture depends only on seed, number and label: the first 5 of 100 pictures equal the 5 of a call for 5.

        Args:
            seed: any non-negative integer.
            labels: class of each picture, 0..classes - 1; None for `default_labels`.

        Raises:
            Unsupported, BadParameters: see `check_labels`.
        """

    def default_labels(self, numbers: Sequence[int]) -> list[int] | None:
        """The labels of pictures for which none are given: number modulo classes; None if there are no classes."""
        return [number % self.classes for number in numbers] if self.classes else None

    def check_labels(self, labels: Sequence[int] | None, count: int) -> None:
        """Check the labels of `count` pictures.

        Raises:
            Unsupported: labels are given, but the model has no classes.
            BadParameters: a label is not a class of the model, or there is not one label for each picture.
        """
        if not self.classes:
            if labels is not None:
                raise Unsupported(f"this model of family {self.family} learns no classes; sample without labels")
            return
        if labels is None or len(labels) != count:
            given = "none" if labels is None else len(labels)
            raise BadParameters(f"labels: {given} for {count} pictures; give one for each picture")
        if wrong := [label for label in labels if not 0 <= label < self.classes]:
            raise BadParameters(f"label {wrong[0]}: expected a class of the model, 0 to {self.classes - 1}")

    def use_device(self, device: Literal["cpu", "cuda"]) -> None:
        """Make pictures on this device from now on; weights are saved and digested as before.

        Raises:
            Unsupported: the family uses only the CPU.
        """
        if device != "cpu":
            raise unsupported(self, f"--device {device}", "networks that run on a GPU")

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
    def decode(self, z: torch.Tensor, labels: Sequence[int] | None = None) -> Images:
        """Pictures of latents: uint8 (n, H, W, C); each depends only on its own latent and label.

        Args:
            z: float32 (n, *latent_shape).
            labels: class of each picture, 0..classes - 1; required if the model has classes.

        Raises:
            Unsupported, BadParameters: see `check_labels`.
        """

    def sample(self, count: int, seed: int, labels: Sequence[int] | None = None, *, first: int = 0) -> Images:
        """The pictures of `latents`; see `Generator.sample`."""
        numbers = range(first, first + count)
        return self.decode(self.latents(numbers, seed), self.default_labels(numbers) if labels is None else labels)


class BatchStatisticsGenerator(LatentGenerator):
    """A generator with batch norm, which can use the statistics of a batch instead of the running ones."""

    @abstractmethod
    def decode_batch(self, z: torch.Tensor, labels: Sequence[int] | None = None) -> Images:
        """Pictures of at least two latents, normalised by the mean and variance of this batch.

        Each picture depends on its whole batch. For the arguments and errors see `decode`.
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
