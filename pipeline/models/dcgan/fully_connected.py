"""The fully connected GAN for MNIST, the baseline of the paper's section 8.1, which does not see which pixels are near.

The one-hot label is concatenated to z and to the pixels. The paper does not give the layers.
"""

from itertools import pairwise

import torch
from torch import nn

from pipeline.models.dcgan import networks
from pipeline.models.dcgan.networks import joined, one_hot, picture_activation
from pipeline.models.dcgan.presets import FullyConnectedPreset


class FullyConnectedGenerator(networks.Generator):
    """Hidden layers with batch norm and ReLU, then one unit per pixel with sigmoid. No layer has biases.

    Args:
        preset: what to build.
        base_width: units of the layer next to the picture; the full network has `preset.base_width`.
    """

    def __init__(self, preset: FullyConnectedPreset, base_width: int) -> None:
        super().__init__(preset)
        units = [preset.latent + preset.classes, *(base_width * width for width in reversed(preset.widths))]
        self.layers = nn.ModuleList(
            nn.Sequential(
                nn.Linear(before, after, bias=False),
                nn.BatchNorm1d(after, affine=preset.norm_affine),
                nn.ReLU(inplace=True),
            )
            for before, after in pairwise(units)
        )
        shape = (preset.colours, preset.side, preset.side)
        self.image = nn.Sequential(
            nn.Linear(units[-1], preset.colours * preset.side**2, bias=False),
            picture_activation(preset),
            nn.Unflatten(1, shape),
        )

    def forward(self, z: torch.Tensor, labels: torch.Tensor | None = None) -> torch.Tensor:
        """Pictures of z and labels; see `networks.Generator.forward`."""
        units = joined(z, one_hot(labels, self.preset))
        for layer in self.layers:
            units = layer(units)
        pictures: torch.Tensor = self.image(units)
        return pictures


class FullyConnectedDiscriminator(networks.Discriminator):
    """Hidden layers with LeakyReLU 0.2. Every hidden layer except the first has batch norm; no layer has biases.

    Args:
        preset: what to build.
        base_width: units of the layer next to the picture.
    """

    def __init__(self, preset: FullyConnectedPreset, base_width: int) -> None:
        super().__init__(preset)
        inputs = preset.colours * preset.side**2 + preset.classes
        units = [inputs, *(base_width * width for width in preset.widths)]
        self.layers = nn.ModuleList()
        for before, after in pairwise(units):
            norm = [nn.BatchNorm1d(after, affine=preset.norm_affine)] if len(self.layers) else []
            dense = nn.Linear(before, after, bias=False)
            self.layers.append(nn.Sequential(dense, *norm, nn.LeakyReLU(0.2, inplace=True)))
        self.logit = nn.Linear(units[-1], 1, bias=False)

    def features(self, pictures: torch.Tensor, labels: torch.Tensor | None = None) -> list[torch.Tensor]:
        """The units of each hidden layer; see `networks.Discriminator.features`."""
        units = [joined(pictures.flatten(1), one_hot(labels, self.preset))]
        for layer in self.layers:
            units.append(layer(units[-1]))
        return [values[:, :, None, None] for values in units[1:]]

    def forward(self, pictures: torch.Tensor, labels: torch.Tensor | None = None) -> torch.Tensor:
        """Logits of pictures and labels; see `networks.Discriminator.forward`."""
        logits: torch.Tensor = self.logit(self.features(pictures, labels)[-1].flatten(1)).squeeze(1)
        return logits
