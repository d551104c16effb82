"""A model comes back from the disk as it was saved, and a file that is not it is refused."""

import json
from pathlib import Path
from typing import get_args

import pytest
import torch

from pipeline.core.errors import CorruptData, MissingInput
from pipeline.models.dcgan import saved_model
from pipeline.models.dcgan.family import DcganGenerator
from pipeline.models.dcgan.model import PRESETS, Discriminator, Generator, PresetName, build
from pipeline.models.registry import load_generator
from pipeline.training import checkpoint
from tests.models.untrained import lively, save_untrained


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
        ({"preset": "torch64", "image_shape": [64, 64, 3], "latent_shape": [100]}, "torch64 at width 4"),
        ({"preset": "paper64"}, r"image_shape \[32, 32, 3\], but paper64 has \[64, 64, 3\]"),
        ({"prior": "normal"}, "prior 'normal', but imagenet32 has 'uniform'"),
        ({"classes": 10}, "classes 10, but imagenet32 has 0"),
        ({"base_width": 8}, "imagenet32 at width 8"),
        (
            {"preset": "paper65"},
            "preset 'paper65', expected one of paper64, torch64, imagenet32, svhn32, mnist28_conditional, mnist28_ful",
        ),
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


@pytest.mark.parametrize(
    ("version", "absent"),
    [
        (1, ("family", "architecture", "latent_shape", "image_shape", "prior", "classes")),
        (2, ("image_shape", "prior", "classes")),
    ],
)
def test_models_of_earlier_versions_are_read(saved: Path, version: int, absent: tuple[str, ...]) -> None:
    """Their weights are the same; `model.json` did not name the family, or what belongs to the preset."""
    description = json.loads((saved / "model.json").read_text())
    assert description["schema_version"] == 3 and description["family"] == "dcgan"
    for name in absent:
        del description[name]
    (saved / "model.json").write_text(json.dumps(description | {"schema_version": version}))
    assert isinstance(load_generator(saved), DcganGenerator)


@pytest.mark.parametrize("name", get_args(PresetName))
def test_every_preset_is_saved_and_read(name: PresetName, tmp_path: Path) -> None:
    """`model.json` has what a program needs to sample; both networks are read with the same weights."""
    folder = save_untrained(tmp_path / "model", name)
    preset, description = PRESETS[name], json.loads((folder / "model.json").read_text())
    assert description["preset"] == name and description["base_width"] == 4
    assert description["image_shape"] == [preset.side, preset.side, preset.colours]
    assert description["latent_shape"] == [preset.latent]
    assert description["prior"] == ("normal" if name == "svhn32" else "uniform")
    assert description["classes"] == (10 if name.startswith("mnist28") else 0)
    expected, found = lively(name).state_dict(), saved_model.load_generator(folder).state_dict()
    assert expected.keys() == found.keys() and all(torch.equal(found[key], expected[key]) for key in found)
    assert saved_model.load_discriminator(folder).preset is preset
