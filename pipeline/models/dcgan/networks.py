"""What all generators and discriminators have in common: their inputs and outputs, and how labels enter them."""

import torch
from torch import nn

from pipeline.models.dcgan.presets import Preset


class Generator(nn.Module):
    """z to pictures.

    Attributes:
        preset: which networks.
    """

    def __init__(self, preset: Preset) -> None:
        super().__init__()
        self.preset = preset

    def forward(self, z: torch.Tensor, labels: torch.Tensor | None = None) -> torch.Tensor:
        """Pictures float32 (n, colours, side, side), in the range of the preset.

        Args:
            z: float32 (n, latent).
            labels: int64 (n,), classes 0..classes - 1; None if and only if the preset has no classes.

        Raises:
            ValueError: labels are missing, or given to a preset without classes.
        """
        raise NotImplementedError


class Discriminator(nn.Module):
    """Pictures to logits.

    Attributes:
        preset: which networks.
    """

    def __init__(self, preset: Preset) -> None:
        super().__init__()
        self.preset = preset

    def features(self, pictures: torch.Tensor, labels: torch.Tensor | None = None) -> list[torch.Tensor]:
        """The maps of each hidden layer after its activation, first layer first: float32 (n, channels, h, w).

        Units of a fully connected layer are channels of 1×1 maps. For the arguments and errors see `forward`.
        """
        raise NotImplementedError

    def forward(self, pictures: torch.Tensor, labels: torch.Tensor | None = None) -> torch.Tensor:
        """Logits float32 (n,); positive means real.

        Args:
            pictures: float32 (n, colours, side, side), in the range of the preset.
            labels: int64 (n,), classes 0..classes - 1; None if and only if the preset has no classes.

        Raises:
            ValueError: labels are missing, or given to a preset without classes.
        """
        raise NotImplementedError


def one_hot(labels: torch.Tensor | None, preset: Preset) -> torch.Tensor:
    """Labels int64 (n,) as float32 (n, classes): 1 at the class, 0 elsewhere.

    It compares instead of scattering, so that it is deterministic and does not wait for a GPU.

    Raises:
        ValueError: there are no labels.
    """
    if labels is None:
        raise ValueError(f"labels: None, expected int64 (n,) of classes 0 to {preset.classes - 1}")
    return (labels[:, None] == torch.arange(preset.classes, device=labels.device)).float()


def refuse_labels(labels: torch.Tensor | None) -> None:
    """Raise ValueError if labels are given to a network without classes."""
    if labels is not None:
        raise ValueError("labels were given, but the network has no classes")


def joined(values: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Concatenate the labels to the channels of the values.

    Args:
        values: units (n, units), or maps (n, channels, h, w).
        y: one-hot labels (n, classes); in maps, each is repeated at every position.
    """
    y = y.to(values.dtype)
    if values.ndim == 4:
        # Stored as channels_last: otherwise the result would lose this memory format, if the values have it.
        y = y[:, None, None].repeat(1, *values.shape[2:], 1).permute(0, 3, 1, 2)
    return torch.cat([values, y], dim=1)


def picture_activation(preset: Preset) -> nn.Module:
    """The last activation of a generator, which determines the range of its pictures."""
    return nn.Sigmoid() if preset.values == "sigmoid" else nn.Tanh()


def strided(before: int, after: int, kernel: int, stride: int) -> nn.Conv2d:
    """A strided convolution without bias; its maps are `stride` times smaller than its input in each direction."""
    return nn.Conv2d(before, after, kernel, stride, (kernel - 1) // 2, bias=False)


def fractionally_strided(before: int, after: int, kernel: int, stride: int) -> nn.ConvTranspose2d:
    """A fractionally strided convolution without bias, whose output is exactly `stride` times as high and wide."""
    padding = (kernel - 1) // 2
    return nn.ConvTranspose2d(
        before, after, kernel, stride, padding, output_padding=stride + 2 * padding - kernel, bias=False
    )
