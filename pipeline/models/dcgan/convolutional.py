"""The DCGAN of the paper (section 3, figure 1).

The discriminator mirrors the generator: between the picture and the 4×4 maps, both have the same channels and strides.
"""

import torch
from torch import nn

from pipeline.models.dcgan import networks
from pipeline.models.dcgan.networks import fractionally_strided, picture_activation, refuse_labels, strided
from pipeline.models.dcgan.presets import ConvolutionalPreset

TOP_SIDE = 4
"""Side of the smallest maps, in every preset: the first of the generator and the last of the discriminator."""


class ConvolutionalGenerator(networks.Generator):
    """A projection of z to 4×4 maps, then fractionally strided convolutions; ReLU, and tanh at the end.

    Every layer except the last has batch norm. No layer has biases, because the shifts of batch norm replace them.

    Args:
        preset: what to build; without classes.
        base_width: channels of the layer next to the picture; the published network has `preset.base_width`.
    """

    def __init__(self, preset: ConvolutionalPreset, base_width: int) -> None:
        super().__init__(preset)
        affine = preset.norm_affine
        channels = [base_width * width for width in reversed(preset.widths)]
        top = (channels[0], TOP_SIDE, TOP_SIDE)
        units = channels[0] * TOP_SIDE**2
        project, shape = nn.Linear(preset.latent, units, bias=False), nn.Unflatten(1, top)
        self.projection = (
            nn.Sequential(project, nn.BatchNorm1d(units, affine=affine), nn.ReLU(inplace=True), shape)
            if preset.norm_per_unit
            else nn.Sequential(project, shape, nn.BatchNorm2d(channels[0], affine=affine), nn.ReLU(inplace=True))
        )
        strides = tuple(reversed(preset.strides))
        self.layers = nn.ModuleList(
            nn.Sequential(
                fractionally_strided(before, after, preset.kernel, stride),
                nn.BatchNorm2d(after, affine=affine),
                nn.ReLU(inplace=True),
            )
            for before, after, stride in zip(channels[:-1], channels[1:], strides[:-1], strict=True)
        )
        self.image = nn.Sequential(
            fractionally_strided(channels[-1], preset.colours, preset.kernel, strides[-1]), picture_activation(preset)
        )

    def forward(self, z: torch.Tensor, labels: torch.Tensor | None = None) -> torch.Tensor:
        """Pictures of z; see `networks.Generator.forward`."""
        refuse_labels(labels)
        maps = self.projection(z)
        for layer in self.layers:
            maps = layer(maps)
        pictures: torch.Tensor = self.image(maps)
        return pictures


class ConvolutionalDiscriminator(networks.Discriminator):
    """Strided convolutions with LeakyReLU 0.2, then a linear layer on the flattened last maps.

    Every convolution except the first has batch norm. No layer has biases.

    Args:
        preset: what to build; without classes.
        base_width: channels of the layer next to the picture.
    """

    def __init__(self, preset: ConvolutionalPreset, base_width: int) -> None:
        super().__init__(preset)
        channels = [preset.colours, *(base_width * width for width in preset.widths)]
        self.layers = nn.ModuleList()
        for before, after, stride in zip(channels[:-1], channels[1:], preset.strides, strict=True):
            norm = [nn.BatchNorm2d(after, affine=preset.norm_affine)] if len(self.layers) else []
            convolution = strided(before, after, preset.kernel, stride)
            self.layers.append(nn.Sequential(convolution, *norm, nn.LeakyReLU(0.2, inplace=True)))
        self.logit = nn.Linear(channels[-1] * TOP_SIDE**2, 1, bias=False)

    def features(self, pictures: torch.Tensor, labels: torch.Tensor | None = None) -> list[torch.Tensor]:
        """The maps of each convolution; see `networks.Discriminator.features`."""
        refuse_labels(labels)
        maps = [pictures]
        for layer in self.layers:
            maps.append(layer(maps[-1]))
        return maps[1:]

    def forward(self, pictures: torch.Tensor, labels: torch.Tensor | None = None) -> torch.Tensor:
        """Logits of pictures; see `networks.Discriminator.forward`."""
        logits: torch.Tensor = self.logit(self.features(pictures, labels)[-1].flatten(1)).squeeze(1)
        return logits
