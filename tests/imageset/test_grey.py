"""Grey values of pictures."""

import numpy as np
from PIL import Image

from pipeline.imageset.format.grey import grey


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
