"""Decode a picture file to RGB pixels.

Rules: The content decides the format, not the file name. The header is read first, and a picture above `max_pixels` is
refused before any pixel is decoded. EXIF orientation is applied. Transparent parts are blended with white. 16-bit
values keep their upper 8 bits. CMYK JPEGs are read with Adobe's inverted inks, as all known ones are written. Colour
profiles are ignored, as in the paper's tools. An animation gives its first frame.

Pillow is the reference. For undamaged plain files, faster decoders give the same pixels: libjpeg-turbo for grey and
colour JPEGs, OpenCV for opaque still WebP. Files that they refuse go to Pillow, which decodes them or reports what is
wrong. Pillow parses a JPEG's header in Python, which takes 0.1 ms, as long as decoding a small JPEG.
"""

import io
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import simplejpeg
from PIL import Image, UnidentifiedImageError

# Only formats that are decoded in this process; Pillow also supports PostScript, for which it starts a program.
_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "PPM", "TIFF")
_ORIENTATION = 0x0112
_TURNS: dict[int, Callable[[npt.NDArray[np.uint8]], npt.NDArray[np.uint8]]] = {
    2: np.fliplr,
    3: lambda image: np.rot90(image, 2),
    4: np.flipud,
    5: lambda image: np.swapaxes(image, 0, 1),
    6: lambda image: np.rot90(image, -1),
    7: lambda image: np.swapaxes(np.rot90(image, 2), 0, 1),
    8: np.rot90,
}

_MAY_MATTER = (b"Exif\0\0", b"tiff:Orientation", b"MPF\0")
"""Byte strings in a JPEG's header that announce an orientation (EXIF, XMP) or several pictures per file."""

_SEGMENTS = frozenset({*range(0xC0, 0xD0), *range(0xDB, 0xFF)})
"""Markers of a JPEG that are followed by a length (ITU-T T.81, table B.1), except the start of a scan."""

_STRIP = 1 << 22
"""Pixels that are converted at a time: Pillow's copies of the largest pictures would take over a gigabyte."""

MOST_PIXELS = 2 * 89_478_485
"""Pillow refuses larger pictures."""


@dataclass(frozen=True)
class Decoded:
    """A decoded picture, upright.

    Attributes:
        image: uint8 (H, W, 3) RGB; may be smaller than the source.
        width, height: size of the source in pixels, after EXIF orientation.
    """

    image: npt.NDArray[np.uint8]
    width: int
    height: int


@dataclass(frozen=True)
class Problem:
    """Why a picture could not be decoded.

    Attributes:
        reason: `empty`, `not_an_image`, `too_many_pixels`, `truncated`, `damaged` or `unsupported_colours`.
        detail: what exactly was found.
    """

    reason: str
    detail: str


def decode(data: bytes, *, max_pixels: int, short_side: int | None = None) -> Decoded | Problem:
    """Decode one picture. It never raises an exception for bad data; see `Problem`.

    Args:
        data: the encoded picture.
        max_pixels: maximum width × height; larger pictures are refused. At most `MOST_PIXELS`.
        short_side: when given, a JPEG is decoded at the smallest of 1/8, 2/8 … 8/8 of its size (a cheaper inverse DCT
            that also averages) that keeps its short side at or above this; other formats are decoded whole.
    """
    if not data:
        return Problem("empty", "0 bytes")
    if extent := _plain_webp(data):
        width, height = extent
        if width * height > max_pixels:
            return _too_large(width, height, max_pixels)
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
        if image is not None:
            return Decoded(np.asarray(image, np.uint8), width, height)
    if plain := _plain_jpeg(data, max_pixels, short_side):
        return plain
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns about odd metadata, which is irrelevant here
        try:
            with Image.open(io.BytesIO(data), formats=_FORMATS) as picture:
                return _decode(picture, data, max_pixels, short_side)
        except UnidentifiedImageError:
            return Problem("not_an_image", f"{len(data)} bytes that begin with {data[:8]!r}")
        except Image.DecompressionBombError:
            return Problem("too_many_pixels", f"above {MOST_PIXELS} pixels, at most {max_pixels} are decoded")
        except Exception as error:  # broken files make Pillow raise many kinds of errors
            reason = "truncated" if _is_cut_off(data, error) else "damaged"
            return Problem(reason, f"{len(data)} bytes: {' '.join(str(error).split()) or type(error).__name__}")


def _decode(picture: Image.Image, data: bytes, max_pixels: int, short_side: int | None) -> Decoded | Problem:
    width, height = picture.size
    if width * height > max_pixels:
        return _too_large(width, height, max_pixels)
    image = _libjpeg(data, short_side) if picture.format == "JPEG" and picture.mode in ("L", "RGB") else None
    if image is None:
        if short_side is not None:
            picture.draft(None, (short_side, short_side))
        picture.load()
        try:
            image = _pixels(picture)
        except ValueError:  # Pillow has no conversion for this mode
            return Problem("unsupported_colours", f"mode {picture.mode}")
    orientation = _orientation(picture)
    picture.close()  # free memory before a rotated copy is made
    if orientation in _TURNS:
        image = np.ascontiguousarray(_TURNS[orientation](image))
    if orientation in (5, 6, 7, 8):
        width, height = height, width
    return Decoded(image, width, height)


def _too_large(width: int, height: int, max_pixels: int) -> Problem:
    return Problem("too_many_pixels", f"{width}×{height}, at most {max_pixels} pixels are decoded")


def _plain_webp(data: bytes) -> tuple[int, int] | None:
    """Width and height of a lossy WebP of the simple kind, which has no alpha, frames or metadata (RFC 9649, 2.5)."""
    if data[:4] != b"RIFF" or data[8:16] != b"WEBPVP8 " or data[23:26] != b"\x9d\x01\x2a":
        return None
    width, height = (int.from_bytes(data[at : at + 2], "little") & 0x3FFF for at in (26, 28))
    return (width, height) if width and height else None


def _plain_jpeg(data: bytes, max_pixels: int, short_side: int | None) -> Decoded | Problem | None:
    """Decode a complete grey or colour JPEG of one picture without possible orientation metadata; None for others."""
    if data[:3] != b"\xff\xd8\xff":
        return None
    header = _header(data)
    if any(mark in header for mark in _MAY_MATTER):
        return None
    try:
        height, width, colours, _ = simplejpeg.decode_jpeg_header(data)
    except ValueError:
        return None
    if colours not in ("Gray", "YCbCr", "RGB"):
        return None
    if width * height > max_pixels:
        return _too_large(width, height, max_pixels)
    image = _libjpeg(data, short_side)
    return None if image is None else Decoded(image, width, height)


def _header(data: bytes) -> bytes:
    """A JPEG up to its first scan, where Pillow stops looking for metadata; all of it if its segments are irregular."""
    at = 2
    while at + 1 < len(data) and data[at] == 0xFF and data[at + 1] in _SEGMENTS:
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return data[:at] if data[at : at + 2] == b"\xff\xda" else data


def _libjpeg(data: bytes, short_side: int | None) -> npt.NDArray[np.uint8] | None:
    """The pixels of a complete grey or colour JPEG; None if something is wrong with it."""
    least = short_side or 0
    try:
        image: npt.NDArray[np.uint8] = simplejpeg.decode_jpeg(
            data, "RGB", min_height=least, min_width=least, min_factor=1, strict=True
        )
    except ValueError:  # strict mode: warnings are errors, so a truncated file is not accepted
        return None
    return image


def _orientation(picture: Image.Image) -> int | None:
    """EXIF orientation, or None. Pillow rotates a TIFF and drops its tag when it loads the picture."""
    try:
        value: int | None = picture.getexif().get(_ORIENTATION)
        return value
    except Exception:  # unreadable metadata does not make a picture bad
        return None


def _pixels(picture: Image.Image) -> npt.NDArray[np.uint8]:
    """The pixels of a loaded picture. `ValueError` if Pillow has no conversion to RGB."""
    width, height = picture.size
    rows = max(1, _STRIP // width)
    if rows >= height:
        return np.asarray(_to_rgb(picture))
    image = np.empty((height, width, 3), np.uint8)
    for top in range(0, height, rows):
        strip = picture.crop((0, top, width, min(top + rows, height)))
        image[top : top + rows] = np.asarray(_to_rgb(strip))
    return image


def _to_rgb(picture: Image.Image) -> Image.Image:
    if picture.mode == "RGB" and not picture.has_transparency_data:
        return picture
    if picture.mode.startswith("I"):  # Pillow would clip 16 bits to white; mode I holds 16-bit values as well
        values: npt.NDArray[Any] = np.asarray(picture).clip(0, 65535) >> 8
        return Image.fromarray(values.astype(np.uint8)).convert("RGB")
    if picture.mode == "F":
        raise ValueError("no range is known for floating-point pixels")
    if picture.has_transparency_data:
        above = picture.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", above.size, "white"), above).convert("RGB")
    return picture.convert("RGB")


def _is_cut_off(data: bytes, error: Exception) -> bool:
    """Whether the file is truncated. libwebp does not report this, so the length in the RIFF header is compared."""
    if data[:4] == b"RIFF":
        return len(data) < 8 + int.from_bytes(data[4:8], "little")
    return isinstance(error, EOFError) or "truncated" in str(error).lower()
