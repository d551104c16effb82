"""The processes that train one model together: their number, and what they exchange.

Each process has the whole model and computes the gradients of its share of a batch; the gradients are averaged, so all
processes make the same update. `torchrun` starts the processes and describes them in the environment (`RANK`,
`WORLD_SIZE`, `LOCAL_RANK`, `MASTER_ADDR`, `MASTER_PORT`). They exchange tensors with gloo on a CPU and with NCCL on
CUDA. Decisions, such as whether to stop, are always exchanged with gloo, so that no process waits for a GPU.
"""

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
import torch.distributed as dist

from pipeline.core.errors import BadParameters

T = TypeVar("T")


@dataclass(frozen=True)
class World:
    """A group of processes, seen from one of them; without arguments, one process alone, which exchanges nothing.

    Attributes:
        rank: number of this process, from 0. Only process 0 writes files and prints.
        size: number of processes.
        control: group for decisions; None if `size` is 1.
    """

    rank: int = 0
    size: int = 1
    control: Any = None

    @property
    def first(self) -> bool:
        """Whether this is the process that writes and prints."""
        return self.rank == 0

    def share(self, count: int) -> slice:
        """The part of `count` items that this process works on; all parts have the same length.

        Raises:
            BadParameters: `count` is not a multiple of the number of processes.
        """
        if count % self.size:
            raise BadParameters(
                f"batch_size {count} is not a multiple of the {self.size} processes; change it, or --nproc-per-node"
            )
        length = count // self.size
        return slice(self.rank * length, (self.rank + 1) * length)

    def average(self, tensors: Sequence[torch.Tensor]) -> None:
        """Replace each tensor, in place, by its mean over all processes; they are sent as one."""
        if self.size == 1 or not tensors:
            return
        with torch.no_grad():
            flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
            dist.all_reduce(flat)
            flat /= self.size
            parts = torch.split(flat, [tensor.numel() for tensor in tensors])
            for tensor, part in zip(tensors, parts, strict=True):
                tensor.copy_(part.view(tensor.shape))

    def highest(self, value: int) -> int:
        """The highest of the values that the processes give."""
        if self.size == 1:
            return value
        found = torch.tensor(value)
        dist.all_reduce(found, dist.ReduceOp.MAX, group=self.control)
        return int(found)

    def from_first(self, value: T) -> T:
        """The value that process 0 gives."""
        if self.size == 1:
            return value
        values = [value]
        dist.broadcast_object_list(values, src=0, group=self.control)
        return values[0]


ALONE = World()
"""One process, which trains without others."""


def rank_in_environment() -> int:
    """The number of this process as `torchrun` says; 0 without `torchrun`."""
    return int(os.environ.get("RANK", "0"))


def size_in_environment() -> int:
    """The number of processes as `torchrun` says; 1 without `torchrun`."""
    return int(os.environ.get("WORLD_SIZE", "1"))


@contextlib.contextmanager
def joined(device: str) -> Iterator[World]:
    """Join the processes that `torchrun` started while the block runs; without `torchrun`, `ALONE`.

    Args:
        device: `cpu` or `cuda`; each process of a machine uses the GPU of its `LOCAL_RANK`.

    Raises:
        BadParameters: the machine has fewer GPUs than processes.
    """
    if size_in_environment() == 1:
        yield ALONE
        return
    if device == "cuda":
        local, count = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
        if local >= count:
            raise BadParameters(f"--nproc-per-node: more processes than the {count} GPUs of this machine")
        torch.cuda.set_device(local)
    dist.init_process_group("nccl" if device == "cuda" else "gloo")
    try:
        control = dist.new_group(backend="gloo")
        yield World(dist.get_rank(), dist.get_world_size(), control)
    finally:
        dist.destroy_process_group()
