"""Picture grids and PNG files."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.utils import make_grid

from pipeline.imageset import image_grid


@pytest.mark.parametrize(("count", "columns", "shape"), [(1, None, (1, 1)), (10, None, (3, 4)), (10, 5, (2, 5))])
def test_grid_arranges_pictures_row_by_row(count: int, columns: int | None, shape: tuple[int, int]) -> None:
    """Picture i is in row i // columns and column i % columns; unused cells are black."""
    images = np.random.default_rng(1).integers(0, 256, (count, 8, 8, 3), dtype=np.uint8)
    sheet = image_grid.grid(images, columns)
    assert sheet.shape == (8 * shape[0], 8 * shape[1], 3)
    cells = sheet.reshape(shape[0], 8, shape[1], 8, 3).swapaxes(1, 2).reshape(-1, 8, 8, 3)
    assert np.array_equal(cells[:count], images) and not cells[count:].any()


def test_grid_equals_that_of_torchvision() -> None:
    """The grid equals that of torchvision's `make_grid` without padding."""
    images = np.random.default_rng(2).integers(0, 256, (7, 8, 8, 3), dtype=np.uint8)
    reference = make_grid(torch.from_numpy(images).permute(0, 3, 1, 2), nrow=3, padding=0)
    assert np.array_equal(image_grid.grid(images, 3), reference.permute(1, 2, 0).numpy())


def test_png_keeps_every_pixel(tmp_path: Path) -> None:
    """A PNG file that is read back has the same pixels."""
    image = np.random.default_rng(3).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    image_grid.write_png(tmp_path / "image.png", image)
    assert np.array_equal(np.asarray(Image.open(tmp_path / "image.png")), image)


def test_no_pictures_give_one_black_cell() -> None:
    """A grid of no pictures is one black cell, not an error."""
    assert image_grid.grid(np.empty((0, 8, 8, 3), np.uint8)).shape == (8, 8, 3)


def test_grey_pictures(tmp_path: Path) -> None:
    """A grid of grey pictures has one channel, and its PNG is grey."""
    images = np.random.default_rng(1).integers(0, 256, (3, 4, 4, 1), dtype=np.uint8)
    made = image_grid.grid(images)
    assert made.shape == (8, 8, 1) and np.array_equal(made[4:, :4], images[2]) and not made[4:, 4:].any()
    image_grid.write_png(tmp_path / "grey.png", made)
    with Image.open(tmp_path / "grey.png") as picture:
        assert picture.mode == "L" and np.array_equal(np.asarray(picture), made[..., 0])
