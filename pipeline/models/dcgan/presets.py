"""The networks of the paper as data: each preset describes a generator and its discriminator.

Lists of layers are in order from the picture to the latent, because the discriminator mirrors the generator. Widths are
multiples of the base width, so that every pair of networks can be built at a smaller base width for a CPU.
"""

from dataclasses import dataclass
from typing import Literal

import torch

PresetName = Literal["paper64", "torch64", "imagenet32", "svhn32", "mnist28_conditional", "mnist28_fully_connected"]


@dataclass(frozen=True, kw_only=True)
class Preset:
    """What all pairs of networks have.

    Attributes:
        side: height and width of the pictures.
        base_width: published number of channels (or units) of the layer next to the picture.
        widths: channels or units of each layer, in multiples of the base width.
        latent: length of z.
        prior: distribution of each value of z: `uniform` in [-1, 1), or `normal` with mean 0 and variance 1.
        colours: channels of a picture: 3 (RGB) or 1 (grey).
        classes: number of classes whose labels the networks receive; 0 for networks without labels.
        values: range of the pictures in the networks, given by the last activation of the generator: `tanh` in
            [-1, 1], `sigmoid` in [0, 1].
        norm_affine: whether batch norm has learned gains and shifts.
    """

    side: int
    base_width: int
    widths: tuple[int, ...]
    latent: int = 100
    prior: Literal["uniform", "normal"] = "uniform"
    colours: Literal[1, 3] = 3
    classes: int = 0
    values: Literal["tanh", "sigmoid"] = "tanh"
    norm_affine: bool = True

    def scaled(self, pixels: torch.Tensor, dtype: torch.dtype = torch.float32) -> torch.Tensor:
        """The input of the networks: floats (n, colours, side, side) from pixels uint8 (n, side, side, colours)."""
        values = pixels.permute(0, 3, 1, 2).to(dtype)
        return values / 255 if self.values == "sigmoid" else values / 127.5 - 1

    def pixels(self, pictures: torch.Tensor) -> torch.Tensor:
        """The inverse of `scaled`: each value is rounded to the nearest of the levels 0..255.

        Args:
            pictures: float (n, colours, side, side), in the range of the networks.

        Returns:
            uint8 (n, side, side, colours), contiguous.
        """
        levels = pictures * 255 if self.values == "sigmoid" else (pictures + 1) * 127.5
        return levels.round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).contiguous()


@dataclass(frozen=True, kw_only=True)
class ConvolutionalPreset(Preset):
    """Networks of `convolutional`: convolutions between the picture and 4×4 maps.

    Attributes:
        kernel: side of every kernel.
        strides: stride of each layer; the first is that between the picture and `widths[0]`.
        norm_per_unit: whether batch norm after the projection of z has one gain per unit (channel and position)
            instead of one per channel.
    """

    kernel: int
    strides: tuple[int, ...]
    norm_per_unit: bool = True


@dataclass(frozen=True, kw_only=True)
class ConditionalPreset(Preset):
    """Networks of `conditional`: convolutions of stride 2, a fully connected layer, and labels in each layer.

    Attributes:
        kernel: side of every kernel.
        hidden: units of the fully connected layer, in multiples of the base width.
    """

    kernel: int
    hidden: int


@dataclass(frozen=True, kw_only=True)
class FullyConnectedPreset(Preset):
    """Networks of `fully_connected`: `widths` are the units of the hidden layers."""


PRESETS: dict[PresetName, Preset] = {
    # The paper's figure 1, and the code for faces that the first author released.
    "paper64": ConvolutionalPreset(side=64, kernel=5, base_width=128, widths=(1, 2, 4, 8), strides=(2, 2, 2, 2)),
    # soumith/dcgan.torch and the PyTorch example based on it: a fifth as many parameters as in the paper. Both sample z
    # from the normal distribution; here it is uniform, as in the paper, so that only the networks differ.
    "torch64": ConvolutionalPreset(
        side=64, kernel=4, base_width=64, widths=(1, 2, 4, 8), strides=(2, 2, 2, 2), norm_per_unit=False
    ),
    # The ImageNet network that the authors released; the six layers of its discriminator give the 28,672 features of
    # section 5.1.
    "imagenet32": ConvolutionalPreset(
        side=32, kernel=3, base_width=128, widths=(1, 1, 2, 2, 4, 4), strides=(1, 2, 1, 2, 1, 2), latent=256
    ),
    # The SVHN network that the authors released, whose three layers give 7,168 features. Its z is normal.
    "svhn32": ConvolutionalPreset(
        side=32, kernel=5, base_width=64, widths=(1, 2, 4), strides=(2, 2, 2), prior="normal"
    ),
    # Section 8.1 of the paper, and the released code for MNIST.
    "mnist28_conditional": ConditionalPreset(
        side=28,
        kernel=5,
        base_width=64,
        widths=(1, 2),
        hidden=16,
        colours=1,
        classes=10,
        values="sigmoid",
        norm_affine=False,
    ),
    # The baseline of section 8.1, "permutation invariant GAN". The paper does not give its layers: two hidden layers of
    # 1,024 units are our choice. The rest is as in the conditional DCGAN.
    "mnist28_fully_connected": FullyConnectedPreset(
        side=28, base_width=1024, widths=(1, 1), colours=1, classes=10, values="sigmoid", norm_affine=False
    ),
}
