"""The one training loop: batches in a seeded order, checkpoints, exact resume, history, and a stop at the first NaN.

The next batch is made in a thread of its own while the model trains on this one.
"""

import contextlib
import math
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Protocol, TypeVar

from pipeline.core import progress
from pipeline.core.errors import BadParameters, TrainingDiverged
from pipeline.imageset.format.image_set import Rows
from pipeline.seeding import numpy_rng
from pipeline.training import checkpoint

History = list[dict[str, float]]
"""One entry an epoch: `epoch`, `step` (steps done so far) and the mean of each figure of the model's steps."""


B = TypeVar("B")


class Trainable(Protocol[B]):
    """What a model brings to the loop."""

    def batch(self, rows: Rows, number: int) -> B:
        """Read, and draw, all that a step needs. Called from another thread while the step before it runs.

        Args:
            rows: int64 (batch,), row numbers of the image set.
            number: how many steps came before; with the seed it names every draw of this step, so that a resumed run
                draws the same without any generator's state being stored.
        """

    def step(self, batch: B) -> dict[str, float]:
        """Train on one batch.

        Returns:
            Figures to follow, such as losses.
        """

    def tensors(self) -> checkpoint.Tensors:
        """All that a resumed run needs: weights, buffers, optimiser states."""

    def load_tensors(self, tensors: checkpoint.Tensors) -> None:
        """Put back what `tensors` gave."""


def train(
    model: Trainable[B],
    rows: Rows,
    *,
    epochs: int,
    batch: int,
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
        batch: rows a step.
        seed: names the order of the rows.
        scratch: folder of the checkpoint.
        checkpoint_every: steps between checkpoints; there is one at the end too.
        title: what is being trained, for the progress bar.
        end_of_epoch: called with the epoch's number, from 1, before a checkpoint that follows is written; it may write
            samples, and must write the same when called again.

    Returns:
        The history of all epochs, those before a resume included.

    Raises:
        BadParameters: there are fewer rows than one batch.
        TrainingDiverged: a figure is not finite; the last checkpoint is left in `scratch`.
    """
    per_epoch = len(rows) // batch
    if per_epoch == 0:
        raise BadParameters(f"{title}: {len(rows)} pictures do not fill one batch of {batch}; lower `batch`")
    path = scratch / "checkpoint.safetensors"
    number, sums, history = 0, dict[str, float](), History()
    if path.exists():
        tensors, state = checkpoint.load(path)
        model.load_tensors(tensors)
        number, sums, history = state["step"], state["sums"], state["history"]
        progress.say(f"{title}: resumed at step {number} of {epochs * per_epoch}")

    def save() -> None:
        checkpoint.save(path, model.tensors(), {"step": number, "sums": sums, "history": history})

    def plan(first: int) -> Iterator[tuple[Rows, int]]:
        for epoch in range(first // per_epoch, epochs):
            order = numpy_rng(seed, "order", epoch).permutation(rows)
            for step in range(max(first, epoch * per_epoch), (epoch + 1) * per_epoch):
                start = step % per_epoch * batch
                yield order[start : start + batch], step

    with (
        contextlib.closing(_ahead(model.batch, plan(number))) as batches,
        progress.bar(title, epochs * per_epoch, "steps", done=number) as advance,
    ):
        for epoch in range(number // per_epoch, epochs):
            for _ in range(number % per_epoch, per_epoch):
                figures = model.step(next(batches))
                for name, value in figures.items():
                    if not math.isfinite(value):
                        kept = f"the last checkpoint before it is {path}" if path.exists() else "no checkpoint yet"
                        raise TrainingDiverged(
                            f"{title}: {name} is {value} at step {number} (epoch {epoch + 1}); {kept}. "
                            "Lower the learning rate or change the seed"
                        )
                    sums[name] = sums.get(name, 0.0) + value
                number += 1
                advance(1)
                if number % checkpoint_every == 0 and number % per_epoch:
                    save()
            means = {name: total / per_epoch for name, total in sums.items()}
            history.append({"epoch": epoch + 1, "step": number, **means})
            sums = {}
            end_of_epoch(epoch + 1)
            if number % checkpoint_every == 0 or epoch + 1 == epochs:
                save()
    return history


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
