"""What a training would take: its options, the size of the networks, memory and time; nothing is written."""

import resource
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pipeline.core.errors import BadParameters
from pipeline.models.dcgan.config import DcganConfig
from pipeline.models.dcgan.train import new_trainer, open_inputs
from pipeline.models.dcgan.trainer import DcganTrainer
from pipeline.training.distributed.world import ALONE, size_in_environment
from pipeline.training.runtime import Device

WARM_UP_STEPS = 5
"""Steps before the time is taken; enough for memory to be allocated and a CUDA graph to be recorded."""

TIMED_STEPS = 10


def dry_run(
    images_folder: Path, kept: Path | None, config: DcganConfig, *, name: str, seed: int, device: Device | None = None
) -> dict[str, Any]:
    """Train a few steps and report what the whole training would take. The arguments and errors are those of `train`.

    Returns:
        `options` (all values, with the device that is used) and `runtime`; `pictures`, `steps`;
        `generator_parameters`, `discriminator_parameters`; `state_bytes` (weights, gradients and Adam's moments);
        `peak_bytes` (most memory in use: of the GPU, or on a CPU of the whole process); `seconds_per_step` (the median
        of `TIMED_STEPS`) and `seconds` (of all steps, without samples and checkpoints).

    Raises:
        BadParameters: it runs under torchrun with several processes.
    """
    if size_in_environment() > 1:
        raise BadParameters("--dry-run: runs in one process only; leave torchrun out")
    inputs = open_inputs(images_folder, kept, config, name=name, seed=seed, device=device)
    trainer = new_trainer(inputs, ALONE)
    steps = inputs.config.epochs * (len(inputs.rows) // trainer.rows_per_step)
    if steps == 0:
        raise BadParameters(
            f"{len(inputs.rows)} pictures do not fill one batch of {trainer.rows_per_step}; lower `batch_size`"
        )
    seconds = [
        _timed_step(trainer, inputs.rows[: trainer.rows_per_step], n) for n in range(WARM_UP_STEPS + TIMED_STEPS)
    ]
    per_step = float(np.median(seconds[WARM_UP_STEPS:]))
    counts = [sum(weight.numel() for weight in n.parameters()) for n in (trainer.generator, trainer.discriminator)]
    return {
        "options": inputs.config.model_dump(),
        "runtime": inputs.record["runtime"],
        "pictures": len(inputs.rows),
        "steps": steps,
        "generator_parameters": counts[0],
        "discriminator_parameters": counts[1],
        "state_bytes": 4 * 4 * sum(counts),
        "peak_bytes": _peak_bytes(trainer.runtime.device),
        "seconds_per_step": per_step,
        "seconds": per_step * steps,
    }


def _timed_step(trainer: DcganTrainer, rows: Any, step: int) -> float:
    batch = trainer.batch(rows, step, trainer.seed)
    started = time.perf_counter()
    metrics = trainer.training_step(batch, step)
    float(metrics["g_loss"])  # waits for the device
    return time.perf_counter() - started


def _peak_bytes(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.max_memory_reserved(device)
    unit = 1 if sys.platform == "darwin" else 1024  # see getrusage(2)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def as_text(found: dict[str, Any]) -> str:
    """The report of `dry_run`, one line for each value."""
    options = dict(found["options"])
    options |= {f"runtime.{key}": value for key, value in options.pop("runtime").items()}
    lines = [f"{key}: {value}" for key, value in options.items()]
    state, peak = (found[key] / 1e9 for key in ("state_bytes", "peak_bytes"))
    hours = found["seconds"] / 3600
    return "\n".join(
        [
            *lines,
            f"device: {found['runtime']['device_name']}, torch {found['runtime']['torch']}",
            f"pictures: {found['pictures']:,}",
            f"parameters: generator {found['generator_parameters']:,}, "
            f"discriminator {found['discriminator_parameters']:,}",
            f"memory: {state:.2f} GB of weights, gradients and Adam's moments; {peak:.2f} GB at most in use",
            f"time: {found['seconds_per_step']:.3f} s per step, {found['steps']:,} steps, "
            f"{hours * 60:.1f} minutes in all" + (f" ({hours:.1f} hours)" if hours >= 2 else ""),
        ]
    )
