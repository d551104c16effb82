"""The autoencoder learns, its quantised code layer agrees with it, and training steps are reproducible."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

import pipeline.dedup.encoder.train_autoencoder
from pipeline import seeding
from pipeline.core import params
from pipeline.core.errors import BadParameters
from pipeline.core.workspace import MARK
from pipeline.dedup.encoder import codes
from pipeline.dedup.encoder.autoencoder import AutoencoderConfig, quantise
from pipeline.dedup.encoder.codes import BITS, encoder_input
from pipeline.dedup.encoder.encoder_input import INPUTS, flatten, to_32
from pipeline.dedup.encoder.train_autoencoder import AutoencoderTrainer, Batch, scale, train_autoencoder
from pipeline.imageset.format.image_set import Images, ImageSet

ROOT = Path(__file__).parents[3]
PARAMETERS = AutoencoderConfig(
    input="pixels",
    bits="active",
    epochs=12,
    batch_size=32,
    learning_rate=1e-3,
    weight_std=0.002,
    corruption=0.2,
    dropout=0.5,
    threads=1,
    checkpoint_every=100,
)


@pytest.fixture
def smooth(make_set: Callable[..., Path], blobs: Callable[[int], Images]) -> ImageSet:
    """160 pictures near mid grey, random combinations of ten patterns."""
    amounts = np.random.default_rng(1).normal(0, 0.5, (160, 10))
    pictures = 128 + np.tensordot(amounts, blobs(10) - 127.5, 1)
    return ImageSet(make_set(pictures.clip(0, 255).astype(np.uint8)))


def test_it_learns_and_few_bits_are_constant(smooth: ImageSet, tmp_path: Path) -> None:
    """The loss falls, few bits are constant, and quantisation to int8 changes almost no bit."""
    summary = train_autoencoder(smooth.folder, PARAMETERS, name="smooth", seed=3, to=tmp_path / "model")
    losses = [float(line.split("\t")[-1]) for line in (tmp_path / "model" / "history.tsv").read_text().splitlines()[1:]]
    assert len(losses) == 12 and losses[-1] < 0.6 * losses[0]
    assert summary["steps"] == 60 and summary["compared"] == summary["pictures"] == 160
    assert len(summary["constant_bits"]) <= 6 and summary["effective_bits"] > 80
    assert summary["agreement"] > 0.995
    encoder = codes.load_encoder(tmp_path / "model" / "encoder.safetensors")
    assert np.abs(encoder.weight.astype(int)).max(axis=1).tolist() == [127] * BITS
    assert sorted(path.name for path in (tmp_path / "model").iterdir()) == [
        MARK,
        "autoencoder.json",
        "autoencoder.safetensors",
        "encoder.safetensors",
        "history.tsv",
    ]


def test_quantisation_keeps_every_bit_of_exact_weights(blobs: Callable[[int], Images]) -> None:
    """Weights that int8 can represent give the same bits as floats, also for constant and saturated units."""
    rng = np.random.default_rng(2)
    whole = rng.integers(-127, 128, (BITS, INPUTS))
    whole[:, 0] = 127
    weight = whole * 2.0**-12
    weight[0], weight[1] = 0, 0
    bias = rng.normal(size=BITS)
    bias[0], bias[1], bias[2], bias[3] = 0.5, -0.5, 1e12, -1e12
    images = blobs(30)
    pixels = flatten(to_32(images)).astype(np.float64)
    expected = weight.astype(np.float64) @ (pixels / 127.5 - 1).T + bias.astype(np.float32)[:, None] > 0
    encoder = quantise(weight.astype(np.float32), bias.astype(np.float32))
    found = np.unpackbits(codes.encode(images, encoder), axis=1)
    assert np.array_equal(found.T, expected)
    assert found[:, :4].tolist() == [[1, 0, 1, 0]] * 30


def test_balanced_bits_split_the_set_in_halves(smooth: ImageSet, tmp_path: Path) -> None:
    """Each bit is set for half of the pictures, because its threshold is the median; the kind of input is kept."""
    parameters = PARAMETERS.model_copy(update={"epochs": 2, "input": "normalised", "bits": "balanced"})
    summary = train_autoencoder(smooth.folder, parameters, name="smooth", seed=3, to=tmp_path / "model")
    assert summary["active_share"] == [0.5] * BITS
    encoder = codes.load_encoder(tmp_path / "model" / "encoder.safetensors")
    assert encoder.kind == "normalised"
    values = encoder_input(smooth.read(np.arange(160)), "normalised")
    products = values.astype(np.int64) @ encoder.weight.astype(np.int64).T
    assert np.array_equal(encoder.threshold, np.sort(products, axis=0)[79])


def test_the_input_is_scaled_to_minus_one_to_one(blobs: Callable[[int], Images]) -> None:
    """The network gets the whole picture at 32×32, channels first, with 0 as -1 and 255 as 1."""
    images = np.zeros((1, 64, 64, 3), np.uint8)
    images[0, :, :, 2] = 255
    images[0, -2:, -2:, 0] = 255
    x = scale(encoder_input(images, "pixels"))
    assert x.dtype == torch.float32 and x.shape == (1, INPUTS)
    assert x[0, 2048:].eq(1).all() and x[0, 1024:2048].eq(-1).all()
    assert x[0, 1023] == 1 and x[0, :1023].eq(-1).all()


def test_a_step_depends_on_seed_and_number_alone(smooth: ImageSet) -> None:
    """Repeating a step gives the same weights; another step number or seed masks and drops other values."""
    rows = np.arange(32)

    def after(seed: int, number: int) -> torch.Tensor:
        trainer = AutoencoderTrainer(smooth, PARAMETERS, seed)
        trainer.training_step(trainer.batch(rows, number, trainer.seed), number)
        return trainer.tensors()["encoder.weight"].detach()

    seeding.deterministic(1)
    assert torch.equal(after(1, 7), after(1, 7))
    assert not torch.equal(after(1, 7), after(1, 8))
    assert not torch.equal(after(1, 7), after(2, 7))


def test_a_restored_trainer_continues_exactly(smooth: ImageSet) -> None:
    """The weights and the state of Adam are the complete state of a trainer."""
    seeding.deterministic(1)
    rows = np.arange(32)
    one, two = AutoencoderTrainer(smooth, PARAMETERS, 1), AutoencoderTrainer(smooth, PARAMETERS, 1)
    for number in range(3):
        one.training_step(one.batch(rows, number, one.seed), number)
    two.load_tensors({name: tensor.detach().clone() for name, tensor in one.tensors().items()})
    assert one.training_step(one.batch(rows, 3, one.seed), 3) == two.training_step(two.batch(rows, 3, two.seed), 3)
    for name, tensor in one.tensors().items():
        assert torch.equal(tensor, two.tensors()[name]), name


@pytest.mark.parametrize(
    ("owner", "name"),
    [(pipeline.dedup.encoder.train_autoencoder, "code_digest"), (torch.backends.cpu, "get_cpu_capability")],
    ids=["code", "instructions"],
)
def test_other_code_or_instructions_restart_training(
    smooth: ImageSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owner: object, name: str
) -> None:
    """A checkpoint is continued only by the code and on the instruction set that wrote it."""
    parameters = PARAMETERS.model_copy(update={"checkpoint_every": 3})
    step, seen = AutoencoderTrainer.training_step, list[int]()

    def stop_at_three(trainer: AutoencoderTrainer, batch: Batch, number: int) -> dict[str, torch.Tensor]:
        moments = trainer.optimizer.state.values()
        seen.append(int(next(iter(moments))["step"]) if moments else 0)
        if seen[-1] == 3:
            raise KeyboardInterrupt
        return step(trainer, batch, number)

    monkeypatch.setattr(AutoencoderTrainer, "training_step", stop_at_three)
    for steps in ([0, 1, 2, 3], [3]):
        with pytest.raises(KeyboardInterrupt):
            train_autoencoder(smooth.folder, parameters, name="x", seed=1, to=tmp_path / "m")
        assert seen == steps
        seen.clear()
    monkeypatch.setattr(owner, name, lambda *_: "another")
    with pytest.raises(KeyboardInterrupt):
        train_autoencoder(smooth.folder, parameters, name="x", seed=1, to=tmp_path / "m")
    assert seen == [0, 1, 2, 3]


def test_fewer_pictures_than_a_batch_are_refused(smooth: ImageSet, tmp_path: Path) -> None:
    """The error names the parameter to lower."""
    with pytest.raises(BadParameters, match="160 pictures do not fill one batch of 500; lower `batch_size`"):
        train_autoencoder(
            smooth.folder, PARAMETERS.model_copy(update={"batch_size": 500}), name="x", seed=1, to=tmp_path / "m"
        )


def test_seed_and_name_decide_the_bytes(smooth: ImageSet, tmp_path: Path) -> None:
    """The same seed and name give the same files, without clock or path; another name gives other weights."""
    short = PARAMETERS.model_copy(update={"epochs": 1})
    made = []
    for to, name in (("one", "a"), ("two", "a"), ("three", "b")):
        train_autoencoder(smooth.folder, short, name=name, seed=1, to=tmp_path / to)
        made.append({path.name: path.read_bytes() for path in (tmp_path / to).iterdir()})
    assert made[0] == made[1]
    assert made[0]["encoder.safetensors"] != made[2]["encoder.safetensors"]


@pytest.mark.parametrize("profile", ["miniature", "workstation", "paper"])
@pytest.mark.parametrize("name", ["lsun", "imagenet"])
def test_the_profiles_sections_load(profile: str, name: str) -> None:
    """The sections of all profiles have exactly the keys of the configuration."""
    params.load_section(ROOT / "profiles" / f"{profile}.yaml", f"dedup.{name}.autoencoder", AutoencoderConfig)
