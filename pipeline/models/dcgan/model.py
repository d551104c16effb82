"""Build the generator or the discriminator of a preset."""

from typing import Any, TypeVar

import torch
from torch import nn

from pipeline.models.dcgan.conditional import ConditionalDiscriminator, ConditionalGenerator
from pipeline.models.dcgan.convolutional import ConvolutionalDiscriminator, ConvolutionalGenerator
from pipeline.models.dcgan.fully_connected import FullyConnectedDiscriminator, FullyConnectedGenerator
from pipeline.models.dcgan.networks import Discriminator, Generator
from pipeline.models.dcgan.presets import (
    PRESETS,
    ConditionalPreset,
    ConvolutionalPreset,
    FullyConnectedPreset,
    Preset,
    PresetName,
)

__all__ = ["PRESETS", "Discriminator", "Generator", "Network", "Preset", "PresetName", "build", "empty"]

Network = TypeVar("Network", Generator, Discriminator)

_CLASSES: dict[tuple[type, type], Any] = {
    (Generator, ConvolutionalPreset): ConvolutionalGenerator,
    (Generator, ConditionalPreset): ConditionalGenerator,
    (Generator, FullyConnectedPreset): FullyConnectedGenerator,
    (Discriminator, ConvolutionalPreset): ConvolutionalDiscriminator,
    (Discriminator, ConditionalPreset): ConditionalDiscriminator,
    (Discriminator, FullyConnectedPreset): FullyConnectedDiscriminator,
}


def build(kind: type[Network], preset: Preset, base_width: int, rng: torch.Generator) -> Network:
    """A network with the paper's initial weights: N(0, 0.02); for batch norm, gains N(1, 0.02) and shifts 0.

    Args:
        kind: `Generator` or `Discriminator`.
        base_width: channels (or units) of the layer next to the picture; the published one is `preset.base_width`.
        rng: the only source of random numbers; torch's global random state is neither read nor changed.
    """
    network = empty(kind, preset, base_width).to_empty(device="cpu")
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
                module.reset_running_stats()
                if module.affine:
                    module.weight.normal_(1.0, 0.02, generator=rng)
                    module.bias.zero_()
            elif isinstance(module, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
                module.weight.normal_(0.0, 0.02, generator=rng)
    return network


def empty(kind: type[Network], preset: Preset, base_width: int) -> Network:
    """A network on the meta device: names and shapes without storage; no random weights are computed."""
    with torch.device("meta"):
        network: Network = _CLASSES[kind, type(preset)](preset, base_width)
    return network
