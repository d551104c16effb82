"""Where and how a network is trained: device, precision, memory format, compilation, determinism, threads.

Each of these affects the bits of the trained weights, so each is a parameter of the profile, and `model.json` has the
resolved values. Sources: PyTorch's notes "Reproducibility", "CUDA semantics" (TF32) and "Automatic Mixed Precision".
"""

import contextlib
from typing import Any, Literal, TypeVar

import torch
from pydantic import Field

from pipeline.core import params
from pipeline.core.errors import BadParameters
from pipeline.seeding import deterministic

Device = Literal["auto", "cpu", "cuda"]
"""A device as the user writes it; `auto`: a CUDA device if torch finds one, else the CPU."""

N = TypeVar("N", bound=torch.nn.Module)


class RuntimeConfig(params.Section):
    """Part `runtime` of a section for training, such as `dcgan.SET.training.runtime`."""

    device: Literal["cpu", "cuda"] = Field(description="what to train on")
    precision: Literal["float32", "tf32", "bf16"] = Field(
        description="of products: float32; tf32: float32 with the inputs of matrix products and convolutions rounded "
        "to 10 bits of mantissa, on CUDA alone; bf16: autocast to bfloat16. Weights, and sums of gradients in the "
        "optimiser, are float32 in each"
    )
    memory_format: Literal["contiguous", "channels_last"] = Field(
        description="of pictures and convolutions' weights; decides speed and the last bits"
    )
    compile: bool = Field(description="whether torch.compile compiles the networks")
    determinism: Literal["strict", "fast"] = Field(
        description="strict: the same bits each time, an error where an operation cannot; fast: cuDNN tries its "
        "algorithms and takes the fastest, results differ in the last bits from run to run"
    )
    threads: int = Field(gt=0, description="of torch; decides the order of sums")


def resolve(config: RuntimeConfig, device: Device | None = None, *, where: str) -> RuntimeConfig:
    """Return the configuration with the device that will be used in place of `auto`.

    Args:
        device: device that the user chose, which replaces that of the configuration; None if the user chose none.
        where: name of the section, such as `dcgan.lsun.training.runtime`, for messages.

    Raises:
        BadParameters: the device is `cuda`, but torch finds no CUDA device; or it does not support the precision.
    """
    found = torch.cuda.is_available()
    asked = f"--device {device}" if device else f"{where}.device: {config.device}"
    chosen: Literal["cpu", "cuda"] = config.device
    if device == "auto":
        chosen = "cuda" if found else "cpu"
    elif device:
        chosen = device
    if chosen == "cuda" and not found:
        raise BadParameters(
            f"{asked}: torch {torch.__version__} sees no CUDA device; use --device cpu, or a machine with an NVIDIA "
            "GPU, its driver, and a build of torch for CUDA"
        )
    if config.precision == "tf32" and chosen == "cpu":
        raise BadParameters(f"{where}.precision: tf32 on {chosen}, expected float32 or bf16: only CUDA has tf32")
    return config.model_copy(update={"device": chosen})


def describe(config: RuntimeConfig) -> dict[str, Any]:
    """Everything besides code and data that affects the bits of the weights, as written to `model.json`.

    A checkpoint is resumed only if all of it is the same.

    Args:
        config: the resolved configuration.

    Returns:
        The configuration, and `device_name` (name of the GPU, or the instruction set that torch uses on a CPU), and the
        versions `torch`, `cuda` and `cudnn`; the last two are None on a CPU.
    """
    cuda = config.device == "cuda"
    return {
        **config.model_dump(),
        "device_name": torch.cuda.get_device_name() if cuda else torch.backends.cpu.get_cpu_capability(),
        "torch": str(torch.__version__),
        "cuda": torch.version.cuda if cuda else None,
        "cudnn": torch.backends.cudnn.version() if cuda else None,  # type: ignore[no-untyped-call]
    }


class Runtime:
    """A resolved configuration: it prepares tensors and networks for its device.

    Args:
        config: the resolved configuration. Torch's global settings (threads, determinism, TF32) are set to it.
    """

    def __init__(self, config: RuntimeConfig) -> None:
        self.config = config
        self.device = torch.device(config.device)
        self.memory_format = torch.channels_last if config.memory_format == "channels_last" else torch.contiguous_format
        deterministic(config.threads)
        if config.determinism == "fast":
            torch.set_deterministic_debug_mode("default")
            torch.backends.cudnn.benchmark = True
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = config.precision == "tf32"

    def place(self, network: N) -> N:
        """Move the network to the device and the memory format, compile it if the configuration says so; in place."""
        network.to(device=self.device, memory_format=self.memory_format)  # type: ignore[call-overload]
        if self.config.compile:
            # In place, so that the names of the weights do not change. The default mode uses no CUDA graphs, which
            # would need fixed addresses.
            network.compile()
        return network

    def pin(self, tensor: torch.Tensor) -> torch.Tensor:
        """The tensor in page-locked memory, from which `to_device` copies without waiting; unchanged for a CPU."""
        return tensor.pin_memory() if self.device.type == "cuda" else tensor

    def to_device(self, tensor: torch.Tensor) -> torch.Tensor:
        """The tensor on the device."""
        return tensor.to(self.device, non_blocking=True)

    def autocast(self) -> contextlib.AbstractContextManager[Any]:
        """The context in which forward passes and losses are computed."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.config.precision == "bf16")
