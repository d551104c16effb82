"""Encode pictures as data URIs, so that each page is one file."""

import base64
from pathlib import Path

import numpy as np
from PIL import Image

from pipeline.core.errors import CorruptData, MissingInput
from pipeline.imageset import image_grid


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
    _read(path, maker)
    try:
        with Image.open(path) as grid:
            top = grid.convert("RGB").crop((0, 0, grid.width, grid.height * min(rows, shown) // rows))
    except OSError as error:
        raise CorruptData(f"{path}: not readable as a picture ({error}); run {maker} again") from None
    return _uri("image/png", image_grid.png(np.asarray(top)))


def _read(path: Path, maker: str) -> bytes:
    if not path.is_file():
        raise MissingInput(f"{path}: no such picture; run {maker} again")
    return path.read_bytes()


def _uri(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"
