"""The paper's networks (section 3, figure 1): generator and discriminator, each built from a preset.

The discriminator mirrors the generator: between the picture and the 4×4 maps, both have the same channels and strides.
A preset therefore lists them once, in order from the picture to the 4×4 maps.
"""

from dataclasses import dataclass
from typing import Literal, TypeVar

import torch
from torch import nn

PresetName = Literal["paper64", "torch64", "imagenet32"]

TOP_SIDE = 4
"""Side of the smallest maps, in every preset: the first of the generator and the last of the discriminator."""


@dataclass(frozen=True)
class Preset:
    """A pair of networks.

    Attributes:
        side: height and width of the pictures; the product of the strides times `TOP_SIDE`.
        kernel: side of every kernel.
        base_width: published number of channels of the layer next to the picture.
        latent: length of z, uniform in [-1, 1].
        widths: channels of each layer, in multiples of the base width, in order from the picture to the 4×4 maps.
        strides: stride of each layer, in the same order; the first is that between the picture and `widths[0]`.
        norm_per_unit: whether batch norm after the projection of z has one gain per unit (channel and position)
            instead of one per channel.
    """

    side: int
    kernel: int
    base_width: int
    latent: int
    widths: tuple[int, ...]
    strides: tuple[int, ...]
    norm_per_unit: bool


PRESETS: dict[PresetName, Preset] = {
    # The paper's figure 1, and the code for faces that the first author released.
    "paper64": Preset(64, 5, 128, 100, widths=(1, 2, 4, 8), strides=(2, 2, 2, 2), norm_per_unit=True),
    # soumith/dcgan.torch and the PyTorch example based on it: a fifth as many parameters as in the paper.
    "torch64": Preset(64, 4, 64, 100, widths=(1, 2, 4, 8), strides=(2, 2, 2, 2), norm_per_unit=False),
    # The ImageNet network that the authors released; the six layers of its discriminator give the 28,672 features of
    # section 5.1.
    "imagenet32": Preset(32, 3, 128, 256, widths=(1, 1, 2, 2, 4, 4), strides=(1, 2, 1, 2, 1, 2), norm_per_unit=True),
}


class Generator(nn.Module):
    """z to pictures: a projection to 4×4 maps, then fractionally strided convolutions; ReLU, and tanh at the end.

    Every layer except the last has batch norm. No layer has biases, because the shifts of batch norm replace them.

    Args:
        preset: what to build.
        base_width: channels of the layer next to the picture; the published network has `preset.base_width`.
    """

    def __init__(self, preset: Preset, base_width: int) -> None:
        super().__init__()
        self.preset = preset
        channels = [base_width * width for width in reversed(preset.widths)]
        top = (channels[0], TOP_SIDE, TOP_SIDE)
        units = channels[0] * TOP_SIDE**2
        project, shape = nn.Linear(preset.latent, units, bias=False), nn.Unflatten(1, top)
        self.projection = (
            nn.Sequential(project, nn.BatchNorm1d(units), nn.ReLU(inplace=True), shape)
            if preset.norm_per_unit
            else nn.Sequential(project, shape, nn.BatchNorm2d(channels[0]), nn.ReLU(inplace=True))
        )
        strides = tuple(reversed(preset.strides))
        self.layers = nn.ModuleList(
            nn.Sequential(_up(before, after, preset.kernel, stride), nn.BatchNorm2d(after), nn.ReLU(inplace=True))
            for before, after, stride in zip(channels[:-1], channels[1:], strides[:-1], strict=True)
        )
        self.image = nn.Sequential(_up(channels[-1], 3, preset.kernel, strides[-1]), nn.Tanh())

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        """Pictures float32 (n, 3, side, side) in [-1, 1] from z float32 (n, latent)."""
        maps = self.projection(z)
        for layer in self.layers:
            maps = layer(maps)
        pictures: torch.Tensor = self.image(maps)
        return pictures


class Discriminator(nn.Module):
    """Pictures to logits: strided convolutions with LeakyReLU 0.2, then a linear layer on the flattened last maps.

    Every convolution except the first has batch norm. No layer has biases.

    Args:
        preset: what to build.
        base_width: channels of the layer next to the picture.
    """

    def __init__(self, preset: Preset, base_width: int) -> None:
        super().__init__()
        self.preset = preset
        channels = [3, *(base_width * width for width in preset.widths)]
        padding = (preset.kernel - 1) // 2
        self.layers = nn.ModuleList()
        for before, after, stride in zip(channels[:-1], channels[1:], preset.strides, strict=True):
            convolution = nn.Conv2d(before, after, preset.kernel, stride, padding, bias=False)
            norm = [] if before == 3 else [nn.BatchNorm2d(after)]
            self.layers.append(nn.Sequential(convolution, *norm, nn.LeakyReLU(0.2, inplace=True)))
        self.logit = nn.Linear(channels[-1] * TOP_SIDE**2, 1, bias=False)

    def features(self, pictures: torch.Tensor) -> list[torch.Tensor]:
        """The maps of each convolution after its activation, first layer first: float32 (n, channels, h, w)."""
        maps = [pictures]
        for layer in self.layers:
            maps.append(layer(maps[-1]))
        return maps[1:]

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """Logits float32 (n,) from pictures float32 (n, 3, side, side) in [-1, 1]; positive means real."""
        logits: torch.Tensor = self.logit(self.features(pictures)[-1].flatten(1)).squeeze(1)
        return logits


def _up(before: int, after: int, kernel: int, stride: int) -> nn.ConvTranspose2d:
    """A fractionally strided convolution whose output is exactly `stride` times as high and wide as its input."""
    padding = (kernel - 1) // 2
    return nn.ConvTranspose2d(
        before, after, kernel, stride, padding, output_padding=stride + 2 * padding - kernel, bias=False
    )


Network = TypeVar("Network", Generator, Discriminator)


def build(kind: type[Network], preset: Preset, base_width: int, rng: torch.Generator) -> Network:
    """A network with the paper's initial weights: N(0, 0.02); for batch norm, gains N(1, 0.02) and shifts 0.

    Args:
        kind: `Generator` or `Discriminator`.
        rng: the only source of random numbers; torch's global random state is neither read nor changed.
    """
    network = empty(kind, preset, base_width).to_empty(device="cpu")
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
                module.reset_running_stats()
                module.weight.normal_(1.0, 0.02, generator=rng)
                module.bias.zero_()
            elif isinstance(module, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
                module.weight.normal_(0.0, 0.02, generator=rng)
    return network


def empty(kind: type[Network], preset: Preset, base_width: int) -> Network:
    """A network on the meta device: names and shapes without storage; no random weights are computed."""
    with torch.device("meta"):
        return kind(preset, base_width)
