"""The torch Dataset returns items like torchvision's data sets, in a DataLoader and with transforms."""

import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader
from torchvision import datasets, transforms
from torchvision.transforms import v2

from pipeline.core.errors import BadParameters, CorruptData
from pipeline.imageset.format.image_set import ImageSet
from pipeline.imageset.torch_dataset import ImageDataset
from tests.evaluate.linear_probe.conftest import write_set

Make = Callable[..., Path]


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (20, 16, 16, 3), dtype=np.uint8)


def test_items_are_pil_images_of_the_kept_rows(make_imageset: Make, images: np.ndarray, tmp_path: Path) -> None:
    """Items are all rows, those of kept.npy or those of an array, optionally centre-cropped; paths are text or Path."""
    folder = make_imageset(images)
    np.save(tmp_path / "kept.npy", np.array([3, 5, 19]))
    whole, kept = ImageDataset(folder), ImageDataset(str(folder), str(tmp_path / "kept.npy"), side=8)
    assert len(whole) == 20 and isinstance(whole[0], Image.Image) and whole[0].mode == "RGB"
    assert all(np.array_equal(np.asarray(whole[n]), images[n]) for n in range(20))
    assert np.array_equal(np.asarray(whole[-1]), images[-1])
    assert len(kept) == 3 and np.array_equal(np.asarray(kept[2]), images[19, 4:12, 4:12])
    assert np.array_equal(np.asarray(ImageDataset(ImageSet(folder), np.array([7, 2]))[1]), images[2])
    assert repr(kept) == f"ImageDataset({str(folder)!r}, 3 pictures of 8×8)"
    with pytest.raises(IndexError):
        kept[3]
    with pytest.raises(BadParameters, match="side: 8"):
        ImageDataset(ImageSet(folder), side=8)
    with pytest.raises(CorruptData, match="20 pictures"):
        np.save(tmp_path / "kept.npy", np.array([20]))
        ImageDataset(folder, tmp_path / "kept.npy")


def test_labels_are_numbers_of_sorted_classes(tmp_path: Path, make_imageset: Make, images: np.ndarray) -> None:
    """Labels are numbers as in `torchvision.datasets`; a set without labels raises an error."""
    folder = write_set(tmp_path / "labelled", images, ["red", "blue", "green", "blue"] * 5)
    found = ImageDataset(folder, np.array([0, 1, 2]), labels=True)
    assert found.classes == ["blue", "green", "red"]
    assert [label for _, label in (found[n] for n in range(3))] == [2, 0, 1]
    assert isinstance(found[0][1], int) and isinstance(found[0][0], Image.Image)
    with pytest.raises(BadParameters, match=r"row 0 of .* has no label; give a set"):
        ImageDataset(make_imageset(images), labels=True)


def test_items_equal_those_of_torchvision(tmp_path: Path, images: np.ndarray) -> None:
    """Each item equals that of ImageFolder for the same pictures as PNG files, with both versions of transforms."""
    labels = ["a", "b"] * 10
    folder = write_set(tmp_path / "set", images, labels)
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        (tmp_path / "png" / label).mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(tmp_path / "png" / label / f"{number:02d}.png")
    for made in (
        transforms.Compose([transforms.CenterCrop(12), transforms.ToTensor()]),
        v2.Compose([v2.ToImage(), v2.Resize(8, antialias=True), v2.ToDtype(torch.float32, scale=True)]),
    ):
        ours = ImageDataset(folder, transform=made, labels=True)
        theirs = datasets.ImageFolder(tmp_path / "png", transform=made)
        assert ours.classes == theirs.classes
        order = sorted(range(20), key=lambda n: (labels[n], n))
        for place, number in enumerate(order):
            assert torch.equal(ours[number][0], theirs[place][0]) and ours[number][1] == theirs[place][1]


@pytest.mark.parametrize("context", ["fork", "spawn"])
def test_data_loader_workers_give_the_same_batches(tmp_path: Path, images: np.ndarray, context: str) -> None:
    """Two worker processes, with every start method, give the same batches as this process."""
    folder = write_set(tmp_path / "set", images, ["a", "b"] * 10)
    augment = v2.Compose([v2.ToImage(), v2.CenterCrop(12)])
    dataset = ImageDataset(folder, np.arange(0, 20, 2), transform=augment, labels=True)
    dataset[0]  # opened here first: the open file must not be passed to workers
    loader = DataLoader(dataset, batch_size=4, num_workers=2, multiprocessing_context=context, timeout=60)
    batches = list(loader)
    assert [tuple(pictures.shape) for pictures, _ in batches] == [(4, 3, 12, 12), (4, 3, 12, 12), (2, 3, 12, 12)]
    expected = torch.from_numpy(images[::2, 2:14, 2:14]).permute(0, 3, 1, 2)
    assert torch.equal(torch.cat([pictures for pictures, _ in batches]), expected)
    assert torch.cat([labels for _, labels in batches]).tolist() == [0] * 10


def test_a_pickled_dataset_contains_no_pictures(make_imageset: Make) -> None:
    """A pickled data set has some kilobytes: it contains paths and rows, not the pictures of the memory map."""
    images = np.random.default_rng(1).integers(0, 256, (300, 32, 32, 3), dtype=np.uint8)
    dataset = ImageDataset(make_imageset(images))
    dataset[0]
    packed = pickle.dumps(dataset)
    assert len(packed) < 10_000 < images.nbytes
    assert np.array_equal(np.asarray(pickle.loads(packed)[299]), images[299])
