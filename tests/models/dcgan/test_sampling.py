"""Pictures depend on their z alone and are rounded the right way; z is uniform."""

import numpy as np
import pytest
import torch

from pipeline.models.dcgan import sampling
from pipeline.models.dcgan.model import PresetName
from tests.models.untrained import lively, rng


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
