"""The training loop and its checkpoints: an interrupted run ends in the bytes of an uninterrupted one."""

from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.core.errors import BadParameters, CorruptData, MissingInput, TrainingDiverged
from pipeline.imageset.format.image_set import Rows
from pipeline.seeding import torch_generator
from pipeline.training import checkpoint, loop


class Line:
    """A straight line fitted by Adam with noise on its input; it can fail at a chosen step."""

    def __init__(self, stop_at: int | None = None, nan_at: int | None = None, spoil_at: int | None = None) -> None:
        self.weight = torch.nn.Parameter(torch.zeros(2))
        self.optimizer = torch.optim.Adam([self.weight], lr=0.1)
        self.stop_at, self.nan_at, self.spoil_at = stop_at, nan_at, spoil_at
        self.steps: list[int] = []

    def batch(self, rows: Rows, step: int) -> torch.Tensor:
        x = torch.from_numpy(rows.astype(np.float32))
        return x + torch.randn(len(x), generator=torch_generator(1, "noise", step))

    def training_step(self, batch: torch.Tensor, step: int) -> dict[str, torch.Tensor]:
        x = batch
        if step == self.stop_at:
            raise KeyboardInterrupt
        self.steps.append(step)
        loss = (self.weight[0] * x + self.weight[1] - 3 * x).square().mean()
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        if step == self.spoil_at:
            with torch.no_grad():
                self.weight[1] = torch.inf
        return {"loss": loss * (torch.nan if step == self.nan_at else 1)}

    def tensors(self) -> checkpoint.Tensors:
        adam = checkpoint.prefixed("adam", checkpoint.optimizer_tensors(self.optimizer))
        return {"weight": self.weight.detach(), **adam}

    def load_tensors(self, tensors: checkpoint.Tensors) -> None:
        with torch.no_grad():
            self.weight.copy_(tensors["weight"])
        checkpoint.load_optimizer(self.optimizer, checkpoint.under("adam", tensors))


def run(line: Line, scratch: Path, seen: list[int] | None = None) -> loop.History:
    return loop.train(
        line,
        np.arange(23),
        epochs=4,
        rows_per_step=4,
        seed=7,
        scratch=scratch,
        checkpoint_every=2,
        title="line",
        end_of_epoch=(seen if seen is not None else []).append,
    )


@pytest.mark.parametrize("stop_at", [1, 2, 4, 5, 7, 13, 19])
def test_a_resumed_run_ends_in_the_same_bytes(tmp_path: Path, stop_at: int) -> None:
    """Weights, Adam's moments and the history are equal, and at most the steps since the checkpoint are done again."""
    undisturbed = Line()
    history = run(undisturbed, tmp_path / "a")
    interrupted = Line(stop_at=stop_at)
    with pytest.raises(KeyboardInterrupt):
        run(interrupted, tmp_path / "b")
    resumed = Line()
    assert run(resumed, tmp_path / "b") == history
    for name, tensor in undisturbed.tensors().items():
        assert torch.equal(tensor, resumed.tensors()[name]), name
    assert len(interrupted.steps) + len(resumed.steps) - 20 < 2
    assert (tmp_path / "a/checkpoint.safetensors").read_bytes() == (tmp_path / "b/checkpoint.safetensors").read_bytes()


def test_each_epoch_visits_other_rows_in_full_batches(tmp_path: Path) -> None:
    """23 rows in batches of 4: five steps an epoch, history and the epoch hook once each."""
    seen: list[int] = []
    history = run(Line(), tmp_path, seen)
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


def test_figures_stay_on_the_device_between_checks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No step waits for its figures: they are copied once for many steps, and a NaN is found soon all the same."""
    monkeypatch.setattr(loop, "CHECK_EVERY", 3)
    copies: list[int] = []
    copy = torch.Tensor.tolist
    monkeypatch.setattr(torch.Tensor, "tolist", lambda tensor: copies.append(len(tensor)) or copy(tensor))

    def go(line: Line, to: Path) -> loop.History:
        return loop.train(
            line, np.arange(20), epochs=1, rows_per_step=2, seed=7, scratch=to, checkpoint_every=100, title="line"
        )

    to = tmp_path / "whole"
    go(Line(), to)
    assert copies[:4] == [3, 3, 3, 1]
    line = Line(nan_at=3)
    with pytest.raises(TrainingDiverged, match=r"loss is nan at step 3 \(epoch 1\); no checkpoint yet"):
        go(line, tmp_path / "nan")
    assert line.steps == [0, 1, 2, 3, 4, 5]


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
