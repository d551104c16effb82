"""Convolutions as products of matrices equal torch's, with both gradients, and have the same names of weights."""

import copy

import pytest
import torch
from torch import nn

from pipeline.training import matrix_convolution
from pipeline.training.matrix_convolution import MatrixConvolution, with_matrix_products


@pytest.mark.parametrize(("kernel", "stride"), [(3, 1), (3, 2), (4, 2), (5, 2)])
@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("memory_format", [torch.channels_last, torch.contiguous_format], ids=str)
def test_equal_to_torch(
    kernel: int, stride: int, transposed: bool, memory_format: torch.memory_format, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All layers of the presets: 4×4 maps to larger ones and back, in float64, to the last digits."""
    monkeypatch.setattr(matrix_convolution, "FEWEST_CHANNELS", 2)
    rng, padding = torch.Generator().manual_seed(1), (kernel - 1) // 2
    longer = stride + 2 * padding - kernel
    layer: nn.Module = (
        nn.ConvTranspose2d(3, 5, kernel, stride, padding, output_padding=longer, bias=False)
        if transposed
        else nn.Conv2d(5, 3, kernel, stride, padding, bias=False)
    )
    plain = nn.Sequential(layer).double().to(memory_format=memory_format)
    with torch.no_grad():
        plain[0].weight.normal_(generator=rng)
    products = with_matrix_products(copy.deepcopy(plain))
    assert isinstance(products[0], MatrixConvolution) and list(products.state_dict()) == list(plain.state_dict())
    side = 4 if transposed else 4 * stride
    maps = torch.randn(2, 3 if transposed else 5, side, side, generator=rng, dtype=torch.float64)
    results = []
    for network in (plain, products):
        given = maps.clone().contiguous(memory_format=memory_format).requires_grad_()
        found = network(given)
        gradient = torch.linspace(-1, 1, found.numel(), dtype=torch.float64).view(found.shape)
        results.append([found, *torch.autograd.grad(found, [given, network[0].weight], gradient)])
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other)


def test_other_layers_stay() -> None:
    """Few channels, a bias, groups, reflected borders stay; of a replaced layer, torch computes the larger maps."""
    options: list[dict[str, object]] = [{"bias": True}, {"groups": 2}, {"padding_mode": "reflect"}, {"dilation": 2}]
    layers = [nn.Conv2d(128, 128, 3, **({"bias": False} | given)) for given in options]  # type: ignore[arg-type]
    network = with_matrix_products(nn.Sequential(*layers, nn.Conv2d(64, 128, 3, bias=False)))
    assert not any(isinstance(module, MatrixConvolution) for module in network.modules())
    plain = nn.Sequential(nn.Conv2d(128, 128, 3, padding=1, bias=False))
    replaced = with_matrix_products(copy.deepcopy(plain))
    maps = torch.randn(1, 128, 5, 5, generator=torch.Generator().manual_seed(1))
    assert isinstance(replaced[0], MatrixConvolution) and torch.equal(plain(maps), replaced(maps))
