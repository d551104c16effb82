"""The training loop: batches in a seeded order, checkpoints, exact resume, history, and a stop at the first NaN.

The next batch is made in a separate thread while the model trains on the current one. The metrics of a step, such as
losses, are first kept on the model's device. They are copied to the CPU and checked every `CHECK_EVERY` steps and
before each checkpoint.
"""

import contextlib
import math
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Protocol, TypeVar

import torch

from pipeline.core import progress
from pipeline.core.errors import BadParameters, TrainingDiverged
from pipeline.imageset.format.image_set import Rows
from pipeline.seeding import numpy_rng
from pipeline.training import checkpoint

History = list[dict[str, float]]
"""One entry per epoch: `epoch`, `step` (steps done so far) and the mean of each metric over the steps of the epoch."""

CHECK_EVERY = 50
"""Maximum number of steps between two checks of the metrics. Each check makes the CPU wait for the device."""


B = TypeVar("B")


class Trainable(Protocol[B]):
    """The methods of a model that the loop calls."""

    def batch(self, rows: Rows, step: int) -> B:
        """Read the data and compute the random numbers of a step; called in another thread during the previous step.

        Args:
            rows: int64 (rows_per_step,), row numbers of the image set.
            step: number of the step, from 0. All random numbers of the step are derived from it and the seed, so a
                resumed run computes the same ones without a stored random state.
        """

    def training_step(self, batch: B, step: int) -> dict[str, torch.Tensor]:
        """Train on one batch.

        Args:
            batch: what `batch` returned for this step.
            step: number of the step, from 0.

        Returns:
            Metrics to log, such as losses: tensors of one element on the model's device, with the same names at each
            step.
        """

    def tensors(self) -> checkpoint.Tensors:
        """The complete state for a resumed run: weights, buffers, optimiser states."""

    def load_tensors(self, tensors: checkpoint.Tensors) -> None:
        """Restore what `tensors` returned."""


class _Figures:
    """Sums of the metrics over the steps of an epoch; those of the last steps stay on the device until `check`."""

    def __init__(self, sums: dict[str, float]) -> None:
        self.sums = sums
        self._names: list[str] = []
        self._waiting: list[torch.Tensor] = []

    def add(self, figures: dict[str, torch.Tensor]) -> None:
        self._names = list(figures)
        self._waiting.append(torch.stack([value.detach() for value in figures.values()]))

    def check(self, steps_done: int) -> tuple[str, float, int] | None:
        """Add the metrics on the device to the sums; return name, value and step of the first that is not finite."""
        if not self._waiting:
            return None
        first = steps_done - len(self._waiting)
        # All steps are copied at once. The sums are in double precision, in the order of the steps.
        for step, values in enumerate(torch.stack(self._waiting).tolist(), first):
            for name, value in zip(self._names, values, strict=True):
                if not math.isfinite(value):
                    return name, value, step
                self.sums[name] = self.sums.get(name, 0.0) + value
        self._waiting.clear()
        return None


def train(
    model: Trainable[B],
    rows: Rows,
    *,
    epochs: int,
    rows_per_step: int,
    seed: int,
    scratch: Path,
    checkpoint_every: int,
    title: str,
    end_of_epoch: Callable[[int], None] = lambda epoch: None,
) -> History:
    """Train for a number of epochs, resuming from the checkpoint in `scratch` if there is one.

    Args:
        rows: int64 (n,), the rows to train on; each epoch visits them in another random order. An incomplete last
            batch is left out, because batch norm needs full batches.
        epochs: passes over the rows.
        rows_per_step: number of rows in each step.
        seed: seed of the order of the rows.
        scratch: folder of the checkpoint.
        checkpoint_every: steps between checkpoints; one is also written at the end.
        title: title of the progress bar.
        end_of_epoch: called with the number of the epoch, from 1, before the next checkpoint is written. It may write
            samples. A resumed run may call it again for the same epoch; it must then write the same.

    Returns:
        The history of all epochs, including those before a resume.

    Raises:
        BadParameters: there are fewer than `rows_per_step` rows.
        TrainingDiverged: a metric or a weight is not finite. The last checkpoint stays in `scratch`. Its metrics and
            weights are finite, because they are checked before a checkpoint is written.
    """
    per_epoch = len(rows) // rows_per_step
    if per_epoch == 0:
        raise BadParameters(
            f"{title}: {len(rows)} pictures do not fill one batch of {rows_per_step}; lower `batch_size`"
        )
    path = scratch / "checkpoint.safetensors"
    done, history = 0, History()
    figures = _Figures({})
    if path.exists():
        tensors, state = checkpoint.load(path)
        model.load_tensors(tensors)
        done, history = state["step"], state["history"]
        figures = _Figures(state["sums"])
        progress.say(f"{title}: resumed at step {done} of {epochs * per_epoch}")

    def diverged(what: str, step: int) -> TrainingDiverged:
        kept = f"the last checkpoint before it is {path}" if path.exists() else "no checkpoint yet"
        return TrainingDiverged(
            f"{title}: {what} at step {step} (epoch {step // per_epoch + 1}); {kept}. "
            "Lower the learning rate or change the seed"
        )

    def check() -> None:
        if found := figures.check(done):
            name, value, step = found
            raise diverged(f"{name} is {value}", step)

    def save() -> None:
        check()
        tensors = model.tensors()
        # Metrics are computed before the update of their step, so the last update may have spoilt the weights.
        if name := _first_not_finite(tensors):
            raise diverged(f"{name} is no longer finite after the update", done - 1)
        checkpoint.save(path, tensors, {"step": done, "sums": figures.sums, "history": history})

    def plan(first: int) -> Iterator[tuple[Rows, int]]:
        for epoch in range(first // per_epoch, epochs):
            order = numpy_rng(seed, "order", epoch).permutation(rows)
            for step in range(max(first, epoch * per_epoch), (epoch + 1) * per_epoch):
                start = step % per_epoch * rows_per_step
                yield order[start : start + rows_per_step], step

    with (
        contextlib.closing(_ahead(model.batch, plan(done))) as batches,
        progress.bar(title, epochs * per_epoch, "steps", done=done) as advance,
    ):
        for epoch in range(done // per_epoch, epochs):
            for _ in range(done % per_epoch, per_epoch):
                figures.add(model.training_step(next(batches), done))
                done += 1
                advance(1)
                if done % checkpoint_every == 0 and done % per_epoch:
                    save()
                elif done % CHECK_EVERY == 0:
                    check()
            check()
            means = {name: total / per_epoch for name, total in figures.sums.items()}
            history.append({"epoch": epoch + 1, "step": done, **means})
            figures = _Figures({})
            end_of_epoch(epoch + 1)
            if done % checkpoint_every == 0 or epoch + 1 == epochs:
                save()
    return history


def _first_not_finite(tensors: checkpoint.Tensors) -> str | None:
    """Name of the first tensor with a NaN or an infinity; None if all values are finite."""
    names = [name for name, tensor in tensors.items() if tensor.is_floating_point() and tensor.numel()]
    # Joined on the model's device, so that one copy suffices instead of one per tensor.
    by_device: dict[torch.device, list[str]] = {}
    for name in names:
        by_device.setdefault(tensors[name].device, []).append(name)
    bad = {
        name
        for there in by_device.values()
        for name, finite in zip(there, torch.stack([tensors[n].isfinite().all() for n in there]).tolist(), strict=True)
        if not finite
    }
    return next((name for name in names if name in bad), None)


def _ahead(make: Callable[[Rows, int], B], plan: Iterable[tuple[Rows, int]]) -> Generator[B]:
    """Yield the result of `make` for each entry of the plan, in order; a thread computes the next one in advance."""
    with ThreadPoolExecutor(1) as pool:
        waiting: Future[B] | None = None
        for entry in plan:
            made, waiting = waiting, pool.submit(make, *entry)
            if made:
                yield made.result()
        if waiting:
            yield waiting.result()


def history_tsv(history: History) -> str:
    """The history as tab-separated text with a header, with six significant digits, for `dvc plots`."""
    # Sorted, because the JSON of a checkpoint does not preserve the order of the metrics.
    names = ["epoch", "step", *sorted(history[0].keys() - {"epoch", "step"})]
    lines = ["\t".join(names), *("\t".join(f"{entry[name]:.6g}" for name in names) for entry in history)]
    return "\n".join(lines) + "\n"
