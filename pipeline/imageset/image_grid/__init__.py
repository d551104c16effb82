"""Arrange pictures in a grid, and write PNG files."""

import io
import math
from pathlib import Path

import numpy as np
from PIL import Image

from pipeline.core import files
from pipeline.imageset.format.image_set import Images


def grid(images: Images, columns: int | None = None) -> Images:
    """Arrange pictures row by row without gaps, as in the paper.

    The result equals that of `torchvision.utils.make_grid` without padding; importing torchvision takes two seconds.

    Args:
        images: uint8 (n, side, side, channels), with 3 channels (RGB) or 1 (grey).
        columns: pictures per row; None for a grid that is as square as possible.

    Returns:
        uint8 (rows · side, columns · side, channels); unused cells are black, and without pictures there is one black
        cell.
    """
    columns = columns or math.isqrt(max(len(images), 1) - 1) + 1
    rows, (side, _, channels) = max(1, -(-len(images) // columns)), images.shape[1:]
    cells = np.zeros((rows * columns, *images.shape[1:]), np.uint8)
    cells[: len(images)] = images
    cells = cells.reshape(rows, columns, side, side, channels).swapaxes(1, 2)
    return cells.reshape(rows * side, columns * side, channels)


def png(image: Images) -> bytes:
    """Encode a picture as PNG.

    Args:
        image: uint8 (height, width, 3), or grey (height, width, 1); a grey picture gives a grey PNG.
    """
    buffer = io.BytesIO()
    Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image).save(buffer, format="PNG")
    return buffer.getvalue()


def write_png(path: Path, image: Images) -> None:
    """Write a picture as a PNG file, atomically; see `png`."""
    files.write_bytes(path, png(image))
