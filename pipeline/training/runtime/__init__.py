"""Where and how a network is trained: device, precision, memory format, compilation, graphs, determinism, threads.

Each of these affects the bits of the trained weights, so each is a parameter of the profile, and `model.json` has the
resolved values. Sources: PyTorch's notes "Reproducibility", "CUDA semantics" (TF32) and "Automatic Mixed Precision".
"""

import contextlib
from typing import Any, Literal, Protocol, TypeVar

import torch
from pydantic import Field

from pipeline.core import params
from pipeline.core.errors import BadParameters
from pipeline.seeding import deterministic
from pipeline.training.distributed.world import size_in_environment
from pipeline.training.matrix_convolution import with_matrix_products

Device = Literal["auto", "cpu", "cuda"]
"""A device as the user writes it; `auto`: a CUDA device if torch finds one, else the CPU."""

N = TypeVar("N", bound=torch.nn.Module)


class Step(Protocol):
    """The computation of a training step: tensors of a batch to metrics; all are on the device."""

    def __call__(self, *inputs: torch.Tensor | None) -> dict[str, torch.Tensor]: ...


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
    cuda_graphs: bool = Field(
        description="whether a step is recorded as a CUDA graph and replayed, which saves the time of starting its "
        "many small operations; CUDA alone, in one process"
    )
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
        BadParameters: the device is `cuda`, but torch finds no CUDA device; or the device does not support the
            precision, or graphs.
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
    if config.cuda_graphs and chosen == "cpu":
        raise BadParameters(f"{where}.cuda_graphs: true on {chosen}, expected false: only CUDA has graphs")
    if config.cuda_graphs and size_in_environment() > 1:
        raise BadParameters(
            f"{where}.cuda_graphs: true with {size_in_environment()} processes, expected false: graphs are for one "
            "process"
        )
    return config.model_copy(update={"device": chosen})


def describe(config: RuntimeConfig) -> dict[str, Any]:
    """Everything besides code and data that affects the bits of the weights, as written to `model.json`.

    A checkpoint is resumed only if all of it is the same.

    Args:
        config: the resolved configuration.

    Returns:
        The configuration, and `device_name` (name of the GPU, or the instruction set that torch uses on a CPU), and the
        versions `torch`, `cuda` and `cudnn`; the last two are None on a CPU; and `processes`, their number.
    """
    cuda = config.device == "cuda"
    return {
        **config.model_dump(),
        "device_name": torch.cuda.get_device_name() if cuda else torch.backends.cpu.get_cpu_capability(),
        "torch": str(torch.__version__),
        "cuda": torch.version.cuda if cuda else None,
        "cudnn": torch.backends.cudnn.version() if cuda else None,  # type: ignore[no-untyped-call]
        "processes": size_in_environment(),
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

    def move(self, network: N) -> N:
        """Move the network to the device and the memory format, in place."""
        network.to(device=self.device, memory_format=self.memory_format)  # type: ignore[call-overload]
        return network

    def place(self, network: N) -> N:
        """Move the network, and compile it if the configuration says so; in place.

        On a CPU, with channels last, the slowest convolutions are computed as products of matrices.
        """
        self.move(network)
        if self.device.type == "cpu" and self.memory_format == torch.channels_last and not self.config.compile:
            with_matrix_products(network)
        if self.config.compile:
            # In place, so that the names of the weights do not change. The default mode uses no CUDA graphs, which
            # would need fixed addresses.
            network.compile()
        return network

    def adam(
        self, network: torch.nn.Module, learning_rate: float, betas: tuple[float, float], weight_decay: float
    ) -> torch.optim.Adam:
        """Adam for the parameters of a network that is already placed.

        It is fused: one pass over the memory of all weights, where the plain one takes a dozen.

        Args:
            weight_decay: times each weight, added to its gradient.
        """
        return torch.optim.Adam(
            network.parameters(),
            learning_rate,
            betas,
            eps=1e-8,
            weight_decay=weight_decay,
            fused=True,
            capturable=self.config.cuda_graphs,
        )

    def graphed(self, step: Step) -> Step:
        """The step itself, or one that replays it as a CUDA graph if the configuration says so."""
        return GraphedStep(step) if self.config.cuda_graphs else step

    def autocast(self) -> contextlib.AbstractContextManager[Any]:
        """The context in which forward passes and losses are computed."""
        # A recorded graph would not see that cached casts are those of earlier weights.
        return torch.autocast(
            self.device.type,
            torch.bfloat16,
            enabled=self.config.precision == "bf16",
            cache_enabled=not self.config.cuda_graphs,
        )


WARM_UP = 3
"""Steps before a graph is recorded: libraries choose their algorithms and allocate their memory in the first ones."""


class GraphedStep:
    """A training step that is recorded once as a CUDA graph and then replayed.

    Source: PyTorch's notes "CUDA semantics", section "CUDA Graphs", whole-network capture. The first steps are done
    without a graph, in another stream as the notes demand; they are steps of the training like the others.

    Args:
        step: reads only its arguments and tensors with fixed addresses, such as weights; never waits for the device.
            The shapes of its arguments are the same in each call.
    """

    def __init__(self, step: Step) -> None:
        self._step = step
        self._calls = 0
        self._graph: torch.cuda.CUDAGraph | None = None
        self._inputs: tuple[torch.Tensor | None, ...] = ()
        self._outputs: dict[str, torch.Tensor] = {}

    def __call__(self, *inputs: torch.Tensor | None) -> dict[str, torch.Tensor]:
        """Train on a batch. The returned tensors are overwritten by the next call."""
        self._calls += 1
        if self._calls <= WARM_UP:
            now, side = torch.cuda.current_stream(), torch.cuda.Stream()  # type: ignore[no-untyped-call]
            side.wait_stream(now)
            with torch.cuda.stream(side):
                metrics = self._step(*inputs)
            now.wait_stream(side)
            return metrics
        if self._graph is None:
            self._inputs = tuple(None if value is None else value.clone() for value in inputs)
            self._graph = torch.cuda.CUDAGraph()
            # thread_local: threads that make the next batches may allocate memory meanwhile.
            with torch.cuda.graph(self._graph, capture_error_mode="thread_local"):
                self._outputs = self._step(*self._inputs)
        for fixed, value in zip(self._inputs, inputs, strict=True):
            if fixed is not None and value is not None:
                fixed.copy_(value)
        self._graph.replay()
        return self._outputs
