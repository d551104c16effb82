"""DCGANs that nobody has trained, whose pictures differ all the same, and their folders."""

from pathlib import Path
from typing import Any

import torch

from pipeline.models.dcgan import saved_model
from pipeline.models.dcgan.model import PRESETS, Discriminator, Generator, PresetName, build
from pipeline.models.dcgan.sampling import latents

DESCRIPTION: dict[str, Any] = {"preset": "imagenet32", "base_width": 4}


def rng(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def lively(name: PresetName = "imagenet32", width: int = 4) -> Generator:
    """A generator whose pictures differ: untrained, with wider weights and the running statistics of a batch."""
    generator = build(Generator, PRESETS[name], width, rng())
    with torch.no_grad():
        generator.image[0].weight *= 5
        for module in generator.modules():
            if isinstance(module, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d):
                module.momentum = 1.0
        generator(latents(rng(2), 64, generator.preset.latent))
    return generator.eval()


def save_untrained(folder: Path) -> Path:
    """Make a model folder of `imagenet32` at width 4."""
    folder.mkdir(parents=True)
    discriminator = build(Discriminator, PRESETS["imagenet32"], 4, rng())
    saved_model.save(folder, DESCRIPTION, generator=lively(), discriminator=discriminator)
    return folder
