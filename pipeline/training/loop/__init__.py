"""The training loop: batches in a seeded order, checkpoints, exact resume, history, and a stop at the first NaN.

The next batch is made in a thread of its own while the model trains on the current one. The figures of a step stay on
the model's device; they are copied to the CPU, and checked, every `CHECK_EVERY` steps and before each checkpoint.
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
"""One entry an epoch: `epoch`, `step` (steps done so far) and the mean of each figure over the epoch's steps."""

CHECK_EVERY = 50
"""Most steps between two checks of the figures: each check makes the CPU wait for the device."""


B = TypeVar("B")


class Trainable(Protocol[B]):
    """What a model offers to the loop."""

    def batch(self, rows: Rows, step: int) -> B:
        """Read, and draw, all that a step needs. Called from another thread while the step before it runs.

        Args:
            rows: int64 (rows_per_step,), row numbers of the image set.
            step: number of the step, from 0; with the seed it names every draw of the step, so that a resumed run
                draws the same without any generator's state being stored.
        """

    def training_step(self, batch: B, step: int) -> dict[str, torch.Tensor]:
        """Train on one batch.

        Args:
            batch: what `batch` returned for this step.
            step: number of the step, from 0.

        Returns:
            Figures to log, such as losses: tensors of one element on the model's device, the same names at each step.
        """

    def tensors(self) -> checkpoint.Tensors:
        """All that a resumed run needs: weights, buffers, optimiser states."""

    def load_tensors(self, tensors: checkpoint.Tensors) -> None:
        """Put back what `tensors` gave."""


class _Figures:
    """Sums of the figures of an epoch's steps; those of the last steps wait on the device until `check`."""

    def __init__(self, sums: dict[str, float]) -> None:
        self.sums = sums
        self._names: list[str] = []
        self._waiting: list[torch.Tensor] = []

    def add(self, figures: dict[str, torch.Tensor]) -> None:
        self._names = list(figures)
        self._waiting.append(torch.stack([value.detach() for value in figures.values()]))

    def check(self, steps_done: int) -> tuple[str, float, int] | None:
        """Add what waits to the sums; name, value and step of the first figure that is not finite, if there is one."""
        if not self._waiting:
            return None
        first = steps_done - len(self._waiting)
        # One copy for all steps. Summed in double precision, in the order of the steps.
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
        rows: int64 (n,), the rows to train on; each epoch visits them in an order of its own. A last batch that is
            not full is left out, for batch norm needs full ones.
        epochs: passes over the rows.
        rows_per_step: rows that each step takes.
        seed: names the order of the rows.
        scratch: folder of the checkpoint.
        checkpoint_every: steps between checkpoints; there is one at the end too.
        title: what is being trained, for the progress bar.
        end_of_epoch: called with the epoch's number, from 1, before a checkpoint that follows is written; it may write
            samples, and must write the same when called again.

    Returns:
        The history of all epochs, those before a resume included.

    Raises:
        BadParameters: there are fewer rows than one step takes.
        TrainingDiverged: a figure or a weight is not finite. The last checkpoint stays in `scratch`; it was written
            before the step at fault, for only finite weights are written, after finite figures of all steps.
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
        # The figures are those before a step's update: the last update may have spoilt weights all the same.
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
    """Name of the first tensor that holds a NaN or an infinity."""
    names = [name for name, tensor in tensors.items() if tensor.is_floating_point() and tensor.numel()]
    # Joined on the model's device, so that there is one copy and not one a tensor.
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
    """What is made of each entry of the plan, in order; the next one is being made while one is used."""
    with ThreadPoolExecutor(1) as pool:
        waiting: Future[B] | None = None
        for entry in plan:
            made, waiting = waiting, pool.submit(make, *entry)
            if made:
                yield made.result()
        if waiting:
            yield waiting.result()


def history_tsv(history: History) -> str:
    """The history as tab-separated text with a header, six significant digits, for `dvc plots`."""
    # Sorted: entries that went through a checkpoint's JSON have lost the order of their figures.
    names = ["epoch", "step", *sorted(history[0].keys() - {"epoch", "step"})]
    lines = ["\t".join(names), *("\t".join(f"{entry[name]:.6g}" for name in names) for entry in history)]
    return "\n".join(lines) + "\n"
