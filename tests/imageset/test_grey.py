"""Grey values of pictures."""

import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from pipeline.imageset.format.grey import grey
from pipeline.imageset.format.image_set import ImageSet
from pipeline.imageset.torch_dataset import ImageDataset


def test_grey_is_that_of_pillow() -> None:
    """The luma of Pillow's mode L, for colours of all kinds."""
    images = np.random.default_rng(1).integers(0, 256, (4, 16, 16, 3), dtype=np.uint8)
    expected = np.stack([np.asarray(Image.fromarray(image).convert("L")) for image in images])
    found = grey(images)
    assert found.dtype == np.uint8 and np.array_equal(found, expected[..., None])


def test_grey_pictures_keep_their_values() -> None:
    """Equal channels, as in image sets of MNIST, give exactly their value."""
    values = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
    assert np.array_equal(grey(np.broadcast_to(values, (1, 16, 16, 3))), values)


def test_an_image_set_is_read_in_grey(make_imageset: Callable[..., Path]) -> None:
    """Every way to read gives one channel, also after a centre crop; a dataset gives pictures of mode L."""
    images = np.random.default_rng(1).integers(0, 256, (5, 8, 8, 3), dtype=np.uint8)
    folder = make_imageset(images)
    found = ImageSet(folder, side=4, colours=1)
    expected = grey(images[:, 2:6, 2:6])
    assert np.array_equal(found[:], expected) and np.array_equal(found[3], expected[3])
    assert np.array_equal(found.read(np.array([4, 0])), expected[[4, 0]])
    assert np.array_equal(next(found.blocks())[1], expected)
    item = pickle.loads(pickle.dumps(ImageDataset(found)))[2]
    assert item.mode == "L" and np.array_equal(np.asarray(item), expected[2, :, :, 0])
    assert np.array_equal(found.stored_digests(), ImageSet(folder).stored_digests())
