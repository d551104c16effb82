"""Convolutions between small maps as products of matrices, for training on a CPU.

oneDNN computes the weight gradient of a convolution picture by picture. Where the maps are small and the channels are
many, as next to the 4×4 maps of a DCGAN, each picture adds little to a large gradient, and the time goes into reading
and writing it. One product of matrices adds up all pictures at once. Measured on one core of an AMD EPYC (AVX2,
float32, 32 pictures, 8×8 to 4×4 maps), output and both gradients take 0.10 s instead of 0.20 s with 4×4 kernels and 256
to 512 channels, and 0.64 s instead of 1.58 s with 5×5 kernels and 512 to 1,024 channels.

A convolution relates large maps to small ones: each position of the small maps sees a window of the large ones. With
the windows as rows of a matrix, `small = windows(large) · Wᵀ`. A transposed convolution is
`large = overlay(small · W)`, where `overlay` adds each window at its place. Each of the two functions is the gradient
of the other one.
"""

from typing import Any, TypeVar

import torch
from torch import nn

MOST_POSITIONS = 16
"""Small maps have at most this many positions (4×4); for larger ones oneDNN is faster."""

FEWEST_CHANNELS = 128
"""Both maps have at least this many channels; with 64 channels oneDNN was as fast or faster."""

N = TypeVar("N", bound=nn.Module)
Geometry = tuple[int, int, int]
"""Side of the kernel, stride and padding, the same for both axes."""


def with_matrix_products(network: N) -> N:
    """Replace the convolutions of a network that this module can compute, in place; names of weights do not change."""
    for module in list(network.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.Conv2d | nn.ConvTranspose2d) and _suits(child):
                setattr(module, name, MatrixConvolution(child))
    return network


def _suits(layer: nn.Conv2d | nn.ConvTranspose2d) -> bool:
    pairs = (layer.kernel_size, layer.stride, layer.dilation, layer.output_padding)
    square = all(len(set(pair)) == 1 for pair in pairs)
    return (
        square
        and not isinstance(layer.padding, str)
        and len(set(layer.padding)) == 1
        and layer.padding_mode == "zeros"
        and layer.bias is None
        and layer.groups == 1
        and layer.dilation[0] == 1
        and layer.output_padding[0] < layer.stride[0]
        and min(layer.in_channels, layer.out_channels) >= FEWEST_CHANNELS
    )


class MatrixConvolution(nn.Module):
    """A convolution, or transposed one, as a product of matrices where its small maps are small enough.

    Attributes:
        most_positions: `MOST_POSITIONS`; with 0 the layer computes everything.

    Args:
        layer: the layer, whose weight is taken over, not copied. It still computes larger maps, and all maps under
            autocast.
    """

    def __init__(self, layer: nn.Conv2d | nn.ConvTranspose2d) -> None:
        super().__init__()
        self.weight = layer.weight
        self.most_positions = MOST_POSITIONS
        self._layer = [layer]  # in a list, so that its weight has no second name
        assert not isinstance(layer.padding, str)
        self._geometry: Geometry = (layer.kernel_size[0], layer.stride[0], layer.padding[0])
        self._transposed = isinstance(layer, nn.ConvTranspose2d)
        self._longer = layer.output_padding[0] if self._transposed else 0

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Maps (n, channels, h, w) of the layer's output, channels last."""
        n, _, height, width = maps.shape
        kernel, stride, padding = self._geometry
        small = [side if self._transposed else (side + 2 * padding - kernel) // stride + 1 for side in (height, width)]
        if small[0] * small[1] > self.most_positions or torch.is_autocast_enabled(maps.device.type):
            computed: torch.Tensor = self._layer[0](maps)
            return computed
        # (channels of small maps, kernel · kernel · channels of large maps); no copy if the weight is channels last
        matrix = self.weight.permute(0, 2, 3, 1).flatten(1)
        rows = maps.permute(0, 2, 3, 1)
        if self._transposed:
            sides = [(side - 1) * stride - 2 * padding + kernel + self._longer for side in (height, width)]
            shape = (n, sides[0], sides[1], self.weight.shape[1])
            large: torch.Tensor = _Overlay.apply(rows.flatten(0, 2) @ matrix, shape, self._geometry)
            return large.permute(0, 3, 1, 2)
        found: torch.Tensor = _Windows.apply(rows, self._geometry)
        return (found @ matrix.T).view(n, small[0], small[1], -1).permute(0, 3, 1, 2)


class _Windows(torch.autograd.Function):
    """Large maps (n, h, w, channels) to the matrix of windows; see `windows`."""

    @staticmethod
    def forward(ctx: Any, large: torch.Tensor, geometry: Geometry) -> torch.Tensor:
        ctx.shape, ctx.geometry = large.shape, geometry
        return windows(large, geometry)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None]:
        return overlay(gradients[0], ctx.shape, ctx.geometry), None


class _Overlay(torch.autograd.Function):
    """The matrix of windows to large maps; see `overlay`."""

    @staticmethod
    def forward(ctx: Any, matrix: torch.Tensor, shape: tuple[int, int, int, int], geometry: Geometry) -> torch.Tensor:
        ctx.geometry = geometry
        return overlay(matrix, shape, geometry)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        return windows(gradients[0], ctx.geometry), None, None


def windows(large: torch.Tensor, geometry: Geometry) -> torch.Tensor:
    """The windows of large maps (n, h, w, channels), one per row: (n · positions, kernel · kernel · channels)."""
    kernel, stride, padding = geometry
    padded = nn.functional.pad(large, (0, 0, padding, padding, padding, padding)).contiguous()
    n, height, width, channels = padded.shape
    down, right = (height - kernel) // stride + 1, (width - kernel) // stride + 1
    of_n, of_h, of_w, of_c = padded.stride()
    view = padded.as_strided(
        (n, down, right, kernel, kernel, channels), (of_n, of_h * stride, of_w * stride, of_h, of_w, of_c)
    )
    return view.reshape(n * down * right, kernel * kernel * channels)


def overlay(matrix: torch.Tensor, shape: tuple[int, ...], geometry: Geometry) -> torch.Tensor:
    """Large maps (n, h, w, channels) of this shape, the sum of windows at their places; the transpose of `windows`."""
    kernel, stride, padding = geometry
    n, height, width, channels = shape
    down, right = ((side + 2 * padding - kernel) // stride + 1 for side in (height, width))
    padded = matrix.new_zeros(n, height + 2 * padding, width + 2 * padding, channels)
    parts = matrix.view(n, down, right, kernel, kernel, channels)
    for i in range(kernel):
        for j in range(kernel):
            padded[:, i : i + stride * down : stride, j : j + stride * right : stride] += parts[:, :, :, i, j]
    return padded[:, padding : padding + height, padding : padding + width].contiguous()
