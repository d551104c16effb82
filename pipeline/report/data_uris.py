"""Encode pictures as data URIs, so that each page is one file."""

import base64
import math
from pathlib import Path

import numpy as np
from PIL import Image

from pipeline.core.errors import CorruptData, MissingInput
from pipeline.imageset import image_grid
from pipeline.imageset.format.image_set import Images


def png(path: Path, maker: str) -> str:
    """A PNG file as a data URI.

    Args:
        maker: name of the command that writes the file, for the error message.

    Raises:
        MissingInput: there is no such file.
    """
    return _uri("image/png", _read(path, maker))


def svg(path: Path, maker: str) -> str:
    """An SVG file as a data URI, whose scripts browsers do not run; see `png`."""
    return _uri("image/svg+xml", _read(path, maker))


def first_rows(path: Path, rows: int, shown: int, maker: str) -> str:
    """The first rows of a grid of pictures in a PNG file, as a data URI; see `png`.

    Args:
        rows: number of rows in the grid.
        shown: number of rows to show, at most `rows`.

    Raises:
        CorruptData: the file is not a picture.
    """
    grid = _pixels(path, maker)
    return _uri("image/png", image_grid.png(grid[: len(grid) * min(rows, shown) // rows]))


def centre_crops(path: Path, stored: int, side: int, maker: str) -> str:
    """A grid of square pictures in a PNG file, each cropped to its centre as in training, as a data URI; see `png`.

    Args:
        stored: side of each picture in pixels.
        side: side of the crops in pixels, at most `stored`.

    Raises:
        CorruptData: the file is not a picture.
    """
    pictures = _pixels(path, maker)
    rows, columns = pictures.shape[0] // stored, pictures.shape[1] // stored
    left = (stored - side) // 2  # as `ImageSet` with a side crops
    cells = pictures.reshape(rows, stored, columns, stored, 3)[:, left : left + side, :, left : left + side]
    return _uri("image/png", image_grid.png(cells.reshape(rows * side, columns * side, 3)))


def grid_side(path: Path, count: int, maker: str) -> int:
    """Side in pixels of each picture in a grid that `image_grid.grid` made of `count` pictures; see `centre_crops`."""
    return int(_pixels(path, maker).shape[1]) // (math.isqrt(max(count, 1) - 1) + 1)


def _pixels(path: Path, maker: str) -> Images:
    """A picture file as uint8 (height, width, 3)."""
    _read(path, maker)
    try:
        with Image.open(path) as picture:
            return np.asarray(picture.convert("RGB"))
    except OSError as error:
        raise CorruptData(f"{path}: not readable as a picture ({error}); run {maker} again") from None


def _read(path: Path, maker: str) -> bytes:
    if not path.is_file():
        raise MissingInput(f"{path}: no such picture; run {maker} again")
    return path.read_bytes()


def _uri(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"
