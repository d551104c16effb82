"""The training loop: batches in a seeded order, checkpoints, exact resume, history, and a stop or rewind on divergence.

The next batches are made in threads while the model trains on the current one. The metrics of a step, such as losses,
are first kept on the model's device. They are copied to the CPU and checked every `log_every` steps and before each
checkpoint.
"""

import contextlib
import enum
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Generic, Literal, NamedTuple, Protocol, TypeVar

import torch

from pipeline.core import progress
from pipeline.core.errors import BadParameters, TrainingDiverged
from pipeline.imageset.format.image_set import Rows
from pipeline.seeding import derive, numpy_rng
from pipeline.training import checkpoint
from pipeline.training.distributed.world import ALONE, World
from pipeline.training.divergence import Watch
from pipeline.training.feeder.ahead import ahead
from pipeline.training.loop.metrics import DeviceMetrics, History, history_tsv
from pipeline.training.loop.states import Position, States
from pipeline.training.loop.stop_signals import first_signal_waits

__all__ = ["History", "Trainable", "Trained", "history_tsv", "train"]

MOST_REWINDS = 3
"""A training that diverges more often stops."""

B = TypeVar("B")


class Trainable(Protocol[B]):
    """The methods of a model that the loop calls."""

    def batch(self, rows: Rows, step: int, seed: int) -> B:
        """Read the data and compute the random numbers of a step; called in other threads during earlier steps.

        Args:
            rows: int64 (rows_per_step,), row numbers of the image set. With several processes, each gets all rows of
                the step and reads its share.
            step: number of the step, from 0. All random numbers of the step are derived from it and the seed, so a
                resumed run computes the same ones without a stored random state.
            seed: seed of the run; another one after each rewind.
        """

    def training_step(self, batch: B, step: int) -> dict[str, torch.Tensor]:
        """Train on one batch.

        Args:
            batch: what `batch` returned for this step.
            step: number of the step, from 0.

        Returns:
            Metrics to log, such as losses: tensors of one element on the model's device, with the same names at each
            step. They may be overwritten by the next call.
        """

    def tensors(self) -> checkpoint.Tensors:
        """The complete state for a resumed run: weights, buffers, optimiser states."""

    def load_tensors(self, tensors: checkpoint.Tensors) -> None:
        """Restore what `tensors` returned."""


class Trained(NamedTuple):
    """The result of a training.

    Attributes:
        history: entries of all epochs, including those before a resume.
        rewinds: what happened before each rewind: `step` (number of the step that diverged, from 0), `to_step` (steps
            done in the state that training went back to) and `reason`.
    """

    history: History
    rewinds: list[dict[str, Any]]


def train(
    model: Trainable[B],
    rows: Rows,
    *,
    epochs: int,
    rows_per_step: int,
    seed: int,
    scratch: Path | None,
    checkpoint_every: int,
    title: str,
    checkpoint_minutes: float = 10.0,
    log_every: int = 50,
    probe_every: int = 500,
    reader_threads: int = 2,
    watch: Watch | None = None,
    probe: Callable[[], float] | None = None,
    on_divergence: Literal["stop", "rewind"] = "stop",
    end_of_epoch: Callable[[int], Mapping[str, float] | None] = lambda epoch: None,
    on_log: Callable[[int, Mapping[str, float]], None] = lambda step, metrics: None,
    world: World = ALONE,
) -> Trained:
    """Train for a number of epochs, resuming from the checkpoint in `scratch` if there is one.

    Equal arguments give equal results to the byte, whether the run was interrupted or not; `checkpoint_minutes`,
    `log_every` and `reader_threads` have no influence on them.

    Args:
        rows: int64 (n,), the rows to train on; each epoch visits them in another random order. An incomplete last
            batch is left out, because batch norm needs full batches.
        epochs: passes over the rows.
        rows_per_step: number of rows in each step, of all processes together.
        seed: seed of the order of the rows and of the model's random numbers. After rewind number n it is replaced by
            one that is derived from it and n.
        scratch: folder of the checkpoint; None to write none, as processes other than the first one do.
        checkpoint_every: steps between checkpoints; one is also written at the end.
        title: title of the progress bar.
        checkpoint_minutes: a checkpoint is also written if this many minutes have passed since the last one.
        log_every: maximum number of steps between two reads of the metrics. Each read waits for the device.
        probe_every: steps between two calls of `probe` within an epoch.
        reader_threads: number of threads that make batches.
        watch: tells from metrics and samples when training has diverged; by default only from numbers that are not
            finite.
        probe: computes the standard deviation of samples for the watch; also called at the end of each epoch.
        on_divergence: `stop`: raise an error. `rewind`: go back to an earlier state and train from there with other
            random numbers; at the fourth divergence raise an error. The state is one of those of every
            `checkpoint_every` steps and of the start: the last but one before the divergence was noticed, or the last
            one if training was there before.
        end_of_epoch: called with the number of the epoch, from 1, before the next checkpoint is written; returns more
            metrics for the history. It may write samples. A resumed run may call it again for the same epoch; it must
            then do the same.
        on_log: called with the number of steps done and the metrics of a step, every `log_every` steps.
        world: the processes that train together; all call this function with the same arguments except `scratch`.

    Raises:
        BadParameters: there are fewer than `rows_per_step` rows.
        TrainingDiverged: training has diverged. The last checkpoint stays in `scratch`. Its metrics and weights are
            finite, because they are checked before a checkpoint is written.
        KeyboardInterrupt: a signal asked to stop. A checkpoint of the last step has been written.
    """
    per_epoch = len(rows) // rows_per_step
    if per_epoch == 0:
        raise BadParameters(
            f"{title}: {len(rows)} pictures do not fill one batch of {rows_per_step}; lower `batch_size`"
        )
    watch = watch or Watch()
    states = States(scratch)
    total = epochs * per_epoch
    run = _Run(model, states, Position(watch=watch.state()), watch, DeviceMetrics(world), per_epoch)
    if found := world.from_first(states.load()):
        run.restore(*found)
        progress.say(f"{title}: resumed at step {run.position.step} of {total}")
    elif on_divergence == "rewind":
        states.keep(model.tensors(), run.position)

    def plan() -> Iterator[tuple[Rows, int]]:
        first, attempt = run.position.step, len(run.position.rewinds)
        order_seed = _attempt_seed(seed, attempt)
        for epoch in range(first // per_epoch, epochs):
            order = numpy_rng(order_seed, "order", epoch).permutation(rows)
            for step in range(max(first, epoch * per_epoch), (epoch + 1) * per_epoch):
                start = step % per_epoch * rows_per_step
                yield order[start : start + rows_per_step], step

    def to_the_end(advance: Callable[[int], None]) -> None:
        position, batch_seed = run.position, _attempt_seed(seed, len(run.position.rewinds))
        saved_at = time.monotonic()
        batches = ahead(lambda entry: model.batch(*entry, batch_seed), plan(), threads=reader_threads)
        with contextlib.closing(batches):
            for batch in batches:
                run.metrics.add(model.training_step(batch, position.step))
                position.step += 1
                advance(1)
                fixed = position.step % checkpoint_every == 0 or position.step == total
                ends_epoch = position.step % per_epoch == 0
                probes = probe is not None and (ends_epoch or position.step % probe_every == 0)
                late = time.monotonic() - saved_at > 60 * checkpoint_minutes
                wish = world.highest(_Wish.STOP if stop.wanted else _Wish.SAVE if late else _Wish.NOTHING)
                if fixed or ends_epoch or probes or wish or position.step % log_every == 0:
                    last = run.check()
                    if last and position.step % log_every == 0:
                        on_log(position.step, last)
                if probes and probe is not None and (reason := watch.samples(world.from_first(probe()))):
                    raise _Diverged(position.step - 1, reason)
                if ends_epoch:
                    run.end_epoch(end_of_epoch(position.step // per_epoch))
                if fixed:
                    run.save_fixed(keep=on_divergence == "rewind")
                elif wish:
                    run.save_if_finite()
                if fixed or wish:
                    saved_at = time.monotonic()
                if wish == _Wish.STOP and position.step < total:
                    raise KeyboardInterrupt(f"stopped after step {position.step} of {total}")

    started, first_step, attempts = time.monotonic(), run.position.step, 0
    with first_signal_waits(title) as stop:
        while True:
            try:
                with progress.bar(title, total, "steps", done=run.position.step) as advance:
                    to_the_end(advance)
                break
            except _Diverged as found_at:
                where = f"step {found_at.step} (epoch {found_at.step // per_epoch + 1})"
                if on_divergence == "stop" or len(run.position.rewinds) == MOST_REWINDS:
                    raise TrainingDiverged(_advice(title, found_at.reason, where, run)) from None
                attempts += 1
                run.rewind(found_at, world)
                progress.warn(
                    f"{title}: {found_at.reason} at {where}; back to step {run.position.step} with other random "
                    f"numbers, rewind {len(run.position.rewinds)} of {MOST_REWINDS}"
                )
    steps, seconds = run.position.step - first_step, time.monotonic() - started
    if steps > 0 and not attempts:
        progress.say(f"{title}: {steps * rows_per_step / seconds:,.0f} pictures/s")
    return Trained(run.position.history, run.position.rewinds)


class _Wish(enum.IntEnum):
    """What a process wants after a step; the highest wish of all processes is granted."""

    NOTHING = 0
    SAVE = 1
    STOP = 2


class _Diverged(Exception):
    """Training has diverged at a step, from 0."""

    def __init__(self, step: int, reason: str) -> None:
        self.step = step
        self.reason = reason


class _Run(Generic[B]):
    """A model and how far its training has come."""

    def __init__(
        self,
        model: Trainable[B],
        states: States,
        position: Position,
        watch: Watch,
        metrics: DeviceMetrics,
        per_epoch: int,
    ) -> None:
        self.model = model
        self.states = states
        self.position = position
        self.watch = watch
        self.metrics = metrics
        self.per_epoch = per_epoch
        self._checked = position.step

    def restore(self, tensors: checkpoint.Tensors, position: Position) -> None:
        self.model.load_tensors(tensors)
        self.position = position
        self.watch.load_state(position.watch)
        self._checked = position.step

    def check(self) -> dict[str, float] | None:
        """Read the metrics of the last steps, add them to the sums, and return those of the last step, if any wait."""
        last = None
        # The sums are in double precision, in the order of the steps.
        for last in self.metrics.read():
            if reason := self.watch.metrics(last):
                raise _Diverged(self._checked, reason)
            self._checked += 1
            for name, value in last.items():
                self.position.sums[name] = self.position.sums.get(name, 0.0) + value
        return last

    def end_epoch(self, more: Mapping[str, float] | None) -> None:
        position = self.position
        means = {name: total / self.per_epoch for name, total in position.sums.items()}
        position.history.append(
            {"epoch": position.step // self.per_epoch, "step": position.step, **means, **(more or {})}
        )
        position.sums = {}

    def save_fixed(self, *, keep: bool) -> None:
        """Write the checkpoint of a fixed step; with `keep` it is also a state to rewind to."""
        tensors = self.model.tensors()
        # Metrics are computed before the update of their step, so the last update may have spoilt the weights.
        if name := _first_not_finite(tensors):
            raise _Diverged(self.position.step - 1, f"{name} is no longer finite after the update")
        self.position.watch = self.watch.state()
        if keep:
            self.states.keep(tensors, self.position)
        else:
            self.states.save(tensors, self.position)

    def save_if_finite(self) -> None:
        """Write a checkpoint at a step that depends on the time; what is found must not depend on it."""
        tensors = self.model.tensors()
        if _first_not_finite(tensors) is None:
            self.position.watch = self.watch.state()
            self.states.save(tensors, self.position)

    def rewind(self, found: _Diverged, world: World) -> None:
        """Go back to the older one of the kept states, and write it as the newest state, with what happened."""
        rewinds = self.position.rewinds
        saved = world.from_first(self.states.earlier(self.position) if world.first else None)
        assert saved
        tensors, position = saved
        position.rewinds = [*rewinds, {"step": found.step, "to_step": position.step, "reason": found.reason}]
        position.kept = [position.step]
        self.metrics.clear()
        self.restore(tensors, position)
        self.states.save(tensors, position)


def _attempt_seed(seed: int, attempt: int) -> int:
    return derive(seed, "attempt", attempt) if attempt else seed


def _advice(title: str, reason: str, where: str, run: _Run[B]) -> str:
    kept = f"the last checkpoint before it is {run.states.newest}" if run.states.newest else "no checkpoint yet"
    tried = f" after {MOST_REWINDS} rewinds" if run.position.rewinds else ""
    rewind = "" if tried else ", or train with on_divergence: rewind"
    return f"{title}: {reason} at {where}{tried}; {kept}. Lower the learning rate or change the seed{rewind}"


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
