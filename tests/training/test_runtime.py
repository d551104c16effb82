"""The runtime: what a profile names is what is used, and what decides the bits is described."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from pipeline.core.errors import BadParameters
from pipeline.core.params import load_section, read_yaml
from pipeline.models.dcgan.config import DcganConfig
from pipeline.seeding import deterministic
from pipeline.training import runtime
from pipeline.training.feeder.transfer import Transfer
from pipeline.training.runtime import Runtime, RuntimeConfig, describe, resolve

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def switches() -> Iterator[None]:
    """Put torch's global switches back."""
    yield
    deterministic(1)


@pytest.fixture
def config() -> Callable[..., RuntimeConfig]:
    """A function that makes a configuration, with changes."""
    values = {
        **{"device": "cpu", "precision": "float32", "memory_format": "contiguous", "compile": False},
        **{"cuda_graphs": False, "determinism": "strict", "threads": 1},
    }
    return lambda **changes: RuntimeConfig.model_validate(values | changes)


def test_the_device_is_the_profile_s_or_that_typed_by_hand(
    config: Callable[..., RuntimeConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A CPU profile stays on the CPU beside a GPU; `auto` and `cuda` by hand take the GPU."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    asked = [(None, "cpu"), ("auto", "cuda"), ("cuda", "cuda"), ("cpu", "cpu")]
    assert [resolve(config(), device, where="x").device for device, _ in asked] == [found for _, found in asked]  # type: ignore[arg-type]
    assert resolve(config(device="cuda"), None, where="x").device == "cuda"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert resolve(config(device="cuda"), "auto", where="x").device == "cpu"
    with pytest.raises(BadParameters, match=r"^--device cuda: torch .* sees no CUDA device; use --device cpu, or"):
        resolve(config(), "cuda", where="x")
    with pytest.raises(BadParameters, match=r"^dcgan\.lsun\.training\.runtime\.device: cuda: torch .* sees no CUDA"):
        resolve(config(device="cuda"), where="dcgan.lsun.training.runtime")


def test_tf32_is_refused_on_a_cpu(config: Callable[..., RuntimeConfig]) -> None:
    """It would silently be float32, and `model.json` would say otherwise."""
    with pytest.raises(BadParameters, match=r"x\.precision: tf32 on cpu, expected float32 or bf16"):
        resolve(config(precision="tf32"), where="x")


def test_graphs_are_refused_where_there_are_none(
    config: Callable[..., RuntimeConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a CPU, and with several processes."""
    with pytest.raises(BadParameters, match=r"x\.cuda_graphs: true on cpu, expected false: only CUDA has graphs"):
        resolve(config(cuda_graphs=True), where="x")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert resolve(config(cuda_graphs=True, device="cuda"), where="x").cuda_graphs
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(BadParameters, match=r"x\.cuda_graphs: true with 2 processes, expected false"):
        resolve(config(cuda_graphs=True, device="cuda"), where="x")


@pytest.mark.parametrize("precision", ["float32", "tf32", "bf16"])
@pytest.mark.parametrize("determinism", ["strict", "fast"])
def test_torch_s_switches(config: Callable[..., RuntimeConfig], precision: str, determinism: str) -> None:
    """TF32 only where it is asked for; fast algorithms, and no errors, only with `fast`; each call sets all."""
    Runtime(config(precision="float32", determinism="fast"))
    Runtime(config(precision=precision, determinism=determinism, threads=2))
    assert torch.get_num_threads() == 2
    assert torch.backends.cudnn.allow_tf32 == torch.backends.cuda.matmul.allow_tf32 == (precision == "tf32")
    assert torch.are_deterministic_algorithms_enabled() == (determinism == "strict")
    assert torch.backends.cudnn.benchmark == (determinism == "fast")


def test_bf16_is_of_products_alone(config: Callable[..., RuntimeConfig]) -> None:
    """Weights stay float32; the memory format is that of the convolutions' weights."""
    placed = Runtime(config(precision="bf16", memory_format="channels_last"))
    network = placed.place(torch.nn.Conv2d(8, 8, 3))
    assert network.weight.is_contiguous(memory_format=torch.channels_last)
    with placed.autocast():
        assert network(torch.zeros(2, 8, 8, 8)).dtype == torch.bfloat16
    assert network.weight.dtype == torch.float32
    with Runtime(config()).autocast():
        assert network(torch.zeros(2, 8, 8, 8)).dtype == torch.float32


def test_the_description_names_the_device(
    config: Callable[..., RuntimeConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A CPU by its instructions; a GPU by its model, with CUDA and cuDNN, which decide its bits."""
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")
    found = describe(config())
    assert found["device_name"] == "AVX512" and found["cuda"] is None and found["cudnn"] is None
    assert found["torch"] == str(torch.__version__) and found["precision"] == "float32" and found["threads"] == 1
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "NVIDIA H200")
    monkeypatch.setattr(torch.backends.cudnn, "version", lambda: 92400)
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    found = describe(config(device="cuda"))
    assert (found["device_name"], found["cuda"], found["cudnn"]) == ("NVIDIA H200", "13.0", 92400)


@pytest.mark.parametrize("profile", ["miniature", "workstation", "paper"])
def test_profiles_name_a_device(profile: str, tmp_path: Path) -> None:
    """cpu or cuda, never auto; an unknown key of the runtime is named with the keys that there are."""
    file = ROOT / "profiles" / f"{profile}.yaml"
    found = {load_section(file, f"dcgan.{s}.training", DcganConfig).runtime.device for s in read_yaml(file)["dcgan"]}
    assert found == {"cuda" if profile == "paper" else "cpu"}
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(file.read_text().replace("device: ", "device: auto #", 1))
    with pytest.raises(BadParameters, match=r"training\.runtime\.device: 'auto': .*'cpu' or 'cuda'"):
        load_section(wrong, "dcgan.lsun.training", DcganConfig)
    wrong.write_text(file.read_text().replace("determinism: ", "deterministic: ", 1))
    with pytest.raises(BadParameters, match=r"runtime\.deterministic: unknown key, expected one of device, precision"):
        load_section(wrong, "dcgan.lsun.training", DcganConfig)


def test_where_tensors_go(config: Callable[..., RuntimeConfig]) -> None:
    """On a CPU nothing is copied or pinned."""
    here = Runtime(config())
    tensor = torch.zeros(3)
    assert Transfer(here.device).send([tensor, None]).received() == (tensor, None)
    assert runtime.Runtime(config()).device == torch.device("cpu")


@pytest.mark.long
def test_a_compiled_network_is_the_same_network(config: Callable[..., RuntimeConfig]) -> None:
    """torch.compile is really used, keeps the names of weights, and gives the same gradients but for rounding."""

    def network() -> torch.nn.Sequential:
        layers = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3, 2), torch.nn.LeakyReLU(0.2))
        with torch.no_grad():
            for parameter in layers.parameters():
                parameter.copy_(torch.linspace(-0.1, 0.1, parameter.numel()).view_as(parameter))
        return layers

    plain = Runtime(config()).place(network())
    compiled = Runtime(config(compile=True)).place(network())
    assert list(plain.state_dict()) == list(compiled.state_dict())
    before = dict(torch._dynamo.utils.counters["stats"])
    pictures = torch.rand((4, 3, 16, 16), generator=torch.Generator().manual_seed(1))
    for module in (plain, compiled):
        module(pictures).square().sum().backward()
    assert torch._dynamo.utils.counters["stats"] != before, "nothing was compiled"
    for one, other in zip(plain.parameters(), compiled.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, rtol=1e-3, atol=1e-4)
