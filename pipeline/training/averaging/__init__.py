"""A moving average of a network's weights, from which samples are made.

Source: Yazıcı et al., "The Unusual Effectiveness of Averaging in GAN Training" (2018).
"""

from collections.abc import Iterable, Sequence
from typing import TypeVar

import torch
from torch.nn.modules.batchnorm import _BatchNorm

N = TypeVar("N", bound=torch.nn.Module)


def follow(average: torch.nn.Module, network: torch.nn.Module, decay: float) -> None:
    """Update an exponential moving average: average · decay + network · (1 - decay), for each parameter, in place."""
    with torch.no_grad():
        torch._foreach_lerp_(list(average.parameters()), list(network.parameters()), 1 - decay)


def recompute_statistics(network: torch.nn.Module, batches: Iterable[Sequence[torch.Tensor | None]]) -> None:
    """Set the running statistics of all batch norms to the mean of those of some batches, in place.

    Averaged weights give other maps than the weights that were trained, so the running statistics of the training do
    not fit them.

    Args:
        network: its training mode is not changed.
        batches: the arguments of the network for each batch.
    """
    norms = [module for module in network.modules() if isinstance(module, _BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    training = network.training
    network.train()
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain mean of all batches
    with torch.no_grad():
        for batch in batches:
            network(*batch)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    network.train(training)
