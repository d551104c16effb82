"""Random generators, each seeded by the root seed and the name of its use.

The project has no global random state. A function that draws random numbers takes the root seed and names its use, so
that a new draw in one place does not change the draws in another.
"""

import hashlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch


def derive(seed: int, *names: str | int) -> int:
    """A seed for one use of random numbers.

    Args:
        seed: root seed, any non-negative integer.
        names: name of the use, such as `("train-dcgan", "lsun", "step", 12)`.

    Returns:
        An integer in [0, 2**63), the same on every machine (SHA-256 of the text of the arguments).
    """
    text = "\x1f".join(str(part) for part in (seed, *names))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def numpy_rng(seed: int, *names: str | int) -> np.random.Generator:
    """A new PCG64 generator for one use; see `derive`."""
    return np.random.Generator(np.random.PCG64(derive(seed, *names)))


def torch_generator(seed: int, *names: str | int) -> "torch.Generator":
    """A new generator on the CPU for one use; see `derive`.

    Numbers are drawn on the CPU and then moved, because the generator of a GPU gives others.
    """
    import torch

    return torch.Generator().manual_seed(derive(seed, *names))


def deterministic(threads: int) -> None:
    """Fix what decides the bits of torch's results: thread count and algorithms.

    Call it at the start of each stage that trains or runs a network. The order of summation depends on the thread
    count, so `threads` is a tracked parameter and never read from the machine.
    """
    import os

    import torch

    # cuBLAS is only repeatable with a fixed workspace (PyTorch notes, "Reproducibility"); no effect on a processor.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.set_num_threads(threads)
    # Its other name, `use_deterministic_algorithms`, imports the compiler of torch too: seconds, for what is not used.
    torch.set_deterministic_debug_mode("error")
    # Memory that is written to anyhow is not filled first: that would only show faults, and takes 6 % of a step.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False
