"""The training loop and its checkpoints: an interrupted run ends in the bytes of an uninterrupted one."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pipeline.core.errors import BadParameters, CorruptData, MissingInput, TrainingDiverged
from pipeline.imageset.format.image_set import Rows
from pipeline.seeding import torch_generator
from pipeline.training import checkpoint, loop
from pipeline.training.divergence import WON_STEPS, Watch
from pipeline.training.feeder.ahead import ahead


class Line:
    """A straight line fitted by Adam with noise on its input; it can fail, or be told to stop, at a chosen step.

    Args:
        stop_at: raise at this step.
        signal_at: send this process SIGTERM during this step.
        nan_at: the loss of this step is NaN, in the first `failures` attempts.
        spoil_at: the update of this step makes a weight infinite, in the first `failures` attempts.
    """

    def __init__(
        self,
        stop_at: int | None = None,
        nan_at: int | None = None,
        spoil_at: int | None = None,
        signal_at: int | None = None,
        failures: int = 1000,
    ) -> None:
        self.weight = torch.nn.Parameter(torch.zeros(2))
        self.optimizer = torch.optim.Adam([self.weight], lr=0.1)
        self.stop_at, self.nan_at, self.spoil_at, self.signal_at = stop_at, nan_at, spoil_at, signal_at
        self.steps: list[int] = []
        self.seeds: list[int] = []
        self.failures = failures

    def batch(self, rows: Rows, step: int, seed: int) -> tuple[torch.Tensor, int]:
        x = torch.from_numpy(rows.astype(np.float32))
        return x + torch.randn(len(x), generator=torch_generator(seed, "noise", step)), seed

    def training_step(self, batch: tuple[torch.Tensor, int], step: int) -> dict[str, torch.Tensor]:
        x, seed = batch
        if step == self.stop_at:
            raise KeyboardInterrupt
        if step == self.signal_at:
            os.kill(os.getpid(), signal.SIGTERM)
        if seed not in self.seeds:
            self.seeds.append(seed)
        fails = len(self.seeds) <= self.failures
        self.steps.append(step)
        loss = (self.weight[0] * x + self.weight[1] - 3 * x).square().mean()
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        if step == self.spoil_at and fails:
            with torch.no_grad():
                self.weight[1] = torch.inf
        return {"loss": loss * (torch.nan if step == self.nan_at and fails else 1)}

    def tensors(self) -> checkpoint.Tensors:
        adam = checkpoint.prefixed("adam", checkpoint.optimizer_tensors(self.optimizer))
        return {"weight": self.weight.detach(), **adam}

    def load_tensors(self, tensors: checkpoint.Tensors) -> None:
        with torch.no_grad():
            self.weight.copy_(tensors["weight"])
        checkpoint.load_optimizer(self.optimizer, checkpoint.under("adam", tensors))


def run(line: Line, scratch: Path, seen: list[int] | None = None, **options: Any) -> loop.Trained:
    given = {"epochs": 4, "rows_per_step": 4, "seed": 7, "checkpoint_every": 2, "title": "line"} | options
    scratch.mkdir(exist_ok=True)
    return loop.train(
        line,
        np.arange(23),
        scratch=scratch,
        end_of_epoch=lambda epoch: (seen if seen is not None else []).append(epoch),
        **given,
    )


@pytest.fixture
def terminable() -> Iterator[None]:
    """SIGTERM raises KeyboardInterrupt, as in every command."""

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize("stop_at", [1, 2, 4, 5, 7, 13, 19])
def test_a_resumed_run_ends_in_the_same_bytes(tmp_path: Path, stop_at: int) -> None:
    """Weights, Adam's moments and the history are equal, and at most the steps since the checkpoint are done again."""
    undisturbed = Line()
    trained = run(undisturbed, tmp_path / "a")
    interrupted = Line(stop_at=stop_at)
    with pytest.raises(KeyboardInterrupt):
        run(interrupted, tmp_path / "b")
    resumed = Line()
    assert run(resumed, tmp_path / "b") == trained
    for name, tensor in undisturbed.tensors().items():
        assert torch.equal(tensor, resumed.tensors()[name]), name
    assert len(interrupted.steps) + len(resumed.steps) - 20 < 2
    assert (tmp_path / "a/checkpoint.safetensors").read_bytes() == (tmp_path / "b/checkpoint.safetensors").read_bytes()


def test_each_epoch_visits_other_rows_in_full_batches(tmp_path: Path) -> None:
    """23 rows in batches of 4: five steps an epoch, history and the epoch hook once each."""
    seen: list[int] = []
    history = run(Line(), tmp_path, seen).history
    assert seen == [1, 2, 3, 4]
    assert [entry["step"] for entry in history] == [5, 10, 15, 20]
    assert loop.history_tsv(history).splitlines()[0] == "epoch\tstep\tloss"


def test_a_loss_that_is_not_finite_stops_and_keeps_the_checkpoint(tmp_path: Path) -> None:
    """NaN at step 7: the error names step and epoch, and the checkpoint of step 6 is whole."""
    with pytest.raises(TrainingDiverged, match=r"loss is nan at step 7 \(epoch 2\)"):
        run(Line(nan_at=7), tmp_path)
    _, state = checkpoint.load(tmp_path / "checkpoint.safetensors")
    assert state["step"] == 6


def test_a_weight_that_is_not_finite_is_not_written(tmp_path: Path) -> None:
    """The update of step 7 spoils a weight, and its loss does not show it: the checkpoint of step 6 stays."""
    with pytest.raises(TrainingDiverged, match=r"weight is no longer finite after the update at step 7 \(epoch 2\)"):
        run(Line(spoil_at=7), tmp_path)
    tensors, state = checkpoint.load(tmp_path / "checkpoint.safetensors")
    assert state["step"] == 6 and tensors["weight"].isfinite().all()


def test_metrics_stay_on_the_device_between_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No step waits for its metrics: they are copied once for many steps, and a NaN is found soon all the same."""
    copies: list[int] = []
    copy = torch.Tensor.tolist
    monkeypatch.setattr(torch.Tensor, "tolist", lambda tensor: copies.append(len(tensor)) or copy(tensor))
    seldom = {"epochs": 1, "rows_per_step": 2, "checkpoint_every": 100, "log_every": 3}
    logged: list[int] = []
    run(Line(), tmp_path / "whole", on_log=lambda step, metrics: logged.append(step), **seldom)
    assert copies[:4] == [3, 3, 3, 2] and logged == [3, 6, 9]
    line = Line(nan_at=3)
    with pytest.raises(TrainingDiverged, match=r"loss is nan at step 3 \(epoch 1\); no checkpoint yet"):
        run(line, tmp_path / "nan", **seldom)
    assert line.steps == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    "options", [{"checkpoint_minutes": 0.0}, {"log_every": 1}, {"reader_threads": 5}], ids=lambda o: next(iter(o))
)
def test_times_and_threads_change_no_byte(tmp_path: Path, options: dict[str, Any]) -> None:
    """Checkpoints after each step, metrics read at each step, many threads: the same weights and history."""
    one, other = Line(), Line()
    assert run(one, tmp_path / "one") == run(other, tmp_path / "other", **options)
    assert all(torch.equal(value, other.tensors()[name]) for name, value in one.tensors().items())


def test_a_checkpoint_after_some_minutes(tmp_path: Path) -> None:
    """With a time of 0 each step writes one; the fixed ones are far apart."""
    with pytest.raises(KeyboardInterrupt):
        run(Line(stop_at=7), tmp_path, checkpoint_every=1000, checkpoint_minutes=0.0)
    assert checkpoint.load_state(tmp_path / "checkpoint.safetensors")["step"] == 7


@pytest.mark.usefixtures("terminable")
def test_a_signal_lets_the_step_finish(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """SIGTERM in step 6: seven steps are done, the checkpoint has them, and the run goes on to the same bytes."""
    whole = run(Line(), tmp_path / "whole", checkpoint_every=1000)
    line = Line(signal_at=6)
    with pytest.raises(KeyboardInterrupt, match="stopped after step 7 of 20"):
        run(line, tmp_path / "parts", checkpoint_every=1000)
    assert line.steps == list(range(7)) and "a second signal stops at once" in capsys.readouterr().err
    assert checkpoint.load_state(tmp_path / "parts/checkpoint.safetensors")["step"] == 7
    resumed = Line()
    assert run(resumed, tmp_path / "parts", checkpoint_every=1000) == whole and resumed.steps == list(range(7, 20))
    files = [tmp_path / name / "checkpoint.safetensors" for name in ("whole", "parts")]
    assert files[0].read_bytes() == files[1].read_bytes()


@pytest.mark.usefixtures("terminable")
def test_a_second_signal_stops_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two signals in one step: it is not finished; the handlers are those of before afterwards."""
    monkeypatch.setattr("pipeline.training.loop.stop_signals.ONE_SIGNAL_SECONDS", -1.0)
    before = signal.getsignal(signal.SIGTERM)
    line = Line(signal_at=6)
    with pytest.raises(KeyboardInterrupt):
        step = line.training_step

        def twice(batch: tuple[torch.Tensor, int], number: int) -> dict[str, torch.Tensor]:
            if number == 6:
                os.kill(os.getpid(), signal.SIGTERM)
            return step(batch, number)

        monkeypatch.setattr(line, "training_step", twice)
        run(line, tmp_path, checkpoint_every=1000)
    assert line.steps == list(range(6)) and not (tmp_path / "checkpoint.safetensors").exists()
    assert signal.getsignal(signal.SIGTERM) == before


@pytest.mark.parametrize("kind", ["nan_at", "spoil_at"])
def test_a_rewind_goes_back_and_takes_other_numbers(tmp_path: Path, kind: str) -> None:
    """Step 9 fails twice: each time training goes back, with another seed, and then ends; all of it repeatable."""
    trained = run(line := Line(**{kind: 9}, failures=2), tmp_path / "one", on_divergence="rewind", checkpoint_every=4)
    seen = 9 if kind == "nan_at" else 10  # a spoilt weight shows in the metrics of the next step
    assert [(rewind["step"], rewind["to_step"]) for rewind in trained.rewinds] == [(seen, 4), (seen, 4)]
    assert len(line.seeds) == 3 and len(trained.history) == 4
    again = run(other := Line(**{kind: 9}, failures=2), tmp_path / "two", on_divergence="rewind", checkpoint_every=4)
    assert again == trained and torch.equal(line.weight, other.weight)
    kept = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert kept == ["checkpoint.safetensors", "step-00000016.safetensors", "step-00000020.safetensors"]


@pytest.mark.parametrize("stop_at", [3, 6, 8, 11, 15])
def test_a_rewound_run_resumes_to_the_same_bytes(tmp_path: Path, stop_at: int) -> None:
    """Interrupted before or after a rewind, with checkpoints after each step: the same rewinds, weights and history."""
    options: dict[str, Any] = {"on_divergence": "rewind", "checkpoint_every": 4}
    whole = run(Line(nan_at=9, failures=1), tmp_path / "whole", **options)
    first = Line(nan_at=9, failures=1, stop_at=stop_at)
    with pytest.raises(KeyboardInterrupt):
        run(first, tmp_path / "parts", checkpoint_minutes=0.0, **options)
    assert run(Line(nan_at=9, failures=1 - (len(first.seeds) - 1)), tmp_path / "parts", **options) == whole
    files = [tmp_path / name / "checkpoint.safetensors" for name in ("whole", "parts")]
    assert files[0].read_bytes() == files[1].read_bytes()


def test_three_rewinds_at_most(tmp_path: Path) -> None:
    """A step that always fails ends the run, after three attempts with other numbers."""
    line = Line(nan_at=9)
    with pytest.raises(
        TrainingDiverged, match=r"loss is nan at step 9 \(epoch 2\) after 3 rewinds; the last checkpoint"
    ):
        run(line, tmp_path, on_divergence="rewind", checkpoint_every=4)
    assert len(line.seeds) == 4
    assert checkpoint.load_state(tmp_path / "checkpoint.safetensors")["step"] <= 9


WON = {"d_real": 0.9999, "d_fake": 1e-5, "d_loss": 1e-4}
"""Metrics of a step that the discriminator has won."""


class Duel(Line):
    """A line whose metrics are those of a discriminator that wins after a number of steps."""

    def __init__(self, wins_after: int) -> None:
        super().__init__()
        self.wins_after = wins_after

    def training_step(self, batch: tuple[torch.Tensor, int], step: int) -> dict[str, torch.Tensor]:
        metrics = super().training_step(batch, step)
        values = WON if step >= self.wins_after else {"d_real": 1.0, "d_fake": 0.0, "d_loss": 0.1}
        return metrics | {name: torch.tensor(value, dtype=torch.float32) for name, value in values.items()}


def test_a_discriminator_that_wins_is_noticed_in_an_epoch(tmp_path: Path) -> None:
    """After 20 steps it is never mistaken: the alarm comes 200 steps later, and the last checkpoint stays."""
    with pytest.raises(TrainingDiverged, match=r"the discriminator has won: .* at step 219 \(epoch 1\); the last"):
        loop.train(
            Duel(20),
            np.arange(1000),
            epochs=2,
            rows_per_step=2,
            seed=7,
            scratch=tmp_path,
            checkpoint_every=100,
            title="x",
        )
    assert checkpoint.load_state(tmp_path / "checkpoint.safetensors")["step"] == 200


def test_a_collapse_is_noticed_within_an_epoch(tmp_path: Path) -> None:
    """Samples that once differed and then do not: the probe finds it at its next step."""
    line, watch = Line(), Watch(60.0)
    with pytest.raises(
        TrainingDiverged, match=r"the generator has collapsed: .* samples is 0\.50, .* pictures 60\.0 at"
    ):
        run(line, tmp_path, epochs=40, watch=watch, probe_every=2, probe=lambda: 0.5 if len(line.steps) > 30 else 20.0)
    assert len(line.steps) == 32 and checkpoint.load_state(tmp_path / "checkpoint.safetensors")["step"] == 30


def test_the_watch_remembers_over_a_resume() -> None:
    """Won steps and whether samples ever differed are part of a checkpoint."""
    one, other = Watch(60.0), Watch(60.0)
    assert one.samples(0.1) is None and one.samples(30.0) is None
    assert all(one.metrics(WON) is None for _ in range(WON_STEPS - 1))
    other.load_state(one.state())
    assert other.samples(0.1) and other.metrics(WON)
    other.load_state(one.state())
    assert other.metrics(WON | {"d_fake": 0.01}) is None and other.metrics(WON) is None
    assert Watch().samples(0.0) is None and Watch().metrics({"loss": 0.0}) is None


def test_batches_come_in_order_and_few_wait() -> None:
    """Whatever the threads do; at most one more than the threads is made before it is needed."""
    made: list[int] = []
    found = ahead(lambda entry: made.append(entry) or entry, range(50), threads=3)
    assert next(found) == 0
    assert [next(found) for _ in range(9)] == list(range(1, 10))
    assert len(made) <= 10 + 3 + 1
    found.close()
    with pytest.raises(ZeroDivisionError):
        list(ahead(lambda entry: 1 // entry, [1, 0, 1], threads=2))


def test_fewer_rows_than_a_batch_are_refused(tmp_path: Path) -> None:
    """Not one full batch: say so before training nothing."""
    with pytest.raises(BadParameters, match="3 pictures do not fill one batch of 4"):
        loop.train(
            Line(), np.arange(3), epochs=1, rows_per_step=4, seed=0, scratch=tmp_path, checkpoint_every=1, title="line"
        )


def test_checkpoints_are_the_same_bytes_and_a_cut_one_is_found_out(tmp_path: Path) -> None:
    """Same tensors and state: same file. A file cut short is an error, not half a model."""
    tensors = {"b": torch.arange(5), "a": torch.ones(2, 2, dtype=torch.float64)}
    for name in ("one", "two"):
        checkpoint.save(tmp_path / name, tensors, {"z": 1, "a": [2]})
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    read, state = checkpoint.load(tmp_path / "one")
    assert state == {"z": 1, "a": [2]}
    assert all(torch.equal(read[name], tensors[name]) for name in tensors)
    (tmp_path / "one").write_bytes((tmp_path / "two").read_bytes()[:-3])
    with pytest.raises(CorruptData, match="one"):
        checkpoint.load(tmp_path / "one")
    with pytest.raises(MissingInput, match="three"):
        checkpoint.load(tmp_path / "three")
