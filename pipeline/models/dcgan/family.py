"""The DCGAN as a model family: a saved generator, and a saved discriminator that computes features."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import torch

from pipeline.core import files
from pipeline.core.errors import Unsupported
from pipeline.imageset.format.image_set import Images
from pipeline.models.base import BatchStatisticsGenerator, FeatureExtractor
from pipeline.models.dcgan import saved_model
from pipeline.models.dcgan.model import PRESETS, Discriminator, Generator, build
from pipeline.models.dcgan.sampling import draw, latents
from pipeline.seeding import torch_generator
from pipeline.training import checkpoint


class DcganGenerator(BatchStatisticsGenerator):
    """A trained generator.

    Args:
        network: on the CPU, in evaluation mode; its weights are converted to channels_last, which is faster.
        description: the content of `model.json`.
    """

    family = saved_model.FAMILY

    def __init__(self, network: Generator, description: dict[str, Any]) -> None:
        self.network = network.to(memory_format=torch.channels_last)
        self.description = description

    def __repr__(self) -> str:
        return f"DcganGenerator({saved_model.architecture(self.description)})"

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Height, width and channels of a picture."""
        preset = self.network.preset
        return preset.side, preset.side, preset.colours

    @property
    def classes(self) -> int:
        """Number of classes; 0 for a preset without labels."""
        return self.network.preset.classes

    @property
    def latent_shape(self) -> tuple[int, ...]:
        """Shape with one axis, the length of z."""
        return (self.network.preset.latent,)

    @property
    def digest(self) -> str:
        """SHA-256 of `generator.safetensors`."""
        return hashlib.sha256(checkpoint.to_bytes(self.network.state_dict())).hexdigest()

    def use_device(self, device: Literal["cpu", "cuda"]) -> None:
        """Move the network to this device."""
        self.network.to(device)

    def latents(self, numbers: Sequence[int], seed: int) -> torch.Tensor:
        """The z of each number, float32 (n, latent), from the prior of the preset."""
        z = torch.empty(len(numbers), *self.latent_shape)
        for row, number in zip(z, numbers, strict=True):
            row[:] = latents(self.network.preset, torch_generator(seed, "latent", number))
        return z

    def decode(self, z: torch.Tensor, labels: Sequence[int] | None = None) -> Images:
        """Pictures of z, normalised by the running statistics."""
        return draw(self.network, z, self._label_tensor(labels, len(z)))

    def decode_batch(self, z: torch.Tensor, labels: Sequence[int] | None = None) -> Images:
        """Pictures of z, normalised by the statistics of this batch, as in the authors' released code."""
        return draw(self.network, z, self._label_tensor(labels, len(z)), batch_statistics=True)

    def _label_tensor(self, labels: Sequence[int] | None, count: int) -> torch.Tensor | None:
        self.check_labels(labels, count)
        return None if labels is None else torch.tensor(labels, dtype=torch.int64)

    def save(self, folder: Path) -> None:
        """Write `generator.safetensors` and `model.json`."""
        saved_model.save(folder, self.description, generator=self.network)


class DiscriminatorFeatures(FeatureExtractor):
    """The maps of a discriminator (the paper's section 5.1).

    Args:
        folder: folder of the model.

    Raises:
        MissingInput, CorruptData: `model.json` is missing or has wrong content.
        Unsupported: the discriminator needs labels.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._description = saved_model.read_description(folder)
        preset = PRESETS[self._description["preset"]]
        if preset.classes:
            raise Unsupported(
                f"--model {folder}: the discriminator of {self._description['preset']} needs the label of each picture "
                "and gives no features without it; give a model of a preset without classes"
            )
        self.architecture = saved_model.architecture(self._description)
        self.side = preset.side
        self.digest = files.sha256_file(folder / "discriminator.safetensors")

    def trained(self) -> Discriminator:
        """The discriminator with its trained weights."""
        return saved_model.load_discriminator(self._folder)

    def untrained(self, rng: torch.Generator) -> Discriminator:
        """A discriminator with the paper's random initial weights."""
        return build(Discriminator, PRESETS[self._description["preset"]], self._description["base_width"], rng)


def load_generator(folder: Path) -> DcganGenerator:
    """The generator of a saved DCGAN. Raises the errors of `saved_model.read_description`."""
    return DcganGenerator(saved_model.load_generator(folder), saved_model.read_description(folder))


def load_feature_extractor(folder: Path) -> DiscriminatorFeatures:
    """The discriminator of a saved DCGAN. Raises the errors of `DiscriminatorFeatures`."""
    return DiscriminatorFeatures(folder)
