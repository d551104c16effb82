"""Training does what the paper says, ends in the same bytes however often it is interrupted, and refuses bad input."""

import csv
import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import pipeline.models.dcgan.train
import pipeline.training.runtime
from pipeline.core.errors import BadParameters, TrainingDiverged
from pipeline.core.workspace import MARK
from pipeline.imageset.format.image_set import ImageSet
from pipeline.models.dcgan import saved_model, train
from pipeline.models.dcgan.config import DcganConfig
from pipeline.models.dcgan.train import MOST_GRIDS, grid_wanted, pixel_std
from pipeline.models.dcgan.trainer import DcganTrainer
from pipeline.training import checkpoint
from pipeline.training.feeder.transfer import Sent
from pipeline.training.runtime import describe

Tensors = dict[str, torch.Tensor]
Tiny = Callable[..., DcganConfig]


def tree(folder: Path) -> dict[str, str]:
    """SHA-256 of every file below a folder."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != MARK)
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_a_model_folder(drawn: tuple[Path, Path], tiny: Tiny, tmp_path: Path) -> None:
    """What later stages read is there, and torch's global generator was left alone."""
    before = torch.get_rng_state()
    summary = train.train(*drawn, tiny(), name="set", seed=1, to=tmp_path / "model")
    assert torch.equal(before, torch.get_rng_state())
    assert set(tree(tmp_path / "model")) == {
        "generator.safetensors",
        "discriminator.safetensors",
        "model.json",
        "history.tsv",
        "samples/epoch-001.png",
        "samples/epoch-002.png",
    }
    with Image.open(tmp_path / "model" / "samples" / "epoch-001.png") as sheet:
        assert sheet.size == (96, 96)
    with (tmp_path / "model" / "history.tsv").open() as file:
        history = list(csv.DictReader(file, delimiter="\t"))
    assert [(row["epoch"], row["step"]) for row in history] == [("1", "4"), ("2", "8")]
    assert set(history[0]) == {
        *("epoch", "step", "d_loss", "g_loss", "d_real", "d_fake", "d_gradient", "g_gradient", "sample_std")
    }
    assert summary == json.loads((tmp_path / "model" / "model.json").read_text())
    assert summary["data"]["pictures"] == 64 and summary["steps"] == 8 and summary["runtime"]["device"] == "cpu"
    assert str(tmp_path) not in (tmp_path / "model" / "model.json").read_text()
    assert not saved_model.load_generator(tmp_path / "model").training


@pytest.mark.parametrize("schedule", ["paired", "alternate"])
@pytest.mark.parametrize("memory_format", ["channels_last", "contiguous"])
def test_an_interrupted_training_ends_in_the_same_bytes(
    drawn: tuple[Path, Path],
    tiny: Tiny,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    schedule: str,
    memory_format: str,
) -> None:
    """Stopped in the middle and at the end of an epoch: resumed at most `checkpoint_every` steps back, same bytes."""
    parameters = tiny(schedule=schedule, memory_format=memory_format, batch_size=8, checkpoint_every=2)
    train.train(*drawn, parameters, name="set", seed=1, to=tmp_path / "whole")
    step, seen = DcganTrainer.training_step, list[int]()

    def stop_sometimes(trainer: DcganTrainer, batch: Sent, number: int) -> Tensors:
        if number in stops:
            stops.remove(number)
            raise KeyboardInterrupt
        seen.append(number)
        return step(trainer, batch, number)

    monkeypatch.setattr(DcganTrainer, "training_step", stop_sometimes)
    stops = {3, 4, 5}
    for stop in (3, 4, 5):
        with pytest.raises(KeyboardInterrupt):
            train.train(*drawn, parameters, name="set", seed=1, to=tmp_path / "parts")
        assert seen[-1] == stop - 1
        seen.clear()
    train.train(*drawn, parameters, name="set", seed=1, to=tmp_path / "parts")
    assert seen[0] == 4
    assert tree(tmp_path / "parts") == tree(tmp_path / "whole")


def test_a_change_of_parameters_starts_over(
    drawn: tuple[Path, Path], tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A checkpoint of other parameters is not continued."""
    with monkeypatch.context() as patch:
        patch.setattr(train, "pixel_std", lambda images: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            train.train(*drawn, tiny(), name="set", seed=1, to=tmp_path / "changed")
    for folder in ("changed", "fresh"):
        train.train(*drawn, tiny(beta1=0.4), name="set", seed=1, to=tmp_path / folder)
    assert tree(tmp_path / "changed") == tree(tmp_path / "fresh")


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (pipeline.models.dcgan.train, "code_digest"),
        (torch.backends.cpu, "get_cpu_capability"),
        (pipeline.training.runtime.torch, "__version__"),
    ],
    ids=["code", "instructions", "torch"],
)
def test_other_code_or_instructions_start_over(
    drawn: tuple[Path, Path], tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owner: object, name: str
) -> None:
    """A checkpoint is continued by the code, and on the instruction set, that wrote it, and by no other."""
    step, seen = DcganTrainer.training_step, list[int]()

    def stop_at_three(trainer: DcganTrainer, batch: Sent, number: int) -> Tensors:
        seen.append(number)
        if seen[-1] == 3:
            raise KeyboardInterrupt
        return step(trainer, batch, number)

    monkeypatch.setattr(DcganTrainer, "training_step", stop_at_three)
    for steps in ([0, 1, 2, 3], [3]):
        with pytest.raises(KeyboardInterrupt):
            train.train(*drawn, tiny(), name="set", seed=1, to=tmp_path / "model")
        assert seen == steps
        seen.clear()
    monkeypatch.setattr(owner, name, "another" if name == "__version__" else lambda *_: "another")
    with pytest.raises(KeyboardInterrupt):
        train.train(*drawn, tiny(), name="set", seed=1, to=tmp_path / "model")
    assert seen == [0, 1, 2, 3]


def test_names_and_seeds_give_other_networks(drawn: tuple[Path, Path], tiny: Tiny, tmp_path: Path) -> None:
    """Every draw depends on the root seed and on the name of the set."""
    weights = []
    for name, seed in (("one", 1), ("one", 2), ("two", 1)):
        to = tmp_path / f"{name}-{seed}"
        train.train(*drawn, tiny(epochs=1), name=name, seed=seed, to=to)
        weights.append((to / "generator.safetensors").read_bytes())
    assert len(set(weights)) == 3


def test_divergence_stops_and_keeps_the_checkpoint(
    drawn: tuple[Path, Path], tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A loss that is not a number ends the training with an error; nothing is published, the checkpoint stays sound."""
    step = DcganTrainer.training_step

    def step_from_a_broken_weight(trainer: DcganTrainer, batch: Sent, number: int) -> Tensors:
        if number == 5:
            with torch.no_grad():
                trainer.generator.image[0].weight[0, 0, 0, 0] = torch.nan
        return step(trainer, batch, number)

    monkeypatch.setattr(DcganTrainer, "training_step", step_from_a_broken_weight)
    with pytest.raises(TrainingDiverged, match=r"train-dcgan set: d_loss is nan at step 5 \(epoch 2\)"):
        train.train(*drawn, tiny(), name="set", seed=1, to=tmp_path / "model")
    assert not (tmp_path / "model").exists()
    tensors, state = checkpoint.load(tmp_path / ".model.partial" / "scratch" / "checkpoint.safetensors")
    assert state["step"] == 3
    assert all(value.isfinite().all() for value in tensors.values())


def test_a_forced_collapse_stops_and_keeps_the_checkpoint(
    drawn: tuple[Path, Path], tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Weights of zero in the last layer make all samples grey: noticed after the epoch, the state before it is kept."""
    step = DcganTrainer.training_step

    def step_of_a_spoilt_generator(trainer: DcganTrainer, batch: Sent, number: int) -> Tensors:
        with torch.no_grad():
            if number == 0:  # an untrained generator would not have collapsed: its samples never differed
                trainer.generator.image[0].weight *= 500
                for module in trainer.generator.modules():
                    if isinstance(module, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d):
                        module.momentum = 1.0  # four steps are too few for running statistics
            if number == 5:
                trainer.generator.image[0].weight.zero_()
        return step(trainer, batch, number)

    monkeypatch.setattr(DcganTrainer, "training_step", step_of_a_spoilt_generator)
    with pytest.raises(TrainingDiverged, match=r"the generator has collapsed: .* at step 7 \(epoch 2\); the last"):
        train.train(*drawn, tiny(learning_rate=1e-9), name="set", seed=1, to=tmp_path / "model")
    assert not (tmp_path / "model").exists()
    assert checkpoint.load_state(tmp_path / ".model.partial/scratch/checkpoint.safetensors")["step"] == 6


def test_a_rewind_is_recorded_and_repeatable(
    drawn: tuple[Path, Path], tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A NaN in the first attempt: training goes on from an earlier step, `model.json` says so, twice the same bytes."""
    step, poisoned = DcganTrainer.training_step, list[DcganTrainer]()

    def step_with_a_nan(trainer: DcganTrainer, batch: Sent, number: int) -> Tensors:
        if number == 6 and trainer not in poisoned:
            poisoned.append(trainer)
            with torch.no_grad():
                trainer.generator.image[0].weight[0, 0, 0, 0] = torch.nan
        return step(trainer, batch, number)

    monkeypatch.setattr(DcganTrainer, "training_step", step_with_a_nan)
    config = tiny(on_divergence="rewind", checkpoint_every=2, ema=0.5)
    summary = train.train(*drawn, config, name="set", seed=1, to=tmp_path / "one")
    train.train(*drawn, config, name="set", seed=1, to=tmp_path / "two")
    assert summary["rewinds"] == [{"step": 6, "to_step": 4, "reason": "d_loss is nan"}] and summary["steps"] == 8
    assert tree(tmp_path / "one") == tree(tmp_path / "two")


def test_work_with_other_inputs_is_set_aside(
    drawn: tuple[Path, Path],
    tiny: Tiny,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One line says what changed and where the checkpoint is; with the former inputs it is continued."""
    step, seen = DcganTrainer.training_step, list[int]()

    def stop_at_five(trainer: DcganTrainer, batch: Sent, number: int) -> Tensors:
        seen.append(number)
        if number == 5:
            raise KeyboardInterrupt
        return step(trainer, batch, number)

    monkeypatch.setattr(DcganTrainer, "training_step", stop_at_five)
    other = tmp_path / "other.npy"
    np.save(other, np.arange(2, 66, dtype=np.int64))
    for kept, first in ((drawn[1], 0), (other, 0), (drawn[1], 3)):
        seen.clear()
        with pytest.raises(KeyboardInterrupt):
            train.train(drawn[0], kept, tiny(), name="set", seed=1, to=tmp_path / "model")
        assert seen[0] == first
        said = capsys.readouterr().err
        assert ("the interrupted training had another data.kept; its 3 steps are kept in" in said) == (len(said) > 90)
    assert len(list(tmp_path.glob(".model.earlier-*"))) == 1


def test_averaged_weights_are_saved(drawn: tuple[Path, Path], tiny: Tiny, tmp_path: Path) -> None:
    """With `ema`, the saved generator is the average, which differs from the one that a run without it saves."""
    for ema in (0.0, 0.9):
        train.train(*drawn, tiny(epochs=1, ema=ema), name="set", seed=1, to=tmp_path / str(ema))
    (plain, _), (average, _) = (checkpoint.load(tmp_path / name / "generator.safetensors") for name in ("0.0", "0.9"))
    assert plain.keys() == average.keys()
    assert not torch.equal(plain["image.0.weight"], average["image.0.weight"])
    same = [(tmp_path / name / "discriminator.safetensors").read_bytes() for name in ("0.0", "0.9")]
    assert same[0] == same[1]


def test_without_kept_all_pictures_are_used(drawn: tuple[Path, Path], tiny: Tiny, tmp_path: Path) -> None:
    """70 pictures instead of the 64 kept ones."""
    summary = train.train(drawn[0], None, tiny(epochs=1), name="set", seed=1, to=tmp_path / "model")
    assert summary["data"]["pictures"] == 70 and summary["data"]["kept"] is None


@pytest.mark.long
@pytest.mark.parametrize("seed", range(30))
def test_healthy_runs_raise_no_alarm(drawn: tuple[Path, Path], tiny: Tiny, tmp_path: Path, seed: int) -> None:
    """Thirty short runs of more steps than an alarm needs; their discriminators are far stronger than generators."""
    config = tiny(base_width=2 + seed % 3, batch_size=8, epochs=32, learning_rate=(1 + seed % 4) * 2e-4)
    summary = train.train(*drawn, config, name="set", seed=seed, to=tmp_path / "model")
    assert summary["steps"] == 256 and summary["rewinds"] == []


def test_collapse_is_reported(
    drawn: tuple[Path, Path], tiny: Tiny, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A generator that gives one grey picture for every z, as an untrained one nearly does, is named in a warning."""
    summary = train.train(*drawn, tiny(learning_rate=1e-9, epochs=1), name="set", seed=1, to=tmp_path / "model")
    assert summary["last"]["sample_std"] < 0.1 * summary["picture_std"]
    assert "collapsed" in capsys.readouterr().err


@given(st.integers(1, 1000))
def test_grids_of_a_long_training_are_few(epochs: int) -> None:
    """Every epoch of a short training leaves a grid; a long one some fifty, the first five and the last among them."""
    epochs_shown = [epoch for epoch in range(1, epochs + 1) if grid_wanted(epoch, epochs)]
    assert epochs_shown[:5] == list(range(1, min(epochs, 5) + 1)) and epochs_shown[-1] == epochs
    assert len(epochs_shown) == epochs if epochs <= MOST_GRIDS else 25 < len(epochs_shown) <= 56


def test_pixel_std() -> None:
    """Nothing for equal pictures; half the range for pictures that are black or white by turns."""
    images = np.zeros((4, 8, 8, 3), np.uint8)
    assert pixel_std(images) == 0
    images[::2] = 255
    assert pixel_std(images) == 127.5


def test_pictures_must_fit_the_preset(drawn: tuple[Path, Path], tiny: Tiny, tmp_path: Path) -> None:
    """32×32 pictures cannot train a 64×64 network; the message names both and the option."""
    with pytest.raises(BadParameters, match=r"--images .*: pictures are 32 pixels wide, preset paper64 needs 64"):
        train.train(*drawn, tiny(preset="paper64"), name="set", seed=1, to=tmp_path / "model")


def test_larger_pictures_are_centre_cropped(
    make_imageset: Callable[..., Path], drawn: tuple[Path, Path], tiny: Tiny, tmp_path: Path
) -> None:
    """Faces are stored larger than they are trained on: what lies outside the centre has no influence."""
    small = ImageSet(drawn[0]).read(np.arange(70))
    large = make_imageset(np.pad(small, ((0, 0), (6, 6), (6, 6), (0, 0)), constant_values=255), name="large")
    for folder, images in (("small", drawn[0]), ("large", large)):
        train.train(images, drawn[1], tiny(epochs=1), name="set", seed=1, to=tmp_path / f"model-{folder}")
    one, other = (
        (tmp_path / f"model-{folder}" / "generator.safetensors").read_bytes() for folder in ("small", "large")
    )
    assert one == other


def test_too_few_pictures(drawn: tuple[Path, Path], tiny: Tiny, tmp_path: Path) -> None:
    """An error of the parameters, told before any work."""
    with pytest.raises(BadParameters, match="64 pictures do not fill one batch of 65; lower `batch_size`"):
        train.train(*drawn, tiny(batch_size=65), name="set", seed=1, to=tmp_path / "model")


@pytest.mark.skipif(torch.cuda.is_available(), reason="the machine has a CUDA device")
def test_a_profile_for_cuda_is_refused_without_one(drawn: tuple[Path, Path], tiny: Tiny, tmp_path: Path) -> None:
    """Never a CPU's weights under a profile that names cuda, unless asked for by hand; then `model.json` says so."""
    for_cuda = tiny(device="cuda", epochs=1)
    with pytest.raises(BadParameters, match=r"dcgan\.set\.training\.runtime\.device: cuda: .*use --device cpu"):
        train.train(*drawn, for_cuda, name="set", seed=1, to=tmp_path / "model")
    assert not (tmp_path / "model").exists()
    summary = train.train(*drawn, for_cuda, name="set", seed=1, to=tmp_path / "model", device="auto")
    assert summary["runtime"]["device"] == "cpu" and "device" not in summary["parameters"]


@pytest.mark.parametrize("other", [{"device_name": "NVIDIA H200"}, {"cudnn": 91100}, {"cuda": "13.1"}])
def test_a_checkpoint_of_another_device_is_not_continued(
    drawn: tuple[Path, Path], tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, other: dict[str, object]
) -> None:
    """A training that began on one GPU model, CUDA or cuDNN starts over on another: the weights are of one alone."""
    description = {"device_name": "NVIDIA A100", "cudnn": 90000, "cuda": "12.4"}
    step, seen = DcganTrainer.training_step, list[int]()

    def stop_at_five(trainer: DcganTrainer, batch: Sent, number: int) -> Tensors:
        seen.append(number)
        if number == 5:
            raise KeyboardInterrupt
        return step(trainer, batch, number)

    monkeypatch.setattr(DcganTrainer, "training_step", stop_at_five)
    for said, first in ((description, 0), (description, 3), (description | other, 0)):
        monkeypatch.setattr(train, "describe", lambda config, said=said: {**describe(config), **said})
        with pytest.raises(KeyboardInterrupt):
            train.train(*drawn, tiny(), name="set", seed=1, to=tmp_path / "model")
        assert seen[0] == first
        seen.clear()


@pytest.mark.parametrize(
    "changes",
    [{"precision": "bf16"}, {"determinism": "fast"}, {"memory_format": "contiguous"}],
    ids=lambda c: next(iter(c)),
)
def test_each_runtime_trains_and_repeats_on_a_cpu(
    drawn: tuple[Path, Path], tiny: Tiny, tmp_path: Path, changes: dict[str, object]
) -> None:
    """Weights stay float32, repeat to the byte, and differ from plain float32 only where the products do."""
    plain = train.train(*drawn, tiny(epochs=1), name="set", seed=1, to=tmp_path / "plain")
    folders = [tmp_path / "one", tmp_path / "two"]
    for to in folders:
        summary = train.train(*drawn, tiny(epochs=1, **changes), name="set", seed=1, to=to)
    assert tree(folders[0]) == tree(folders[1])
    assert all(abs(summary["last"][name] - value) < 0.1 for name, value in plain["last"].items() if "loss" in name)
    weights, _ = checkpoint.load(folders[0] / "generator.safetensors")
    assert {value.dtype for value in weights.values()} == {torch.float32, torch.int64}
    same = (folders[0] / "generator.safetensors").read_bytes() == (
        tmp_path / "plain/generator.safetensors"
    ).read_bytes()
    assert same == ("determinism" in changes)
