"""Pictures as data URIs, so that each page is one file."""

import base64
from pathlib import Path

import numpy as np
from PIL import Image

from pipeline.core.errors import CorruptData, MissingInput
from pipeline.imageset import image_grid


def png(path: Path, maker: str) -> str:
    """A PNG file.

    Args:
        maker: the command that writes it, for the message.

    Raises:
        MissingInput: there is no such file.
    """
    return _uri("image/png", _read(path, maker))


def svg(path: Path, maker: str) -> str:
    """An SVG file; inside a URI, nothing in it can act on the page. See `png`."""
    return _uri("image/svg+xml", _read(path, maker))


def first_rows(path: Path, rows: int, shown: int, maker: str) -> str:
    """The first rows of a sheet of pictures in a PNG file; see `png`.

    Args:
        rows: rows of the sheet.
        shown: how many to show, or all if there are fewer.

    Raises:
        CorruptData: it is not a picture.
    """
    _read(path, maker)
    try:
        with Image.open(path) as sheet:
            top = sheet.convert("RGB").crop((0, 0, sheet.width, sheet.height * min(rows, shown) // rows))
    except OSError as error:
        raise CorruptData(f"{path}: not readable as a picture ({error}); run {maker} again") from None
    return _uri("image/png", image_grid.png(np.asarray(top)))


def _read(path: Path, maker: str) -> bytes:
    if not path.is_file():
        raise MissingInput(f"{path}: no such picture; run {maker} again")
    return path.read_bytes()


def _uri(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"
