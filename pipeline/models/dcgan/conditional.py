"""The conditional DCGAN for MNIST (the paper's section 8.1, and the code that its first author released).

The one-hot label is concatenated to the input of every layer of both networks: to z, to units, and to maps as constant
maps. Both networks have a fully connected hidden layer, unlike the other DCGANs.
"""

from itertools import pairwise

import torch
from torch import nn

from pipeline.models.dcgan import networks
from pipeline.models.dcgan.networks import fractionally_strided, joined, one_hot, picture_activation, strided
from pipeline.models.dcgan.presets import ConditionalPreset

STRIDE = 2
"""Stride of every convolution."""


class ConditionalGenerator(networks.Generator):
    """Two fully connected layers, whose units become maps, then fractionally strided convolutions; ReLU, and sigmoid.

    Every layer except the last has batch norm; that of fully connected layers is per unit. No layer has biases.

    Args:
        preset: what to build.
        base_width: channels of the layer next to the picture; the published network has `preset.base_width`.
    """

    def __init__(self, preset: ConditionalPreset, base_width: int) -> None:
        super().__init__(preset)
        affine, classes = preset.norm_affine, preset.classes
        channels = [base_width * width for width in reversed(preset.widths)]
        top = (channels[0], *[preset.side // STRIDE ** len(channels)] * 2)
        units = [preset.latent, base_width * preset.hidden, top[0] * top[1] * top[2]]
        self.dense = nn.ModuleList(
            nn.Sequential(
                nn.Linear(before + classes, after, bias=False),
                nn.BatchNorm1d(after, affine=affine),
                nn.ReLU(inplace=True),
            )
            for before, after in pairwise(units)
        )
        self.shape = nn.Unflatten(1, top)
        self.layers = nn.ModuleList(
            nn.Sequential(
                fractionally_strided(before + classes, after, preset.kernel, STRIDE),
                nn.BatchNorm2d(after, affine=affine),
                nn.ReLU(inplace=True),
            )
            for before, after in pairwise(channels)
        )
        self.image = nn.Sequential(
            fractionally_strided(channels[-1] + classes, preset.colours, preset.kernel, STRIDE),
            picture_activation(preset),
        )

    def forward(self, z: torch.Tensor, labels: torch.Tensor | None = None) -> torch.Tensor:
        """Pictures of z and labels; see `networks.Generator.forward`."""
        y = one_hot(labels, self.preset)
        units = z
        for layer in self.dense:
            units = layer(joined(units, y))
        maps = self.shape(units)
        for layer in self.layers:
            maps = layer(joined(maps, y))
        pictures: torch.Tensor = self.image(joined(maps, y))
        return pictures


class ConditionalDiscriminator(networks.Discriminator):
    """Strided convolutions, then a fully connected layer; LeakyReLU 0.2.

    Every layer except the first has batch norm; that of the fully connected layer is per unit. No layer has biases.

    Args:
        preset: what to build.
        base_width: channels of the layer next to the picture.
    """

    def __init__(self, preset: ConditionalPreset, base_width: int) -> None:
        super().__init__(preset)
        affine, classes = preset.norm_affine, preset.classes
        channels = [preset.colours, *(base_width * width for width in preset.widths)]
        self.layers = nn.ModuleList()
        for before, after in pairwise(channels):
            norm = [nn.BatchNorm2d(after, affine=affine)] if len(self.layers) else []
            convolution = strided(before + classes, after, preset.kernel, STRIDE)
            self.layers.append(nn.Sequential(convolution, *norm, nn.LeakyReLU(0.2, inplace=True)))
        units = channels[-1] * (preset.side // STRIDE ** len(preset.widths)) ** 2
        hidden = base_width * preset.hidden
        self.dense = nn.Sequential(
            nn.Linear(units + classes, hidden, bias=False),
            nn.BatchNorm1d(hidden, affine=affine),
            nn.LeakyReLU(0.2, inplace=True),
        )
        self.logit = nn.Linear(hidden + classes, 1, bias=False)

    def features(self, pictures: torch.Tensor, labels: torch.Tensor | None = None) -> list[torch.Tensor]:
        """The maps of each convolution and the hidden units; see `networks.Discriminator.features`."""
        y = one_hot(labels, self.preset)
        maps = [pictures]
        for layer in self.layers:
            maps.append(layer(joined(maps[-1], y)))
        hidden = self.dense(joined(maps[-1].flatten(1), y))
        return [*maps[1:], hidden[:, :, None, None]]

    def forward(self, pictures: torch.Tensor, labels: torch.Tensor | None = None) -> torch.Tensor:
        """Logits of pictures and labels; see `networks.Discriminator.forward`."""
        hidden = self.features(pictures, labels)[-1].flatten(1)
        logits: torch.Tensor = self.logit(joined(hidden, one_hot(labels, self.preset))).squeeze(1)
        return logits
