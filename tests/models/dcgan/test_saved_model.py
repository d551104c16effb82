"""A model comes back from the disk as it was saved, and a file that is not it is refused."""

import json
from pathlib import Path

import pytest
import torch

from pipeline.core.errors import CorruptData, MissingInput
from pipeline.models.dcgan import saved_model
from pipeline.models.dcgan.family import DcganGenerator
from pipeline.models.dcgan.model import PRESETS, Discriminator, Generator, build
from pipeline.models.registry import load_generator
from pipeline.training import checkpoint


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A model folder with untrained networks of imagenet32 at width 4."""
    rng = torch.Generator().manual_seed(1)
    preset = PRESETS["imagenet32"]
    generator, discriminator = build(Generator, preset, 4, rng), build(Discriminator, preset, 4, rng)
    saved_model.save(
        tmp_path, {"preset": "imagenet32", "base_width": 4}, generator=generator, discriminator=discriminator
    )
    return tmp_path


def test_there_and_back(saved: Path) -> None:
    """Both networks have their weights again, know their preset, and are set to evaluation."""
    rng = torch.Generator().manual_seed(1)
    for load, kind in ((saved_model.load_generator, Generator), (saved_model.load_discriminator, Discriminator)):
        before, after = build(kind, PRESETS["imagenet32"], 4, rng).state_dict(), load(saved)
        assert not after.training and after.preset is PRESETS["imagenet32"]
        assert all(torch.equal(value, before[name]) for name, value in after.state_dict().items())


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"preset": "paper64"}, "paper64 at width 4"),
        ({"base_width": 8}, "imagenet32 at width 8"),
        ({"preset": "paper65"}, "preset 'paper65', expected one of paper64, torch64, imagenet32"),
        ({"preset": ["paper64"]}, "preset"),
        ({"base_width": "4"}, "base_width '4'"),
        ({"base_width": True}, "base_width True"),
        ({"schema_version": 0}, "schema version"),
    ],
)
def test_a_description_of_another_model_is_refused(saved: Path, change: dict[str, object], found: str) -> None:
    """Weights are never loaded into networks that they do not belong to."""
    description = json.loads((saved / "model.json").read_text())
    (saved / "model.json").write_text(json.dumps(description | change))
    with pytest.raises(CorruptData, match=found):
        saved_model.load_generator(saved)


def test_weights_that_are_not_the_network_are_refused(saved: Path) -> None:
    """A name too few, a name too many, another shape, another type, a file cut short: one clear error each."""
    path = saved / "generator.safetensors"
    tensors, _ = checkpoint.load(path)
    few = {name: value for name, value in tensors.items() if name != "image.0.weight"}
    wrong = [
        (few, "image.0.weight is missing"),
        (tensors | {"more": torch.zeros(2, 3)}, "more is 2×3 torch.float32, but .* has missing"),
        (tensors | {"image.0.weight": torch.zeros(4, 3, 5, 5)}, "image.0.weight is 4×3×5×5"),
        (tensors | {"image.0.weight": tensors["image.0.weight"].double()}, "float64"),
    ]
    for bad, found in wrong:
        checkpoint.save(path, bad)
        with pytest.raises(CorruptData, match=found):
            saved_model.load_generator(saved)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(CorruptData, match="not a whole safetensors file"):
        saved_model.load_generator(saved)
    path.unlink()
    with pytest.raises(MissingInput, match=r"generator\.safetensors"):
        saved_model.load_generator(saved)


def test_no_model_at_all(tmp_path: Path) -> None:
    """An empty folder is an input that is missing."""
    with pytest.raises(MissingInput, match=r"model\.json"):
        saved_model.load_discriminator(tmp_path)


def test_a_model_of_version_0_1_is_read(saved: Path) -> None:
    """Its weights are the same; `model.json` did not name the family."""
    description = json.loads((saved / "model.json").read_text())
    assert description["schema_version"] == 2 and description["family"] == "dcgan"
    for name in ("family", "architecture", "latent_shape"):
        del description[name]
    (saved / "model.json").write_text(json.dumps(description | {"schema_version": 1}))
    assert isinstance(load_generator(saved), DcganGenerator)
