"""Pictures depend on their z alone, repeat to the byte, and are rounded the right way."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pipeline.core.errors import BadParameters
from pipeline.models.dcgan import sampling, saved_model
from pipeline.models.dcgan.model import PRESETS, Discriminator, Generator, PresetName, build
from pipeline.models.dcgan.sampling import SampleConfig


def rng(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def lively(name: PresetName, width: int) -> Generator:
    """A generator whose pictures differ: untrained, with wider weights and the running statistics of a batch."""
    generator = build(Generator, PRESETS[name], width, rng())
    with torch.no_grad():
        generator.image[0].weight *= 5
        for module in generator.modules():
            if isinstance(module, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d):
                module.momentum = 1.0
        generator(sampling.latents(rng(2), 64, generator.preset.latent))
    return generator.eval()


def settings(**changes: object) -> SampleConfig:
    values = {"count": 10, "singles": 3, "batch_statistics": False, "threads": 1}
    return SampleConfig.model_validate(values | changes)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A model folder with a lively generator."""
    folder = tmp_path / "model"
    folder.mkdir()
    generator = lively("imagenet32", 4)
    discriminator = build(Discriminator, generator.preset, 4, rng())
    saved_model.save(folder, generator, discriminator, {"preset": "imagenet32", "base_width": 4})
    return folder


@pytest.mark.parametrize("name", ["paper64", "torch64", "imagenet32"])
def test_a_picture_does_not_depend_on_its_batch_mates(name: PresetName) -> None:
    """The same z alone, in another batch, at another place and in another block gives the same bytes."""
    generator = lively(name, 8)
    z = sampling.latents(rng(3), 2 * sampling.BLOCK + 5, generator.preset.latent)
    together = sampling.draw(generator, z)
    assert together.std(axis=0).mean() > 5, "pictures that are all alike would show nothing"
    for place in (0, 1, sampling.BLOCK - 1, sampling.BLOCK, 2 * sampling.BLOCK + 4):
        assert np.array_equal(sampling.draw(generator, z[place : place + 1])[0], together[place])
    assert np.array_equal(sampling.draw(generator, z.flip(0)), together[::-1])


def test_batch_statistics_are_the_batchs() -> None:
    """On request batch norm uses the batch, as the released code does; the running statistics stay what they were."""
    generator = lively("imagenet32", 4)
    before = {key: value.clone() for key, value in generator.state_dict().items()}
    z = sampling.latents(rng(3), 70, generator.preset.latent)
    batch = sampling.draw(generator, z, batch_statistics=True)
    with torch.no_grad():
        expected = (generator.train()(z) + 1) * 127.5
    assert np.array_equal(batch, expected.round().to(torch.uint8).permute(0, 2, 3, 1).numpy())
    assert not np.array_equal(batch[:35], sampling.draw(generator, z[:35], batch_statistics=True))
    generator.load_state_dict(before)
    sampling.draw(generator, z, batch_statistics=True)
    assert all(torch.equal(value, before[key]) for key, value in generator.state_dict().items())


def test_rounding_undoes_the_scaling_of_pixels() -> None:
    """x / 127.5 - 1 comes back as x for each of the 256 values."""

    class Constant(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.arange(256).float().view(1, 1, 16, 16) / 127.5 - 1)

        def forward(self, z: torch.Tensor) -> torch.Tensor:
            return self.weight.expand(len(z), 3, 16, 16)

    images = sampling.draw(Constant(), torch.zeros(2, 1))  # type: ignore[arg-type]
    assert np.array_equal(images[1, :, :, 2], np.arange(256).reshape(16, 16))


def test_latents_are_uniform() -> None:
    """z fills [-1, 1) evenly."""
    z = sampling.latents(rng(), 1000, 100)
    assert z.dtype == torch.float32 and -1 <= z.min() < -0.999 and 0.999 < z.max() < 1
    assert z.mean().item() == pytest.approx(0, abs=0.01) and z.var().item() == pytest.approx(1 / 3, rel=0.01)


@pytest.mark.parametrize("batch_statistics", [False, True])
def test_files_repeat_to_the_byte(saved: Path, tmp_path: Path, batch_statistics: bool) -> None:
    """A grid, the first pictures alone, and where they come from; a second run gives the same bytes."""
    parameters = settings(batch_statistics=batch_statistics)
    trees = []
    for to in (tmp_path / "one", tmp_path / "two"):
        record = sampling.sample(saved, parameters, name="set", seed=1, to=to)
        trees.append({str(path.relative_to(to)): path.read_bytes() for path in to.rglob("*") if path.is_file()})
    assert trees[0] == trees[1]
    assert set(trees[0]) == {"grid.png", "samples.json", *(f"singles/{number:03d}.png" for number in range(3))}
    with Image.open(tmp_path / "one" / "grid.png") as sheet, Image.open(tmp_path / "one/singles/001.png") as single:
        assert sheet.size == (4 * 32, 3 * 32)
        assert np.array_equal(np.asarray(sheet)[:32, 32:64], np.asarray(single))
    assert record == json.loads(trees[0]["samples.json"])
    assert record["model_sha256"] == hashlib.sha256((saved / "generator.safetensors").read_bytes()).hexdigest()
    assert record["seed"] == 1 and len(record["z_sha256"]) == 64


def test_seed_and_name_choose_z(saved: Path, tmp_path: Path) -> None:
    """Another seed or another set gives other pictures."""
    digests = {
        sampling.sample(saved, settings(), name=name, seed=seed, to=tmp_path / f"{name}{seed}")["z_sha256"]
        for name, seed in (("one", 1), ("one", 2), ("two", 1))
    }
    assert len(digests) == 3


def test_more_singles_than_pictures_is_an_error(saved: Path, tmp_path: Path) -> None:
    """The message names the key and the limit."""
    with pytest.raises(BadParameters, match="singles: 11, expected at most count, which is 10"):
        sampling.sample(saved, settings(singles=11), name="set", seed=1, to=tmp_path / "out")


def test_a_batch_of_one_has_no_statistics(saved: Path, tmp_path: Path) -> None:
    """The message names the key and what it needs, before torch stops with a traceback."""
    with pytest.raises(BadParameters, match="batch_statistics: true needs a count of at least 2"):
        parameters = settings(count=1, singles=0, batch_statistics=True)
        sampling.sample(saved, parameters, name="set", seed=1, to=tmp_path / "out")
    assert not (tmp_path / "out").exists()
