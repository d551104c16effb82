"""The networks are the paper's: sizes, layers, first weights."""

from math import prod
from typing import get_args

import pytest
import torch
from torch import nn

from pipeline.models.dcgan.model import PRESETS, TOP_SIDE, Discriminator, Generator, PresetName, build, empty

NAMES = get_args(PresetName)
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)
CONVOLUTIONS = (nn.Conv2d, nn.ConvTranspose2d)


def rng(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def test_every_preset_has_a_name_that_a_profile_may_use() -> None:
    """Adding a preset in one place only is noticed."""
    assert set(PRESETS) == set(NAMES)


@pytest.mark.parametrize(
    ("name", "generator", "discriminator"),
    [
        ("paper64", 18_885_760, 17_232_768),
        ("torch64", 3_576_704, 2_765_568),
        ("imagenet32", 6_690_688, 4_586_112),
    ],
)
def test_parameter_counts_are_the_published_ones(name: PresetName, generator: int, discriminator: int) -> None:
    """At the published width the networks have exactly the weights of the paper's and the releases'."""
    preset = PRESETS[name]
    assert count(empty(Generator, preset, preset.base_width)) == generator
    assert count(empty(Discriminator, preset, preset.base_width)) == discriminator


@pytest.mark.parametrize("name", NAMES)
def test_layers_follow_the_guidelines(name: PresetName) -> None:
    """No pooling, no dropout, no hidden fully connected layer, no bias; batch norm but on G's output and D's input."""
    preset = PRESETS[name]
    assert preset.side == TOP_SIDE * prod(preset.strides)
    generator, discriminator = empty(Generator, preset, 4), empty(Discriminator, preset, 4)
    allowed = (*NORMS, *CONVOLUTIONS, nn.Linear, nn.ReLU, nn.LeakyReLU, nn.Tanh, nn.Unflatten)
    for network in (generator, discriminator):
        leaves = [module for module in network.modules() if not list(module.children())]
        assert all(isinstance(leaf, allowed) for leaf in leaves)
        assert sum(isinstance(leaf, nn.Linear) for leaf in leaves) == 1
        assert not any(leaf.bias is not None for leaf in leaves if isinstance(leaf, (*CONVOLUTIONS, nn.Linear)))
        assert all(leaf.kernel_size == (preset.kernel,) * 2 for leaf in leaves if isinstance(leaf, CONVOLUTIONS))
        norms = [leaf for leaf in leaves if isinstance(leaf, NORMS)]
        # One for each convolution but the excepted one; in G also one for the projection.
        assert len(norms) == len(preset.widths) - (network is discriminator)
    assert [type(layer) for layer in generator.image] == [nn.ConvTranspose2d, nn.Tanh]
    assert [type(layer) for layer in discriminator.layers[0]] == [nn.Conv2d, nn.LeakyReLU]
    assert all(layer[-1].negative_slope == 0.2 for layer in discriminator.layers)
    assert isinstance(generator.projection[1], nn.BatchNorm1d) == (name != "torch64")


@pytest.mark.parametrize("name", NAMES)
def test_shapes_and_ranges(name: PresetName) -> None:
    """G gives pictures in [-1, 1] of the preset's side; D gives one unbounded logit each."""
    preset = PRESETS[name]
    generator, discriminator = build(Generator, preset, 4, rng()), build(Discriminator, preset, 4, rng())
    pictures = generator(torch.rand(5, preset.latent, generator=rng()) * 2 - 1)
    assert pictures.shape == (5, 3, preset.side, preset.side)
    assert pictures.abs().max() <= 1
    logits = discriminator(pictures)
    assert logits.shape == (5,)
    assert discriminator(100 * pictures).min() < 0 or discriminator(100 * pictures).max() > 1


@pytest.mark.parametrize(
    ("name", "shapes"),
    [
        ("paper64", [(4, 32), (8, 16), (16, 8), (32, 4)]),
        ("torch64", [(4, 32), (8, 16), (16, 8), (32, 4)]),
        ("imagenet32", [(4, 32), (4, 16), (8, 16), (8, 8), (16, 8), (16, 4)]),
    ],
)
def test_features_are_every_convolution_after_its_activation(name: PresetName, shapes: list[tuple[int, int]]) -> None:
    """What the feature evaluation will pool: at width 128 the six layers of imagenet32 give the paper's 28,672."""
    discriminator = build(Discriminator, PRESETS[name], 4, rng()).eval()
    side = PRESETS[name].side
    pictures = torch.rand(2, 3, side, side, generator=rng()) * 2 - 1
    with torch.no_grad():
        maps = discriminator.features(pictures)
        assert [tuple(m.shape[1:]) for m in maps] == [(channels, s, s) for channels, s in shapes]
        assert torch.equal(discriminator.logit(maps[-1].flatten(1)).squeeze(1), discriminator(pictures))
        # LeakyReLU leaves five times more weight above zero than below.
        assert all((m > 0).any() and (m < 0).any() for m in maps)
        assert torch.equal(maps[0], nn.functional.leaky_relu(discriminator.layers[0][0](pictures), 0.2))
    if name == "imagenet32":
        assert 128 // 4 * sum(channels for channels, _ in shapes) * TOP_SIDE**2 == 28_672


@pytest.mark.parametrize("kind", [Generator, Discriminator])
def test_first_weights(kind: type) -> None:
    """Weights N(0, 0.02), gains N(1, 0.02), shifts 0, and statistics fresh."""
    network = build(kind, PRESETS["paper64"], 16, rng())
    for module in network.modules():
        if isinstance(module, (*CONVOLUTIONS, nn.Linear)):
            assert abs(module.weight.mean().item()) < 5 * 0.02 / module.weight.numel() ** 0.5
            assert module.weight.std().item() == pytest.approx(0.02, rel=0.1)
        if isinstance(module, NORMS):
            assert module.weight.mean().item() == pytest.approx(1.0, abs=5 * 0.02 / module.weight.numel() ** 0.5)
            assert module.weight.std().item() == pytest.approx(0.02, rel=0.5)
            assert not module.bias.any() and not module.running_mean.any() and (module.running_var == 1).all()


def test_chance_comes_from_the_given_generator_alone() -> None:
    """The same generator state gives the same network, another one another, and torch's own state is untouched."""
    before = torch.get_rng_state()
    one, same, other = (build(Generator, PRESETS["torch64"], 4, rng(seed)).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(one[key], same[key]) for key in one)
    assert not torch.equal(one["image.0.weight"], other["image.0.weight"])
    assert torch.equal(before, torch.get_rng_state())
