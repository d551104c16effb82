"""The networks are the paper's: sizes, layers, first weights, labels. Tests read the networks, not the presets."""

from typing import get_args

import pytest
import torch
from torch import nn

from pipeline.models.dcgan.model import PRESETS, Discriminator, Generator, PresetName, build, empty
from pipeline.models.dcgan.networks import joined
from pipeline.models.dcgan.sampling import latents
from tests.models.untrained import labels, lively, rng

NAMES: tuple[PresetName, ...] = get_args(PresetName)
CONDITIONAL = ("mnist28_conditional", "mnist28_fully_connected")
PLAIN = tuple(name for name in NAMES if name not in CONDITIONAL)
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)
CONVOLUTIONS = (nn.Conv2d, nn.ConvTranspose2d)
WEIGHTS = (*CONVOLUTIONS, nn.Linear)

SHAPES: dict[str, tuple[int, int, int]] = {
    **{"paper64": (100, 3, 64), "torch64": (100, 3, 64), "imagenet32": (256, 3, 32), "svhn32": (100, 3, 32)},
    **{"mnist28_conditional": (100, 1, 28), "mnist28_fully_connected": (100, 1, 28)},
}
"""Length of z, channels and side of the pictures."""


def count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def published(name: PresetName) -> tuple[Generator, Discriminator]:
    """Both networks at the published width, without weights."""
    preset = PRESETS[name]
    return empty(Generator, preset, preset.base_width), empty(Discriminator, preset, preset.base_width)


def small(name: PresetName) -> tuple[Generator, Discriminator]:
    """Both networks with weights at a small width, of which each layer has at least four channels."""
    return build(Generator, PRESETS[name], 4, rng()), build(Discriminator, PRESETS[name], 4, rng())


def leaves(network: nn.Module) -> list[nn.Module]:
    """The layers in the order in which they are applied."""
    return [module for module in network.modules() if not list(module.children())]


def kinds(network: nn.Module) -> str:
    """The layers in order, one letter each: up- and down-convolution, linear, norm, ReLU, leaky ReLU, tanh, sigmoid."""
    letters = {
        **{nn.ConvTranspose2d: "u", nn.Conv2d: "d", nn.Linear: "l", nn.BatchNorm1d: "n", nn.BatchNorm2d: "n"},
        **{nn.ReLU: "r", nn.LeakyReLU: "k", nn.Tanh: "t", nn.Sigmoid: "s", nn.Unflatten: ""},
    }
    return "".join(letters[type(leaf)] for leaf in leaves(network))


def shape(layer: nn.Module) -> tuple[int, ...]:
    """Inputs, outputs and, of a convolution, kernel, stride and bias."""
    if isinstance(layer, nn.Linear):
        return (layer.in_features, layer.out_features)
    assert isinstance(layer, CONVOLUTIONS) and layer.kernel_size[0] == layer.kernel_size[1]
    return (layer.in_channels, layer.out_channels, layer.kernel_size[0], layer.stride[0])


def test_every_preset_has_a_name_that_a_profile_may_use() -> None:
    """Adding a preset in one place only is noticed."""
    assert set(PRESETS) == set(NAMES) == set(SHAPES)


@pytest.mark.parametrize(
    ("name", "generator", "discriminator"),
    [
        ("paper64", 18_885_760, 17_232_768),
        ("torch64", 3_576_704, 2_765_568),
        ("imagenet32", 6_690_688, 4_586_112),
        (
            "svhn32",
            # z to 256 maps of 4×4, gain and shift per unit; then 5×5 kernels, gains and shifts per channel
            100 * 4096 + 2 * 4096 + (256 * 128 + 128 * 64 + 64 * 3) * 25 + 2 * (128 + 64),
            (3 * 64 + 64 * 128 + 128 * 256) * 25 + 2 * (128 + 256) + 16 * 256,
        ),
        (
            "mnist28_conditional",
            # each layer has 10 more inputs, for the label, and batch norm has no parameters
            (100 + 10) * 1024 + (1024 + 10) * 128 * 7 * 7 + ((128 + 10) * 64 + (64 + 10) * 1) * 25,
            ((1 + 10) * 64 + (64 + 10) * 128) * 25 + (128 * 7 * 7 + 10) * 1024 + (1024 + 10) * 1,
        ),
        ("mnist28_fully_connected", 110 * 1024 + 1024 * 1024 + 1024 * 784, 794 * 1024 + 1024 * 1024 + 1024 * 1),
    ],
)
def test_parameter_counts_are_the_published_ones(name: PresetName, generator: int, discriminator: int) -> None:
    """At the published width the networks have exactly the weights of the paper's and the releases'."""
    assert tuple(map(count, published(name))) == (generator, discriminator)


@pytest.mark.parametrize(
    ("name", "generator", "discriminator"),
    [
        ("paper64", "lnr unr unr unr ut", "dk dnk dnk dnk l"),
        ("torch64", "lnr unr unr unr ut", "dk dnk dnk dnk l"),
        ("imagenet32", "lnr unr unr unr unr unr ut", "dk dnk dnk dnk dnk dnk l"),
        ("svhn32", "lnr unr unr ut", "dk dnk dnk l"),
        ("mnist28_conditional", "lnr lnr unr us", "dk dnk lnk l"),
        ("mnist28_fully_connected", "lnr lnr ls", "lk lnk l"),
    ],
)
def test_layers_and_their_order(name: PresetName, generator: str, discriminator: str) -> None:
    """Convolution, batch norm, activation. No batch norm on G's output and D's input; ReLU in G, LeakyReLU in D.

    Nothing else: no pooling, no dropout, and but for MNIST no hidden fully connected layer.
    """
    g, d = published(name)
    assert (kinds(g), kinds(d)) == (generator.replace(" ", ""), discriminator.replace(" ", ""))
    assert all(leaf.negative_slope == 0.2 for leaf in leaves(d) if isinstance(leaf, nn.LeakyReLU))


@pytest.mark.parametrize(
    ("name", "generator", "discriminator"),
    [
        (
            "paper64",
            [(100, 16384), (1024, 512, 5, 2), (512, 256, 5, 2), (256, 128, 5, 2), (128, 3, 5, 2)],
            [(3, 128, 5, 2), (128, 256, 5, 2), (256, 512, 5, 2), (512, 1024, 5, 2), (16384, 1)],
        ),
        (
            "torch64",
            [(100, 8192), (512, 256, 4, 2), (256, 128, 4, 2), (128, 64, 4, 2), (64, 3, 4, 2)],
            [(3, 64, 4, 2), (64, 128, 4, 2), (128, 256, 4, 2), (256, 512, 4, 2), (8192, 1)],
        ),
        (
            "imagenet32",
            [
                *[(256, 8192), (512, 512, 3, 2), (512, 256, 3, 1), (256, 256, 3, 2), (256, 128, 3, 1)],
                *[(128, 128, 3, 2), (128, 3, 3, 1)],
            ],
            [
                *[(3, 128, 3, 1), (128, 128, 3, 2), (128, 256, 3, 1), (256, 256, 3, 2), (256, 512, 3, 1)],
                *[(512, 512, 3, 2), (8192, 1)],
            ],
        ),
        (
            "svhn32",
            [(100, 4096), (256, 128, 5, 2), (128, 64, 5, 2), (64, 3, 5, 2)],
            [(3, 64, 5, 2), (64, 128, 5, 2), (128, 256, 5, 2), (4096, 1)],
        ),
        (
            "mnist28_conditional",
            [(110, 1024), (1034, 6272), (138, 64, 5, 2), (74, 1, 5, 2)],
            [(11, 64, 5, 2), (74, 128, 5, 2), (6282, 1024), (1034, 1)],
        ),
        (
            "mnist28_fully_connected",
            [(110, 1024), (1024, 1024), (1024, 784)],
            [(794, 1024), (1024, 1024), (1024, 1)],
        ),
    ],
)
def test_channels_kernels_and_strides(
    name: PresetName, generator: list[tuple[int, ...]], discriminator: list[tuple[int, ...]]
) -> None:
    """Inputs and outputs of each layer are the published ones; the labels of MNIST are ten of the inputs."""
    for network, expected in zip(published(name), (generator, discriminator), strict=True):
        assert [shape(leaf) for leaf in leaves(network) if isinstance(leaf, WEIGHTS)] == expected


@pytest.mark.parametrize("name", NAMES)
def test_no_bias_and_learned_norms_but_for_mnist(name: PresetName) -> None:
    """No layer has biases; batch norm has gains and shifts, except for MNIST."""
    for network in published(name):
        assert all(leaf.bias is None for leaf in leaves(network) if isinstance(leaf, WEIGHTS))
        norms = [leaf for leaf in leaves(network) if isinstance(leaf, NORMS)]
        assert all((leaf.weight is None) == (leaf.bias is None) == (name in CONDITIONAL) for leaf in norms)


@pytest.mark.parametrize("name", NAMES)
def test_batch_norm_of_the_projection(name: PresetName) -> None:
    """The released code normalises each unit of the projection; dcgan.torch normalises each channel."""
    first = next(leaf for leaf in leaves(published(name)[0]) if isinstance(leaf, NORMS))
    assert isinstance(first, nn.BatchNorm2d) == (name == "torch64")


@pytest.mark.parametrize("name", NAMES)
def test_shapes_and_ranges(name: PresetName) -> None:
    """G's pictures have the preset's side and reach both ends of their range; D gives one unbounded logit each."""
    (latent, channels, side), (_, discriminator), y = SHAPES[name], small(name), labels(name, 5)
    generator, preset = lively(name), PRESETS[name]
    z = latents(preset, rng(), 5)
    with torch.no_grad():
        assert z.shape == (5, latent)
        pictures = generator(z, y)
        assert pictures.shape == (5, channels, side, side) and pictures.dtype == torch.float32
        next(generator.image.children()).weight *= 1000
        low, high = (0, 1) if name in CONDITIONAL else (-1, 1)
        extreme = generator(z, y)
        assert extreme.min() == low and extreme.max() == high
        assert discriminator(pictures, y).shape == (5,)
        discriminator.logit.weight *= 1e4
        assert discriminator(pictures, y).abs().max() > 1


@pytest.mark.parametrize("name", NAMES)
def test_pixels_are_scaled_to_the_range_of_the_generator(name: PresetName) -> None:
    """x / 127.5 - 1 or x / 255, and back to each of the 256 levels; values beyond them become the nearest level."""
    preset, (_, channels, _) = PRESETS[name], SHAPES[name]
    pixels = torch.arange(256, dtype=torch.uint8).view(1, 16, 16, 1).expand(2, 16, 16, channels)
    scaled = preset.scaled(pixels)
    expected = torch.arange(256) / 255 if name in CONDITIONAL else torch.arange(256) / 127.5 - 1
    assert scaled.dtype == torch.float32 and scaled.shape == (2, channels, 16, 16)
    assert torch.equal(scaled[1, -1].flatten(), expected)
    assert torch.equal(preset.pixels(scaled), pixels)
    assert preset.pixels(scaled * 0 + 2).min() == 255 and preset.pixels(scaled * 0 - 2).max() == 0


@pytest.mark.parametrize(
    ("name", "shapes"),
    [
        ("paper64", [(4, 32), (8, 16), (16, 8), (32, 4)]),
        ("torch64", [(4, 32), (8, 16), (16, 8), (32, 4)]),
        ("imagenet32", [(4, 32), (4, 16), (8, 16), (8, 8), (16, 8), (16, 4)]),
        ("svhn32", [(4, 16), (8, 8), (16, 4)]),
        ("mnist28_conditional", [(4, 14), (8, 7), (64, 1)]),
        ("mnist28_fully_connected", [(4, 1), (4, 1)]),
    ],
)
def test_features_are_every_hidden_layer_after_its_activation(name: PresetName, shapes: list[tuple[int, int]]) -> None:
    """What the feature evaluation pools: at the published widths 28,672 for imagenet32 and 7,168 for svhn32."""
    discriminator, (_, channels, side), y = small(name)[1].eval(), SHAPES[name], labels(name, 2)
    pictures = torch.rand(2, channels, side, side, generator=rng())
    with torch.no_grad():
        maps = discriminator.features(pictures, y)
        assert [tuple(m.shape[1:]) for m in maps] == [(n, s, s) for n, s in shapes]
        # LeakyReLU leaves five times more weight above zero than below.
        assert all((m > 0).any() and (m < 0).any() for m in maps)
        last = maps[-1].flatten(1)
        if name == "mnist28_conditional":
            last = torch.cat([last, nn.functional.one_hot(y, 10)], 1)
        assert torch.equal(last @ discriminator.logit.weight[0], discriminator(pictures, y))
    if name in ("imagenet32", "svhn32"):
        features = PRESETS[name].base_width // 4 * sum(n for n, _ in shapes) * 16
        assert features == {"imagenet32": 28_672, "svhn32": 7_168}[name]


@pytest.mark.parametrize("kind", [Generator, Discriminator])
@pytest.mark.parametrize("name", NAMES)
def test_first_weights(kind: type, name: PresetName) -> None:
    """Weights N(0, 0.02), gains N(1, 0.02), shifts 0, and statistics fresh."""
    network = build(kind, PRESETS[name], 64 if name == "mnist28_fully_connected" else 16, rng())
    gains = []
    for module in network.modules():
        if isinstance(module, WEIGHTS):
            values = module.weight.flatten()
            assert abs(values.mean().item()) < 5 * 0.02 / len(values) ** 0.5
            # The standard deviation of the estimate is 0.02 / sqrt(2 n).
            assert values.std().item() == pytest.approx(0.02, abs=5 * 0.02 / (2 * len(values)) ** 0.5)
            within = (values.abs() < 0.02).float().mean().item()
            assert within == pytest.approx(0.6827, abs=5 * 0.47 / len(values) ** 0.5), "a normal distribution"
        if isinstance(module, NORMS):
            assert not module.running_mean.any() and (module.running_var == 1).all()
            if module.affine:
                assert not module.bias.any()
                gains.append(module.weight)
    assert bool(gains) == (name not in CONDITIONAL)
    if gains:
        joined = torch.cat(gains)
        assert joined.mean().item() == pytest.approx(1.0, abs=5 * 0.02 / len(joined) ** 0.5)
        assert joined.std().item() == pytest.approx(0.02, abs=5 * 0.02 / (2 * len(joined)) ** 0.5)


@pytest.mark.parametrize("name", CONDITIONAL)
def test_the_label_changes_pictures_and_logits(name: PresetName) -> None:
    """Each class gives another picture of the same z, and another logit of the same picture."""
    generator, discriminator = lively(name), small(name)[1].eval()
    every = torch.arange(10)
    z = latents(PRESETS[name], rng(), 1).expand(10, -1)
    with torch.no_grad():
        pictures = generator(z, every)
        assert len(pictures.unique(dim=0)) == 10
        assert len(discriminator(pictures[:1].expand(10, -1, -1, -1), every).unique()) == 10


def test_the_label_enters_every_layer_of_the_conditional_networks() -> None:
    """The input of each layer ends with the one-hot label, constant over the positions of maps."""
    name: PresetName = "mnist28_conditional"
    generator, discriminator = small(name)
    y = torch.tensor([7, 0, 3])
    expected = nn.functional.one_hot(y, 10).float()
    inputs: list[torch.Tensor] = []
    for network in (generator, discriminator):
        for layer in leaves(network):
            if isinstance(layer, WEIGHTS):
                layer.register_forward_pre_hook(lambda _, given: inputs.append(given[0]))
    discriminator(generator(latents(PRESETS[name], rng(), 3), y), y).sum().backward()
    assert len(inputs) == 8
    for given in inputs:
        at_each = expected if given.ndim == 2 else expected[:, :, None, None].expand(-1, -1, *given.shape[2:])
        assert torch.equal(given[:, -10:], at_each)
    for network in (generator, discriminator):
        for layer in leaves(network):
            if isinstance(layer, nn.ConvTranspose2d):
                assert layer.weight.grad[-10:].abs().amax((1, 2, 3)).count_nonzero() == 3, "only the three classes"
            elif isinstance(layer, nn.Conv2d | nn.Linear):
                gradient = layer.weight.grad[:, -10:].transpose(0, 1).flatten(1)
                assert gradient.abs().amax(1).count_nonzero() == 3


def test_the_label_enters_the_fully_connected_networks_at_their_input() -> None:
    """z and pixels are followed by the one-hot label."""
    name: PresetName = "mnist28_fully_connected"
    y = torch.tensor([7, 0, 3])
    for network, given in zip(small(name), ((3, 100), (3, 1, 28, 28)), strict=True):
        inputs: list[torch.Tensor] = []
        leaves(network)[0].register_forward_pre_hook(lambda _, given, inputs=inputs: inputs.append(given[0]))
        values = torch.rand(given, generator=rng())
        network(values, y)
        assert torch.equal(inputs[0], torch.cat([values.flatten(1), nn.functional.one_hot(y, 10)], 1))


@pytest.mark.parametrize("name", NAMES)
def test_labels_are_given_exactly_to_presets_with_classes(name: PresetName) -> None:
    """A missing or unexpected label is an error instead of a wrong result."""
    generator, discriminator = small(name)
    _, channels, side = SHAPES[name]
    wrong = None if name in CONDITIONAL else torch.tensor([1, 2])
    with pytest.raises(ValueError, match="labels"):
        generator(latents(PRESETS[name], rng(), 2), wrong)
    with pytest.raises(ValueError, match="labels"):
        discriminator(torch.zeros(2, channels, side, side), wrong)
    with pytest.raises(ValueError, match="labels"):
        discriminator.features(torch.zeros(2, channels, side, side), wrong)


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_labels_keep_the_memory_format_of_maps(memory_format: torch.memory_format) -> None:
    """Otherwise each layer of the conditional networks would convert its input."""
    maps, y = torch.rand(3, 4, 7, 7, generator=rng()), torch.rand(3, 10, generator=rng())
    found = joined(maps.contiguous(memory_format=memory_format), y)
    assert found.is_contiguous(memory_format=memory_format)
    assert torch.equal(found[:, :4], maps) and torch.equal(found[:, 4:], y[:, :, None, None].expand(-1, -1, 7, 7))


@pytest.mark.parametrize("name", NAMES)
def test_networks_train_in_bfloat16(name: PresetName) -> None:
    """Under autocast, labels take the type of the values that they are joined to, and all weights get gradients."""
    (generator, discriminator), y = small(name), labels(name, 6)
    with torch.autocast("cpu", torch.bfloat16):
        pictures = generator(latents(PRESETS[name], rng(), 6), y)
        logits = discriminator(pictures, y)
    assert pictures.dtype == torch.bfloat16
    logits.float().sum().backward()
    for network in (generator, discriminator):
        assert all(weight.grad is not None and weight.grad.isfinite().all() for weight in network.parameters())


def test_chance_comes_from_the_given_generator_alone() -> None:
    """The same generator state gives the same network, another one another, and torch's own state is untouched."""
    before = torch.get_rng_state()
    one, same, other = (build(Generator, PRESETS["torch64"], 4, rng(seed)).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(one[key], same[key]) for key in one)
    assert not torch.equal(one["image.0.weight"], other["image.0.weight"])
    assert torch.equal(before, torch.get_rng_state())
