"""Batch norm whose statistics are those of the shares of all processes together, on a CPU as on CUDA.

`torch.nn.SyncBatchNorm` accepts no tensors on a CPU.
"""

from typing import TypeVar

import torch
from torch import nn
from torch.distributed.nn.functional import all_reduce  # gradients flow back through it, to all processes
from torch.nn.modules.batchnorm import _BatchNorm

from pipeline.training.distributed.world import World

N = TypeVar("N", bound=nn.Module)


class SyncBatchNorm(_BatchNorm):
    """Batch norm over the batch of all processes; in evaluation mode, plain batch norm with the running statistics.

    Args:
        plain: layer with a momentum whose parameters and running statistics it takes over; they are not copied.
        world: the processes, more than one; each gives a share of the same length.
    """

    def __init__(self, plain: _BatchNorm, world: World) -> None:
        super().__init__(plain.num_features, plain.eps, plain.momentum, affine=plain.affine)
        self.weight, self.bias = plain.weight, plain.bias
        self.running_mean, self.running_var = plain.running_mean, plain.running_var
        self.num_batches_tracked = plain.num_batches_tracked
        self.world = world

    def _check_input_dim(self, input: torch.Tensor) -> None:
        """Any number of axes is accepted; the second one is that of the channels."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Values (n, channels, …), normalised per channel."""
        if not self.training:
            return super().forward(input)
        axes = [axis for axis in range(input.ndim) if axis != 1]
        shape = [1, -1, *[1] * (input.ndim - 2)]
        values = input if input.dtype == torch.float64 else input.float()  # sums in bfloat16 would be too coarse
        count = values.numel() // values.shape[1] * self.world.size
        # The variance is computed from differences to the mean: a difference of two large sums would lose digits.
        mean = _total(values.sum(axes)) / count
        centred = values - mean.view(shape)
        variance = _total(centred.square().sum(axes)) / count
        self._follow(mean.detach(), variance.detach() * (count / (count - 1)))
        normalised: torch.Tensor = centred * (variance + self.eps).rsqrt().view(shape)
        if self.affine:
            normalised = normalised * self.weight.view(shape) + self.bias.view(shape)
        return normalised.to(input.dtype)

    def _follow(self, mean: torch.Tensor, variance: torch.Tensor) -> None:
        """Move the running statistics towards those of a batch; as in plain batch norm, the variance is unbiased."""
        assert self.momentum is not None and self.running_mean is not None and self.running_var is not None
        assert self.num_batches_tracked is not None
        with torch.no_grad():
            self.num_batches_tracked += 1
            self.running_mean.lerp_(mean.to(self.running_mean.dtype), self.momentum)
            self.running_var.lerp_(variance.to(self.running_var.dtype), self.momentum)


def _total(sums: torch.Tensor) -> torch.Tensor:
    """The sum over all processes."""
    total: torch.Tensor = all_reduce(sums)  # type: ignore[no-untyped-call]
    return total


def synchronised(network: N, world: World) -> N:
    """Replace each batch norm of a network, in place, unless this process is alone; names of weights do not change."""
    if world.size > 1:
        for module in list(network.modules()):
            for name, child in module.named_children():
                if isinstance(child, _BatchNorm):
                    setattr(module, name, SyncBatchNorm(child, world))
    return network


def running_statistics(network: nn.Module) -> list[torch.Tensor]:
    """The running means and variances of a network's batch norms."""
    return [buffer for buffer in network.buffers() if buffer.is_floating_point()]
