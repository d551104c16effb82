"""Pictures depend on their z and label alone and are rounded the right way; z has the distribution of the preset."""

from typing import get_args

import numpy as np
import pytest
import torch

from pipeline.models.dcgan import sampling
from pipeline.models.dcgan.family import DcganGenerator
from pipeline.models.dcgan.model import PRESETS, PresetName
from pipeline.models.dcgan.networks import Generator
from tests.models.untrained import labels, lively, rng

NAMES: tuple[PresetName, ...] = get_args(PresetName)


@pytest.mark.parametrize("name", NAMES)
def test_a_picture_does_not_depend_on_its_batch_mates(name: PresetName) -> None:
    """The same z alone, in another batch, at another place and in another block gives the same bytes."""
    generator = DcganGenerator(lively(name, 8), {}).network
    count = 2 * sampling.BLOCK + 5
    z, y = sampling.latents(generator.preset, rng(3), count), labels(name, count)
    together = sampling.draw(generator, z, y)
    assert together.std(axis=0).mean() > 5, "pictures that are all alike would show nothing"
    for place in (0, 1, sampling.BLOCK - 1, sampling.BLOCK, 2 * sampling.BLOCK + 4):
        alone = slice(place, place + 1)
        assert np.array_equal(sampling.draw(generator, z[alone], None if y is None else y[alone])[0], together[place])
    assert np.array_equal(sampling.draw(generator, z.flip(0), None if y is None else y.flip(0)), together[::-1])


@pytest.mark.parametrize("name", ["imagenet32", "mnist28_conditional"])
def test_batch_statistics_are_the_batchs(name: PresetName) -> None:
    """On request batch norm uses the batch, as the released code does; the running statistics stay what they were."""
    generator = lively(name, 4)
    before = {key: value.clone() for key, value in generator.state_dict().items()}
    z, y = sampling.latents(generator.preset, rng(3), 70), labels(name, 70)
    batch = sampling.draw(generator, z, y, batch_statistics=True)
    with torch.no_grad():
        expected = generator.preset.pixels(generator.train()(z, y))
    assert np.array_equal(batch, expected.numpy())
    half = sampling.draw(generator, z[:35], None if y is None else y[:35], batch_statistics=True)
    assert not np.array_equal(batch[:35], half)
    generator.load_state_dict(before)
    sampling.draw(generator, z, y, batch_statistics=True)
    assert all(torch.equal(value, before[key]) for key, value in generator.state_dict().items())


def test_rounding_undoes_the_scaling_of_pixels() -> None:
    """x / 127.5 - 1 comes back as x for each of the 256 values."""

    class Constant(Generator):
        def __init__(self) -> None:
            super().__init__(PRESETS["imagenet32"])
            self.weight = torch.nn.Parameter((torch.arange(1024) % 256).float().view(1, 1, 32, 32) / 127.5 - 1)

        def forward(self, z: torch.Tensor, labels: torch.Tensor | None = None) -> torch.Tensor:
            return self.weight.expand(len(z), 3, 32, 32)

    images = sampling.draw(Constant(), torch.zeros(2, 256))
    assert np.array_equal(images[1, :, :, 2], (np.arange(1024) % 256).reshape(32, 32))


@pytest.mark.parametrize("name", NAMES)
def test_latents_have_the_distribution_of_the_preset(name: PresetName) -> None:
    """z is uniform in [-1, 1), for SVHN normal with variance 1: moments, and the share near 0."""
    z = sampling.latents(PRESETS[name], rng(), 10, 100)
    assert z.shape == (10, 100, 256 if name == "imagenet32" else 100) and z.dtype == torch.float32
    assert z.mean().item() == pytest.approx(0, abs=0.01)
    near = (z.abs() < 0.5).float().mean().item()
    if name == "svhn32":
        assert z.var().item() == pytest.approx(1, rel=0.02) and z.abs().max() > 3
        assert near == pytest.approx(0.3829, abs=0.01)
    else:
        assert -1 <= z.min() < -0.999 and 0.999 < z.max() < 1
        assert z.var().item() == pytest.approx(1 / 3, rel=0.02) and near == pytest.approx(0.5, abs=0.01)
