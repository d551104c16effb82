"""Training of the networks that receive labels: each picture keeps its own label, and samples follow theirs."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.core.errors import BadParameters
from pipeline.imageset.format.image_set import ImageSet
from pipeline.models.dcgan import train
from pipeline.models.dcgan.config import DcganConfig
from pipeline.models.dcgan.trainer import DcganTrainer
from pipeline.models.registry import load_generator
from pipeline.training.feeder.pictures import MappedPictures
from pipeline.training.runtime import Runtime
from tests.evaluate.linear_probe.conftest import write_set

Tiny = Callable[..., DcganConfig]
PRESETS = ["mnist28_conditional", "mnist28_fully_connected"]


def bars() -> np.ndarray:
    """One picture for each class: a bar across, the lower the higher the class; uint8 (10, 28, 28, 3)."""
    pictures = np.zeros((10, 28, 28, 3), np.uint8)
    for number, picture in enumerate(pictures):
        picture[2 * number + 3 : 2 * number + 6, 4:24] = 255
    return pictures


@pytest.fixture
def digits(tmp_path: Path) -> Path:
    """An image set of 160 bars in random order, labelled `0` to `9`; each is somewhat darker than white."""
    rng = np.random.default_rng(2)
    classes = rng.permutation(np.arange(160) % 10)
    pictures = (bars()[classes] * rng.uniform(0.8, 1, (160, 1, 1, 1))).astype(np.uint8)
    return write_set(tmp_path / "digits", pictures, [str(number) for number in classes])


@pytest.mark.parametrize("schedule", ["paired", "alternate"])
def test_pictures_keep_their_labels(digits: Path, tiny: Tiny, schedule: str) -> None:
    """In a batch, the label of D's update is the class of each picture; paired, G's update has the same labels."""
    config = tiny(preset=PRESETS[0], schedule=schedule)
    images = ImageSet(digits, colours=1)
    labels = np.array([int(label) for label in images.index.column("label").to_pylist()])
    trainer = DcganTrainer(MappedPictures(images), config, 5, Runtime(config.runtime), labels=labels)
    rows = np.random.default_rng(1).permutation(160)[: trainer.rows_per_step]
    pixels, _, _, of_d, of_g = trainer.batch(rows, 0, 5).received()
    assert pixels is not None and of_d is not None and of_g is not None
    tops = pixels[..., 0].amax(2).bool().int().argmax(1)
    assert torch.equal((tops - 3) // 2, of_d)
    assert torch.equal(of_g, torch.from_numpy(labels[rows[:16]]))
    assert torch.equal(of_d, of_g) == (schedule == "paired")


def test_samples_are_of_the_class_that_was_asked_for(digits: Path, tiny: Tiny, tmp_path: Path) -> None:
    """After a short training, samples of most classes look most like the bar of their class."""
    config = tiny(preset=PRESETS[0], epochs=20, learning_rate=2e-3)
    summary = train.train(digits, None, config, name="digits", seed=1, to=tmp_path / "model")
    assert summary["class_names"] == [str(number) for number in range(10)]
    samples = load_generator(tmp_path / "model").sample(100, 3)  # classes in turn
    assert samples.shape == (100, 28, 28, 1)
    distances = np.abs(samples[:, None, ..., 0] - bars()[None, ..., 0].astype(float)).mean(axis=(2, 3))
    right = distances.argmin(axis=1) == np.arange(100) % 10
    assert right.mean() > 0.7, right.mean()


@pytest.mark.parametrize("schedule", ["paired", "alternate"])
def test_the_fully_connected_networks_are_trained_too(digits: Path, tiny: Tiny, tmp_path: Path, schedule: str) -> None:
    """With averaged weights and either schedule; the model gives pictures of any class."""
    config = tiny(preset=PRESETS[1], base_width=16, ema=0.9, schedule=schedule)
    summary = train.train(digits, None, config, name="digits", seed=1, to=tmp_path / "model")
    assert summary["steps"] == {"paired": 20, "alternate": 10}[schedule]
    assert load_generator(tmp_path / "model").sample(3, 3, [9, 9, 0]).shape == (3, 28, 28, 1)


def test_another_number_of_classes_is_one_line(tiny: Tiny, tmp_path: Path) -> None:
    """A network with ten labels cannot learn two classes: the message has both numbers."""
    two = write_set(tmp_path / "two", bars()[:4], ["cat", "cat", "dog", "dog"])
    with pytest.raises(BadParameters, match="pictures of 2 classes, preset mnist28_conditional learns 10"):
        train.train(two, None, tiny(preset=PRESETS[0]), name="two", seed=1, to=tmp_path / "model")
