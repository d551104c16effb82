"""Samples of a model: a grid and single files, an array, or a folder; a second run gives the same bytes."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pipeline.core.errors import BadParameters, Unsupported
from pipeline.core.workspace import MARK
from pipeline.figures import samples
from pipeline.figures.samples import Format, SamplesConfig, formats
from pipeline.models.dcgan.model import PresetName
from pipeline.models.registry import load_generator
from tests.models.untrained import save_untrained


def settings(**changes: object) -> SamplesConfig:
    values = {"count": 10, "singles": 3, "batch_statistics": False, "threads": 1}
    return SamplesConfig.model_validate(values | changes)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A model folder with an untrained generator whose pictures differ."""
    return save_untrained(tmp_path / "model")


@pytest.mark.parametrize("batch_statistics", [False, True])
def test_files_repeat_to_the_byte(saved: Path, tmp_path: Path, batch_statistics: bool) -> None:
    """The grid, the single files and the record; a second run gives the same bytes."""
    parameters = settings(batch_statistics=batch_statistics)
    trees = []
    for to in (tmp_path / "one", tmp_path / "two"):
        record = samples.sample(saved, parameters, name="set", seed=1, to=to)
        trees.append({str(path.relative_to(to)): path.read_bytes() for path in to.rglob("*") if path.is_file()})
    assert trees[0] == trees[1]
    assert set(trees[0]) == {MARK, "grid.png", "samples.json", *(f"singles/{number:03d}.png" for number in range(3))}
    with Image.open(tmp_path / "one" / "grid.png") as sheet, Image.open(tmp_path / "one/singles/001.png") as single:
        assert sheet.size == (4 * 32, 3 * 32)
        assert np.array_equal(np.asarray(sheet)[:32, 32:64], np.asarray(single))
    assert record == json.loads(trees[0]["samples.json"])
    assert record["model_sha256"] == hashlib.sha256((saved / "generator.safetensors").read_bytes()).hexdigest()
    assert record["seed"] == 1 and record["family"] == "dcgan"


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def pictures_of(folder: Path, form: Format, model: Path) -> np.ndarray:
    """The samples as they were written, in the order of their numbers."""
    shape = load_generator(model).image_shape
    if form == "npy":
        return np.load(folder / "samples.npy")
    if form == "folder":
        paths = sorted((folder / "pictures").rglob("*.png"), key=lambda path: path.name)
        return np.stack([np.asarray(Image.open(path)).reshape(shape) for path in paths])
    with Image.open(folder / "grid.png") as sheet:
        side, pixels = shape[0], np.asarray(sheet)
    cells = pixels.reshape(len(pixels) // side, side, -1, side, shape[2]).swapaxes(1, 2)
    return cells.reshape(-1, *shape)


@pytest.mark.parametrize("preset", ["imagenet32", "mnist28_conditional", "mnist28_fully_connected"])
@pytest.mark.parametrize("form", ["grid", "npy", "folder"])
def test_every_format_has_the_pictures_of_the_model(
    preset: PresetName, form: Format, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Grey or in colour, with and without classes: the same pictures in each format, whatever the count and chunks."""
    monkeypatch.setattr(formats, "CHUNK", 10)
    model = save_untrained(tmp_path / "model", preset)
    expected = load_generator(model).sample(25, 1)
    record = samples.sample(model, settings(count=25), name=None, seed=1, to=tmp_path / "out", form=form)
    found = pictures_of(tmp_path / "out", form, model)
    assert found.dtype == np.uint8 and np.array_equal(found[:25], expected) and not found[25:].any()
    classes = 0 if preset == "imagenet32" else 10
    assert record["classes"] == classes and record["format"] == form and record["label"] is None
    names = set(files_of(tmp_path / "out"))
    if form == "npy":
        assert names == {MARK, "samples.json", "samples.npy", *(["labels.npy"] if classes else [])}
        if classes:
            labels = np.load(tmp_path / "out" / "labels.npy")
            assert labels.dtype == np.int64 and np.array_equal(labels, np.arange(25) % 10)
    if form == "folder":
        inner = [f"{n % 10}/{n:05d}.png" if classes else f"{n:05d}.png" for n in range(25)]
        assert names == {MARK, "samples.json", *(f"pictures/{name}" for name in inner)}


@pytest.mark.parametrize("form", ["grid", "npy", "folder"])
def test_a_label_chooses_the_class(form: Format, tmp_path: Path) -> None:
    """All pictures are of this class; the model's own classes are the only ones; other models take none."""
    model = save_untrained(tmp_path / "model", "mnist28_conditional")
    record = samples.sample(model, settings(count=9), name=None, seed=1, to=tmp_path / "out", form=form, label=3)
    assert record["label"] == 3
    assert np.array_equal(pictures_of(tmp_path / "out", form, model), load_generator(model).sample(9, 1, [3] * 9))
    if form == "npy":
        assert np.array_equal(np.load(tmp_path / "out" / "labels.npy"), [3] * 9)
    with pytest.raises(BadParameters, match="label 10: expected a class of the model, 0 to 9"):
        samples.sample(model, settings(), name=None, seed=1, to=tmp_path / "none", form=form, label=10)
    with pytest.raises(Unsupported, match="family dcgan learns no classes"):
        plain = save_untrained(tmp_path / "plain")
        samples.sample(plain, settings(), name=None, seed=1, to=tmp_path / "none", form=form, label=1)
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("form", ["npy", "folder"])
def test_an_interrupted_run_is_resumed(
    form: Format, saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Finished chunks are not generated again, and the result has the bytes of an uninterrupted run."""
    monkeypatch.setattr(formats, "CHUNK", 8)
    made: list[range] = []
    original = formats.Samples.pictures

    def failing(self: formats.Samples, numbers: range) -> np.ndarray:
        if len(made) == 2:
            raise KeyboardInterrupt
        made.append(numbers)
        return original(self, numbers)

    def run(to: Path) -> None:
        samples.sample(saved, settings(count=30), name=None, seed=1, to=to, form=form)

    monkeypatch.setattr(formats.Samples, "pictures", failing)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "out")
    assert not (tmp_path / "out").exists()
    left = next(path for path in (tmp_path / ".out.partial" / "scratch").rglob("*") if path.is_file())
    if form == "npy":
        left.write_bytes(left.read_bytes() + b"part of a chunk")
    else:
        left.with_name(".00016.png.123.tmp").write_bytes(b"part of a picture")
    made.clear()
    monkeypatch.setattr(formats.Samples, "pictures", lambda self, n: (made.append(n), original(self, n))[1])
    run(tmp_path / "out")
    assert made == [range(16, 24), range(24, 30)]
    run(tmp_path / "whole")
    assert files_of(tmp_path / "out") == files_of(tmp_path / "whole")


def test_batch_statistics_need_a_grid(saved: Path, tmp_path: Path) -> None:
    """A long array cannot be one batch; the error says what to do."""
    with pytest.raises(BadParameters, match="needs --format grid, not npy"):
        parameters = settings(batch_statistics=True)
        samples.sample(saved, parameters, name=None, seed=1, to=tmp_path / "out", form="npy")


def test_a_gpu_that_is_not_there(saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`cuda` is an error; `auto` is the CPU, as the record says."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(BadParameters, match=r"--device cuda: torch .* sees no CUDA device"):
        samples.sample(saved, settings(), name=None, seed=1, to=tmp_path / "out", device="cuda")
    record = samples.sample(saved, settings(), name=None, seed=1, to=tmp_path / "out", device="auto")
    assert record["device"] == "cpu"


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("preset", ["imagenet32", "mnist28_conditional"])
def test_on_a_gpu(preset: PresetName, tmp_path: Path) -> None:
    """The same pictures but for the last bits; each depends on its seed, number and label alone."""
    model = save_untrained(tmp_path / "model", preset)
    for device in ("cpu", "cuda"):
        samples.sample(model, settings(count=70), name=None, seed=1, to=tmp_path / device, form="npy", device=device)
    samples.sample(model, settings(count=3), name=None, seed=1, to=tmp_path / "few", form="npy", device="cuda")
    cpu, cuda, few = (np.load(tmp_path / name / "samples.npy") for name in ("cpu", "cuda", "few"))
    assert np.abs(cpu.astype(int) - cuda).max() <= 1 and np.array_equal(few, cuda[:3])


def test_seed_and_name_choose_the_pictures(saved: Path, tmp_path: Path) -> None:
    """Another seed or another name of the set gives other pictures."""
    grids = set()
    for name, seed in (("one", 1), ("one", 2), ("two", 1)):
        samples.sample(saved, settings(), name=name, seed=seed, to=tmp_path / f"{name}{seed}")
        grids.add((tmp_path / f"{name}{seed}" / "grid.png").read_bytes())
    assert len(grids) == 3


def test_more_singles_than_pictures_is_an_error(saved: Path, tmp_path: Path) -> None:
    """The error names the key and the limit."""
    with pytest.raises(BadParameters, match="singles: 11, expected at most count, which is 10"):
        samples.sample(saved, settings(singles=11), name="set", seed=1, to=tmp_path / "out")


def test_a_batch_of_one_has_no_statistics(saved: Path, tmp_path: Path) -> None:
    """The error names the key and what it needs, instead of a traceback from torch."""
    with pytest.raises(BadParameters, match="batch_statistics: true needs a count of at least 2"):
        parameters = settings(count=1, singles=0, batch_statistics=True)
        samples.sample(saved, parameters, name="set", seed=1, to=tmp_path / "out")
    assert not (tmp_path / "out").exists()
