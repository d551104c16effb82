"""A family is loaded by the name in `model.json`; commands work for it, or say what it does not offer."""

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.core.errors import BadParameters, CorruptData, MissingInput, Unsupported
from pipeline.evaluate.linear_probe.linear_probe import evaluate
from pipeline.figures import latent_walk, samples
from pipeline.models.base import Generator, LatentGenerator
from pipeline.models.dcgan.sampling import BLOCK
from pipeline.models.registry import FAMILIES, load_feature_extractor, load_generator, module_of
from pipeline.review.samples.model_samples import ModelSamples
from tests.models.flat_family import Flat
from tests.models.untrained import save_untrained


@pytest.fixture
def flat(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A saved model of a second family, which is registered for the test."""
    monkeypatch.setitem(FAMILIES, "flat", "tests.models.flat_family")
    folder = tmp_path / "flat"
    folder.mkdir()
    Flat().save(folder)
    return folder


@pytest.fixture(params=["flat", "imagenet32", "svhn32", "mnist28_conditional"])
def model(request: pytest.FixtureRequest, flat: Path, tmp_path: Path) -> Generator:
    """A model of each family, and DCGANs with another prior and with classes."""
    return load_generator(flat if request.param == "flat" else save_untrained(tmp_path / "dcgan", request.param))


def test_a_picture_depends_on_seed_and_number_alone(model: Generator) -> None:
    """The first 5 of 100, any part drawn alone, another seed: as the contract says, for every family."""
    together = model.sample(2 * BLOCK + 5, 3)
    assert together.dtype == np.uint8 and together.shape == (2 * BLOCK + 5, *model.image_shape)
    assert len(np.unique(together, axis=0)) == len(together), "pictures that are alike would show nothing"
    assert np.array_equal(model.sample(5, 3), together[:5])
    assert np.array_equal(model.sample(7, 3, first=BLOCK - 2), together[BLOCK - 2 : BLOCK + 5])
    assert np.array_equal(model.sample(1, 3, first=2 * BLOCK + 4)[0], together[-1])
    assert not np.array_equal(model.sample(5, 4), together[:5])
    assert model.sample(0, 3).shape == (0, *model.image_shape)


def test_there_and_back(model: Generator, tmp_path: Path) -> None:
    """`save` writes what `load_generator` reads: the same pictures, the same digest."""
    (tmp_path / "again").mkdir()
    model.save(tmp_path / "again")
    again = load_generator(str(tmp_path / "again"))
    assert again.family == model.family and again.digest == model.digest
    assert np.array_equal(again.sample(3, 1), model.sample(3, 1))


def test_the_dcgan_offers_latents(tmp_path: Path) -> None:
    """Latents by number, decoded to the pictures of `sample`; its digest is the file's; it learns no classes."""
    folder = save_untrained(tmp_path / "dcgan")
    model = load_generator(folder)
    assert isinstance(model, LatentGenerator) and model.latent_shape == (256,) and model.image_shape == (32, 32, 3)
    z = model.latents([149, 7, 0], 3)
    assert z.shape == (3, 256) and z.dtype == torch.float32 and z.min() >= -1 and z.max() < 1
    assert torch.equal(z[1], model.latents([7], 3)[0])
    assert np.array_equal(model.decode(z)[2], model.sample(1, 3)[0])
    assert model.digest == hashlib.sha256((folder / "generator.safetensors").read_bytes()).hexdigest()
    with pytest.raises(Unsupported, match="family dcgan learns no classes"):
        model.sample(2, 3, labels=[0, 1])


def test_labels_of_a_model_with_classes(tmp_path: Path) -> None:
    """A label is a part of what a picture depends on; without labels the classes take turns by number."""
    model = load_generator(save_untrained(tmp_path / "mnist", "mnist28_conditional"))
    assert isinstance(model, LatentGenerator) and model.image_shape == (28, 28, 1) and model.classes == 10
    turns = model.sample(25, 3)
    assert np.array_equal(turns, model.sample(25, 3, [number % 10 for number in range(25)]))
    assert np.array_equal(turns[12:20], model.sample(8, 3, first=12))
    threes = model.sample(25, 3, [3] * 25)
    assert [number for number in range(25) if np.array_equal(threes[number], turns[number])] == [3, 13, 23]
    with pytest.raises(BadParameters, match="label 10: expected a class of the model, 0 to 9"):
        model.sample(2, 3, [0, 10])
    with pytest.raises(BadParameters, match="labels: 1 for 2 pictures"):
        model.sample(2, 3, [0])
    with pytest.raises(BadParameters, match="labels: none for 2 pictures"):
        model.decode(model.latents([0, 1], 3))
    with pytest.raises(Unsupported, match="mnist28_conditional needs the label of each picture"):
        load_feature_extractor(tmp_path / "mnist")


def test_samples_of_svhn_come_from_normal_latents(tmp_path: Path) -> None:
    """The prior is that of the preset, also for each number alone."""
    model = load_generator(save_untrained(tmp_path / "svhn", "svhn32"))
    assert isinstance(model, LatentGenerator)
    z = model.latents(range(300), 3)
    assert z.std().item() == pytest.approx(1, abs=0.02) and z.abs().max() > 3


def test_sampling_and_reviewing_work_for_a_second_family(flat: Path, tmp_path: Path) -> None:
    """All they need is in the contract of every family."""
    config = samples.SamplesConfig(count=4, singles=1, batch_statistics=False, threads=1)
    record = samples.sample(flat, config, name="set", seed=1, to=tmp_path / "out")
    assert record["family"] == "flat" and record["model_sha256"] == Flat.digest
    assert (tmp_path / "out" / "grid.png").exists() and (tmp_path / "out" / "singles" / "000.png").exists()
    reviewed = ModelSamples(flat, 3)
    assert reviewed.side == 8
    assert np.array_equal(reviewed.picture(70), Flat().sample(1, 3, first=70)[0])


def test_what_a_family_does_not_offer_is_said(flat: Path, tmp_path: Path) -> None:
    """One clear error for each command that needs more; nothing is written."""
    walk = latent_walk.LatentWalkConfig(rows=2, columns=2, threads=1)
    with pytest.raises(Unsupported, match="walk-latent: needs a latent space, which a model of family flat does not"):
        latent_walk.walk(flat, walk, name="set", seed=1, to=tmp_path / "out")
    config = samples.SamplesConfig(count=4, singles=1, batch_statistics=True, threads=1)
    with pytest.raises(Unsupported, match="batch_statistics: true: needs batch norm"):
        samples.sample(flat, config, name="set", seed=1, to=tmp_path / "out")
    with pytest.raises(Unsupported, match="needs a latent space"):
        ModelSamples(flat, 3).mean([1, 2])
    with pytest.raises(Unsupported, match="family flat give no features"):
        load_feature_extractor(flat)
    assert not (tmp_path / "out").exists()


def test_resumable_work_depends_on_the_family_s_code(
    flat: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sampling and walking by another version of the family's code is other work."""
    asked: list[tuple[str, ...]] = []
    for figure in (samples, latent_walk):
        monkeypatch.setattr(figure, "code_digest", lambda *modules: asked.append(modules) or "code")
    config = samples.SamplesConfig(count=1, singles=0, batch_statistics=False, threads=1)
    samples.sample(flat, config, name="set", seed=1, to=tmp_path / "samples")
    model = save_untrained(tmp_path / "dcgan")
    walk = latent_walk.LatentWalkConfig(rows=1, columns=1, threads=1)
    latent_walk.walk(model, walk, name="set", seed=1, to=tmp_path / "walk")
    assert asked == [
        ("pipeline.figures.samples", "tests.models.flat_family"),
        ("pipeline.figures.latent_walk", "pipeline.models.dcgan.family"),
    ]
    assert module_of(model) == "pipeline.models.dcgan.family"


@pytest.mark.parametrize("description", [{"schema_version": 2}, {"schema_version": 2, "family": "vea"}, [], "text"])
def test_an_unknown_family_is_refused(tmp_path: Path, description: object) -> None:
    """The message names the file, what it says and the families there are."""
    (tmp_path / "model.json").write_text(json.dumps(description))
    with pytest.raises(CorruptData, match=r"model\.json: family .*, expected one of dcgan"):
        load_generator(tmp_path)


def test_no_model_at_all(tmp_path: Path) -> None:
    """An empty folder is an input that is missing."""
    with pytest.raises(MissingInput, match=r"model\.json"):
        load_generator(tmp_path)


def test_families_are_imported_when_they_are_met() -> None:
    """The registry itself imports no family: each costs its users alone."""
    code = "import pipeline.models.registry, sys; print([m for m in sys.modules if 'dcgan' in m])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_evaluating_a_family_without_features(flat: Path, tmp_path: Path) -> None:
    """evaluate-features says so before it looks at anything else."""
    from pipeline.evaluate.linear_probe.protocol import LinearProbeConfig
    from tests.evaluate.linear_probe.conftest import VALUES

    inputs: dict[str, Path] = dict.fromkeys(("images_folder", "kept", "benchmark_folder"), tmp_path)
    parameters: Callable[..., LinearProbeConfig] = LinearProbeConfig
    with pytest.raises(Unsupported, match="give no features"):
        evaluate(flat, **inputs, parameters=parameters(**VALUES), name="x", seed=1, to=tmp_path / "out")
