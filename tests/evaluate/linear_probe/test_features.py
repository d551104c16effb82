"""Features: the paper's number, equal to a naive implementation, and independent of other pictures."""

import numpy as np
import pytest
import torch

from pipeline.core.errors import BadParameters
from pipeline.evaluate.linear_probe import features
from pipeline.imageset.format.image_set import ImageSet
from pipeline.models.dcgan.model import PRESETS
from tests.evaluate.linear_probe.conftest import coloured, discriminator, write_set


def naive(network, image):
    """Features of one picture by their definition, in plain loops: the maxima of 4×4 fields of each map."""
    maps = torch.from_numpy(image.astype(np.float64) / 127.5 - 1).permute(2, 0, 1)[None]
    found = []
    for layer in network.double().layers:
        maps = layer(maps)
        side = maps.shape[-1] // 4
        for channel in maps[0]:
            for row in range(4):
                for column in range(4):
                    field = channel[row * side : (row + 1) * side, column * side : (column + 1) * side]
                    found.append(float(field.max()))
    network.float()
    return np.array(found)


def test_the_papers_28672():
    """128, 128, 256, 256, 512 and 512 maps of 4×4: the formula agrees with the network."""
    assert 16 * (128 + 128 + 256 + 256 + 512 + 512) == 28_672
    network = discriminator(width=128).eval()
    assert features.of_pictures(network, coloured(1, 0)[0]).shape == (1, 28_672)


@pytest.mark.parametrize("preset", ["imagenet32", "torch64"])
def test_features_equal_a_naive_reference(preset, tmp_path):
    """Equal within 1e-5, from the first layer to the last, channel by channel."""
    network = discriminator(preset)
    images = np.random.default_rng(5).integers(0, 256, (256, PRESETS[preset].side, PRESETS[preset].side, 3), np.uint8)
    source = ImageSet(write_set(tmp_path / "set", images))
    network = features.with_statistics(network, source, np.arange(256))
    with torch.no_grad():
        reference = np.stack([naive(network, image) for image in images[:3]])
        found = features.of_pictures(network, images[:3])
    assert found.shape == reference.shape
    np.testing.assert_allclose(found, reference, atol=1e-5, rtol=0)


@pytest.mark.parametrize("together", [1, 7, 64, 100])
def test_features_do_not_depend_on_the_batch(together):
    """A picture has bit-identical features in batches of any size."""
    network = discriminator().eval()
    images = coloured(100, 4)[0]
    alone = np.concatenate([features.of_pictures(network, images[n : n + 1]) for n in range(100)])
    parts = [features.of_pictures(network, images[n : n + together]) for n in range(0, 100, together)]
    np.testing.assert_array_equal(np.concatenate(parts), alone)


def test_statistics_are_plain_means_over_batches(tmp_path):
    """As in the released code: mean and variance of each batch of 128, averaged; an incomplete batch is left out."""
    network = discriminator()
    source = ImageSet(write_set(tmp_path / "set", coloured(300, 6)[0]))
    found = features.with_statistics(network, source, np.arange(300))
    assert not found.training
    with torch.no_grad():
        maps = [network.layers[0](features.pixels(source.read(np.arange(n, n + 128)))) for n in (0, 128)]
        first = [network.layers[1][0](one) for one in maps]
    means = torch.stack([one.mean(dim=(0, 2, 3)) for one in first]).mean(dim=0)
    variances = torch.stack([one.var(dim=(0, 2, 3)) for one in first]).mean(dim=0)
    torch.testing.assert_close(found.layers[1][1].running_mean, means, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(found.layers[1][1].running_var, variances, atol=1e-7, rtol=1e-5)
    assert float(network.layers[1][1].running_var[0]) == 1.0, "the network itself is left as it was"
    with pytest.raises(BadParameters, match="100 pictures do not fill one batch of 128"):
        features.with_statistics(network, source, np.arange(100))


@pytest.mark.parametrize("kept", [0, 1, 100, 5000, 20_000])
def test_interrupted_writing_resumes(tmp_path, kept):
    """A file that was cut off after its header is completed to the same bytes."""
    network = discriminator().eval()
    source = ImageSet(write_set(tmp_path / "set", coloured(200, 7)[0]))
    rows = np.arange(200)[::-1].copy()
    whole = features.write(tmp_path / "whole.npy", network, source, rows, "x")
    np.testing.assert_array_equal(whole, features.of_pictures(network, source.read(rows)))
    data = (tmp_path / "whole.npy").read_bytes()
    (tmp_path / "cut.npy").write_bytes(data[:kept])
    features.write(tmp_path / "cut.npy", network, source, rows, "x")
    assert (tmp_path / "cut.npy").read_bytes() == data
