"""DCGANs that nobody has trained, whose pictures differ all the same, and their folders."""

from pathlib import Path

import torch

from pipeline.models.dcgan import saved_model
from pipeline.models.dcgan.model import PRESETS, Discriminator, Generator, PresetName, build
from pipeline.models.dcgan.sampling import latents


def rng(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def lively(name: PresetName = "imagenet32", width: int = 4) -> Generator:
    """A generator whose pictures differ: untrained, with wider weights and the running statistics of a batch."""
    preset = PRESETS[name]
    generator = build(Generator, preset, width, rng())
    with torch.no_grad():
        next(generator.image.children()).weight *= 5  # type: ignore[operator,union-attr]
        for module in generator.modules():
            if isinstance(module, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d):
                module.momentum = 1.0
        generator(latents(preset, rng(2), 64), labels(name, 64))
    return generator.eval()


def labels(name: PresetName, count: int) -> torch.Tensor | None:
    """Classes in turn; None for a preset without classes."""
    classes = PRESETS[name].classes
    return torch.arange(count) % classes if classes else None


def save_untrained(folder: Path, name: PresetName = "imagenet32") -> Path:
    """Make a model folder of a preset at width 4."""
    folder.mkdir(parents=True)
    discriminator = build(Discriminator, PRESETS[name], 4, rng())
    description = {"preset": name, "base_width": 4}
    saved_model.save(folder, description, generator=lively(name), discriminator=discriminator)
    return folder
