"""Random-number generators, whose seeds are derived from the root seed and the name of their use.

The project has no global random state. A function that needs random numbers receives the root seed and derives its own
seed with a name, so that a new use of random numbers does not change those of other uses.
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
        names: parts of the name of the use, such as `("train-dcgan", "lsun", "step", 12)`.

    Returns:
        An integer in [0, 2**63), the same on every machine (SHA-256 of the text of the arguments).
    """
    text = "\x1f".join(str(part) for part in (seed, *names))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def numpy_rng(seed: int, *names: str | int) -> np.random.Generator:
    """A new PCG64 random-number generator for one use; see `derive`."""
    return np.random.Generator(np.random.PCG64(derive(seed, *names)))


def torch_generator(seed: int, *names: str | int) -> "torch.Generator":
    """A new random-number generator of torch on the CPU for one use; see `derive`.

    Random numbers are generated on the CPU and then moved to the device, because a GPU generates different ones.
    """
    import torch

    return torch.Generator().manual_seed(derive(seed, *names))


def deterministic(threads: int) -> None:
    """Make the results of torch reproducible: set its number of threads and select deterministic algorithms.

    Call it at the start of each stage that trains or runs a network. The order of summation depends on the thread
    count, so `threads` is a parameter of the profile and is never read from the machine.

    Args:
        threads: number of threads of torch, at least 1.
    """
    import os

    import torch

    # cuBLAS is only repeatable with a fixed workspace (PyTorch notes, "Reproducibility"); it has no effect on a CPU.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.set_num_threads(threads)
    # `use_deterministic_algorithms` does the same, but takes seconds to import torch's compiler, which is not used.
    torch.set_deterministic_debug_mode("error")
    # Do not fill new memory before use: filling only helps to find faults, and takes 6 % of the time of a step.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False
