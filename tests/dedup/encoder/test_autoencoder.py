"""The autoencoder learns, its whole-number twin agrees with it, and a step is a function of its number."""

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
    """160 pictures around grey, made of the same ten patterns."""
    amounts = np.random.default_rng(1).normal(0, 0.5, (160, 10))
    pictures = 128 + np.tensordot(amounts, blobs(10) - 127.5, 1)
    return ImageSet(make_set(pictures.clip(0, 255).astype(np.uint8)))


def test_it_learns_and_its_bits_are_alive(smooth: ImageSet, tmp_path: Path) -> None:
    """The loss falls, few bits idle, and rounding the weights to int8 turns over next to none of them."""
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


def test_whole_numbers_decide_as_floats_do(blobs: Callable[[int], Images]) -> None:
    """Weights that int8 can hold lose nothing: each bit is that of the exact sum, dead and saturated units included."""
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


def test_balanced_bits_divide_the_set_in_halves(smooth: ImageSet, tmp_path: Path) -> None:
    """Each bit is set for half of the pictures, or fewer where sums are equal; the kind of input is kept."""
    parameters = PARAMETERS.model_copy(update={"epochs": 2, "input": "normalised", "bits": "balanced"})
    summary = train_autoencoder(smooth.folder, parameters, name="smooth", seed=3, to=tmp_path / "model")
    assert summary["active_share"] == [0.5] * BITS
    encoder = codes.load_encoder(tmp_path / "model" / "encoder.safetensors")
    assert encoder.kind == "normalised"
    values = encoder_input(smooth.read(np.arange(160)), "normalised")
    products = values.astype(np.int64) @ encoder.weight.astype(np.int64).T
    assert np.array_equal(encoder.threshold, np.sort(products, axis=0)[79])


def test_the_input_is_the_whole_picture_from_minus_one_to_one(blobs: Callable[[int], Images]) -> None:
    """Channels first, 32×32, black at -1 and white at 1."""
    images = np.zeros((1, 64, 64, 3), np.uint8)
    images[0, :, :, 2] = 255
    images[0, -2:, -2:, 0] = 255
    x = scale(encoder_input(images, "pixels"))
    assert x.dtype == torch.float32 and x.shape == (1, INPUTS)
    assert x[0, 2048:].eq(1).all() and x[0, 1024:2048].eq(-1).all()
    assert x[0, 1023] == 1 and x[0, :1023].eq(-1).all()


def test_a_step_is_named_by_seed_and_number(smooth: ImageSet) -> None:
    """The same step again does the same; another number masks and drops elsewhere. No state is hidden."""
    rows = np.arange(32)

    def after(seed: int, number: int) -> torch.Tensor:
        trainer = AutoencoderTrainer(smooth, PARAMETERS, seed)
        trainer.training_step(trainer.batch(rows, number), number)
        return trainer.tensors()["encoder.weight"].detach()

    seeding.deterministic(1)
    assert torch.equal(after(1, 7), after(1, 7))
    assert not torch.equal(after(1, 7), after(1, 8))
    assert not torch.equal(after(1, 7), after(2, 7))


def test_what_is_put_back_goes_on_as_before(smooth: ImageSet) -> None:
    """Weights and Adam's state are all there is."""
    seeding.deterministic(1)
    rows = np.arange(32)
    one, two = AutoencoderTrainer(smooth, PARAMETERS, 1), AutoencoderTrainer(smooth, PARAMETERS, 1)
    for number in range(3):
        one.training_step(one.batch(rows, number), number)
    two.load_tensors({name: tensor.detach().clone() for name, tensor in one.tensors().items()})
    assert one.training_step(one.batch(rows, 3), 3) == two.training_step(two.batch(rows, 3), 3)
    for name, tensor in one.tensors().items():
        assert torch.equal(tensor, two.tensors()[name]), name


@pytest.mark.parametrize(
    ("owner", "name"),
    [(pipeline.dedup.encoder.train_autoencoder, "code_digest"), (torch.backends.cpu, "get_cpu_capability")],
    ids=["code", "instructions"],
)
def test_other_code_or_instructions_start_over(
    smooth: ImageSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owner: object, name: str
) -> None:
    """A checkpoint is continued by the code, and on the instruction set, that wrote it, and by no other."""
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


def test_fewer_pictures_than_a_batch(smooth: ImageSet, tmp_path: Path) -> None:
    """Said in terms of the parameter."""
    with pytest.raises(BadParameters, match="160 pictures do not fill one batch of 500; lower `batch_size`"):
        train_autoencoder(
            smooth.folder, PARAMETERS.model_copy(update={"batch_size": 500}), name="x", seed=1, to=tmp_path / "m"
        )


def test_the_same_seed_gives_the_same_bytes_and_another_name_another_network(smooth: ImageSet, tmp_path: Path) -> None:
    """No clock and no path in any file; two sets do not share their chance."""
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
    """Every key is known and no key is missing."""
    params.load_section(ROOT / "profiles" / f"{profile}.yaml", f"dedup.{name}.autoencoder", AutoencoderConfig)
