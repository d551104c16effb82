"""Encoded bytes to RGB pixels, whatever a data set hides behind a picture's name.

Decided here, once: the format is told by content, never by name; the header is read first, and a picture above
`max_pixels` is refused before a pixel is decoded; EXIF orientation is applied; transparent parts lie on white; 16-bit
values keep their upper 8 bits; CMYK JPEGs are read with Adobe's inverted inks, as all known ones are written; colour
profiles are ignored, as the paper's tools did; of an animation the first frame counts.

Pillow decides all of this. Where a file is plain and whole, quicker hands give the same pixels: libjpeg-turbo for grey
and colour JPEGs, OpenCV for opaque still WebP. Whatever they refuse is Pillow's to read, or to name the trouble with.
"""

import io
import warnings
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import simplejpeg
from PIL import Image, UnidentifiedImageError

# Every format here is decoded inside this process; among Pillow's others is PostScript, which would start a program.
_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "PPM", "TIFF")
_ORIENTATION = 0x0112
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

MOST_PIXELS = 2 * 89_478_485
"""Pillow itself refuses what is larger."""


@dataclass(frozen=True)
class Decoded:
    """A picture as a person sees it.

    Attributes:
        image: uint8 (H, W, 3) RGB; may be smaller than the source.
        width, height: of the source, in pixels, after EXIF orientation.
    """

    image: npt.NDArray[np.uint8]
    width: int
    height: int


@dataclass(frozen=True)
class Problem:
    """Why there is no picture.

    Attributes:
        reason: `empty`, `not_an_image`, `too_many_pixels`, `truncated`, `damaged` or `unsupported_colours`.
        detail: what exactly was found.
    """

    reason: str
    detail: str


def decode(data: bytes, *, max_pixels: int, short_side: int | None = None) -> Decoded | Problem:
    """Decode one picture; whatever the bytes are, this returns.

    Args:
        data: the encoded picture.
        max_pixels: width × height above which it is refused, at most `MOST_PIXELS`.
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
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's remarks on odd metadata; what matters is whether it decodes
        try:
            with Image.open(io.BytesIO(data), formats=_FORMATS) as picture:
                return _decode(picture, data, max_pixels, short_side)
        except UnidentifiedImageError:
            return Problem("not_an_image", f"{len(data)} bytes that begin with {data[:8]!r}")
        except Image.DecompressionBombError:
            return Problem("too_many_pixels", f"above {MOST_PIXELS} pixels, at most {max_pixels} are decoded")
        except Exception as error:  # broken files make Pillow raise nearly everything there is
            reason = "truncated" if _is_cut_off(data, error) else "damaged"
            return Problem(reason, f"{len(data)} bytes: {' '.join(str(error).split()) or type(error).__name__}")


def _decode(picture: Image.Image, data: bytes, max_pixels: int, short_side: int | None) -> Decoded | Problem:
    width, height = picture.size
    if width * height > max_pixels:
        return _too_large(width, height, max_pixels)
    image = _plain_jpeg(picture, data, short_side)
    if image is None:
        if short_side is not None:
            picture.draft(None, (short_side, short_side))
        picture.load()
        try:
            image = np.asarray(_to_rgb(picture))
        except ValueError:  # Pillow knows no conversion
            return Problem("unsupported_colours", f"mode {picture.mode}")
    orientation = _orientation(picture)
    if orientation in _TURNS:
        image = np.asarray(Image.fromarray(image).transpose(_TURNS[orientation]))
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


def _plain_jpeg(picture: Image.Image, data: bytes, short_side: int | None) -> npt.NDArray[np.uint8] | None:
    """The pixels of a whole grey or colour JPEG; None for all else."""
    if picture.format != "JPEG" or picture.mode not in ("L", "RGB"):
        return None
    least = short_side or 0
    try:
        image: npt.NDArray[np.uint8] = simplejpeg.decode_jpeg(
            data, "RGB", min_height=least, min_width=least, min_factor=1, strict=True
        )
    except ValueError:  # strict: a warning is a refusal, so nothing cut off passes for whole
        return None
    return image


def _orientation(picture: Image.Image) -> int | None:
    """EXIF orientation, where there is one; a TIFF has been turned, and its tag dropped, once it is loaded."""
    try:
        value: int | None = picture.getexif().get(_ORIENTATION)
        return value
    except Exception:  # metadata that cannot be read does not spoil a picture that can
        return None


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
    """Whether the file ends too early; libwebp does not say so, but a RIFF file states its length."""
    if data[:4] == b"RIFF":
        return len(data) < 8 + int.from_bytes(data[4:8], "little")
    return isinstance(error, EOFError) or "truncated" in str(error).lower()
