"""The drawn benchmarks: same bytes every time, and files that the usual readers take for upstream's."""

import gzip
import pickle
import tarfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import scipy.io
from torchvision.datasets import CIFAR10, MNIST, SVHN

from pipeline.datasets.labelled import cifar10, mnist, svhn
from pipeline.datasets.labelled.splits import LabelledSplit
from pipeline.miniature import labelled_archives
from pipeline.miniature.labelled_archives import DRAWN_CLASSES, draw_cifar10, draw_mnist, draw_svhn

TRAIN, TEST = 60, 30
Read = dict[str, LabelledSplit]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Each set's drawn files."""
    made = {}
    for name, draw in (("cifar10", draw_cifar10), ("svhn", draw_svhn), ("mnist", draw_mnist)):
        made[name] = tmp_path_factory.mktemp(name)
        draw(made[name], train=TRAIN, test=TEST, seed=3)
    return made


@pytest.mark.parametrize("draw", [draw_cifar10, draw_svhn, draw_mnist])
def test_same_bytes_twice_and_others_of_another_seed(
    draw: Callable[..., None], folders: dict[str, Path], tmp_path: Path
) -> None:
    """No clock and no compressor shows in the bytes."""
    first = folders[draw.__name__.removeprefix("draw_")]
    draw(tmp_path, train=TRAIN, test=TEST, seed=3)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        path.name: path.read_bytes() for path in first.iterdir()
    }
    draw(tmp_path, train=TRAIN, test=TEST, seed=4)
    assert all(path.read_bytes() != (first / path.name).read_bytes() for path in tmp_path.glob("*mages*"))
    assert all(path.read_bytes() != (first / path.name).read_bytes() for path in tmp_path.glob("*.mat"))


@pytest.mark.parametrize("module", [cifar10, svhn, mnist])
def test_every_class_has_its_share(module: object, folders: dict[str, Path]) -> None:
    """A tenth each, in no order; no two pictures are the same, within a split or across."""
    found: Read = module.read(folders[module.__name__.rpartition(".")[2]])  # type: ignore[attr-defined]
    assert {split: len(found[split].labels) for split in found} == {"train": TRAIN, "test": TEST}
    for split in found.values():
        assert set(Counter(split.labels).values()) == {len(split.labels) // 10}
        assert split.labels != sorted(split.labels)
    pictures = [picture.tobytes() for split in found.values() for picture in split.images]
    assert len(set(pictures)) == TRAIN + TEST


def test_cifar10_layout(folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Five batches, a test batch and the names, in pickles of protocol 2, as torchvision reads them."""
    with tarfile.open(folders["cifar10"] / cifar10.ARCHIVE, "r:gz") as archive:
        archive.extractall(tmp_path, filter="data")
        assert [member.name for member in archive] == sorted(f"{cifar10.FOLDER}/{name}" for name in cifar10.MEMBERS)
    batch = (tmp_path / cifar10.FOLDER / "data_batch_2").read_bytes()
    assert batch[:2] == b"\x80\x02"
    loaded = pickle.loads(batch, encoding="latin1")
    assert loaded["data"].shape == (12, 3072) and loaded["data"].dtype == np.uint8
    assert set(loaded) == {"batch_label", "labels", "data", "filenames"}
    assert loaded["batch_label"] == "training batch 2 of 5"
    monkeypatch.setattr(CIFAR10, "_check_integrity", lambda self: True)
    monkeypatch.setattr("torchvision.datasets.cifar.check_integrity", lambda *_: True)
    ours = cifar10.read(folders["cifar10"])
    for split, train in (("train", True), ("test", False)):
        theirs = CIFAR10(tmp_path, train=train)
        assert tuple(theirs.classes) == DRAWN_CLASSES == ours[split].classes
        assert np.array_equal(theirs.data, ours[split].images)
        assert [theirs.classes[target] for target in theirs.targets] == ours[split].labels


def test_svhn_layout(folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """As scipy and torchvision read them; ten is the digit nought."""
    monkeypatch.setattr(SVHN, "_check_integrity", lambda self: True)
    ours = svhn.read(folders["svhn"])
    for split in ("train", "test"):
        loaded = scipy.io.loadmat(folders["svhn"] / svhn.file_name(split))
        assert loaded["__header__"].startswith(b"MATLAB 5.0 MAT-file")
        assert loaded["y"].shape == (len(ours[split].labels), 1) and set(loaded["y"].ravel()) == set(range(1, 11))
        theirs = SVHN(folders["svhn"], split=split)
        assert np.array_equal(theirs.data.transpose(0, 2, 3, 1), ours[split].images)
        assert [str(digit) for digit in theirs.labels] == ours[split].labels


def test_mnist_layout(folders: dict[str, Path], tmp_path: Path) -> None:
    """As torchvision reads them, which unpacks them first."""
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for path in folders["mnist"].iterdir():
        (raw / path.stem).write_bytes(gzip.decompress(path.read_bytes()))
    ours = mnist.read(folders["mnist"])
    for split, train in (("train", True), ("test", False)):
        theirs = MNIST(tmp_path, train=train)
        assert np.array_equal(theirs.data.numpy(), ours[split].images[..., 0])
        assert [str(digit) for digit in theirs.targets.tolist()] == ours[split].labels


def test_mnist_is_white_on_black_in_the_middle(folders: dict[str, Path]) -> None:
    """A field of 20 pixels around the centre of mass."""
    for grey in mnist.read(folders["mnist"])["train"].images[..., 0]:
        assert grey.max() > 200 and np.median(grey) == 0
        rows, columns = np.nonzero(grey > 20)
        assert max(np.ptp(rows), np.ptp(columns)) <= 21
        weight = grey.astype(np.float64) / grey.sum()
        centre = (weight.sum(1) @ np.arange(28), weight.sum(0) @ np.arange(28))
        assert np.abs(np.array(centre) - 13.5).max() < 1.1


@pytest.mark.parametrize(("name", "low", "high"), [("cifar10", 0.12, 0.5), ("mnist", 0.6, 1.0)])
def test_classes_differ_but_not_by_their_pixels_alone(name: str, low: float, high: float, tmp_path: Path) -> None:
    """A linear rule on the bare pixels does better than chance; on the textures it is far from enough."""
    module, draw = (cifar10, draw_cifar10) if name == "cifar10" else (mnist, draw_mnist)
    draw(tmp_path, train=400, test=200, seed=5)
    found = module.read(tmp_path)
    pixels, others = (found[split].images.reshape(len(found[split].labels), -1) / 255 - 0.5 for split in found)
    numbers, truth = (np.array([found[split].classes.index(label) for label in found[split].labels]) for split in found)
    kernel = pixels @ pixels.T + 100 * np.eye(len(pixels))
    guessed = (others @ pixels.T @ np.linalg.solve(kernel, np.eye(10)[numbers] - 0.1)).argmax(axis=1)
    assert low < (guessed == truth).mean() <= high


@pytest.mark.parametrize("length", [0, 1, 65_534, 65_535, 65_536, 131_070, 200_000])
def test_stored_gzip(length: int) -> None:
    """Blocks of any number and length are unpacked by the usual reader."""
    data = np.random.default_rng(length).bytes(length)
    assert gzip.decompress(labelled_archives._gzipped(data)) == data
