"""Decode a picture file to RGB pixels.

Rules: The content decides the format, not the file name. The header is read first, and a picture above `max_pixels` is
refused before any pixel is decoded. EXIF orientation is applied. Transparent parts are blended with white, or with
black if the visible parts are nearly white. Of 16-bit values, the upper 8 of the bits in use are kept: cameras and
scanners often use 10, 12 or 14 of 16 bits, and label maps fewer than 8. CMYK JPEGs are read with Adobe's inverted inks,
as all known ones are written. Colour profiles are ignored, as in the paper's tools. An animation or a file of several
pages gives its first frame. A JPEG that libjpeg calls corrupt is damaged, even though it can be decoded.

Pillow is the reference. For undamaged plain files, faster decoders give the same pixels: libjpeg-turbo for grey and
colour JPEGs, OpenCV for opaque still WebP. Files that they refuse go to Pillow, which decodes them or reports what is
wrong. Pillow parses a JPEG's header in Python, which takes 0.1 ms, as long as decoding a small JPEG.
"""

import hashlib
import io
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import simplejpeg
from PIL import Image, ImageStat, UnidentifiedImageError

from pipeline.prepare.decode.heif import optional_formats
from pipeline.prepare.decode.jpeg import decode_jpeg, header, is_jpeg

# Only formats that are decoded in this process; Pillow also supports PostScript, for which it starts a program.
_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "PPM", "TIFF", *optional_formats())
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

_STRIP = 1 << 22
"""Pixels that are converted at a time: Pillow's copies of the largest pictures would take over a gigabyte."""

MOST_PIXELS = 2 * 89_478_485
"""Pillow refuses larger pictures."""

_NEARLY_WHITE = 208
"""Mean luma of the visible parts of a transparent picture above which black is the better background."""


@dataclass(frozen=True)
class Decoded:
    """A decoded picture, upright.

    Attributes:
        image: uint8 (H, W, 3) RGB; may be smaller than the source.
        width, height: size of the source in pixels, after EXIF orientation.
        frames: number of frames of an animation, or of pages; 1 for other pictures.
        damage: what libjpeg reported about a corrupt JPEG that was decoded all the same; empty if nothing.
    """

    image: npt.NDArray[np.uint8]
    width: int
    height: int
    frames: int = 1
    damage: str = ""


@dataclass(frozen=True)
class Problem:
    """Why a picture could not be decoded.

    Attributes:
        reason: `empty`, `not_an_image`, `too_many_pixels`, `truncated`, `damaged` or `unsupported_colours`.
        detail: what exactly was found.
    """

    reason: str
    detail: str


def decode(
    data: bytes, *, max_pixels: int, short_side: int | None = None, accept_damage: bool = False
) -> Decoded | Problem:
    """Decode one picture. It never raises an exception for bad data; see `Problem`.

    Args:
        data: the encoded picture.
        max_pixels: maximum width × height; larger pictures are refused. At most `MOST_PIXELS`.
        short_side: when given, a JPEG is decoded at the smallest of 1/8, 2/8 … 8/8 of its size (a cheaper inverse DCT
            that also averages) that keeps its short side at or above this; other formats are decoded whole.
        accept_damage: whether a corrupt JPEG is decoded as far as possible. Otherwise it is a problem (`damaged`).
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
                decoded = _decode(picture, data, max_pixels, short_side)
        except UnidentifiedImageError:
            return Problem("not_an_image", f"{len(data)} bytes that begin with {data[:8]!r}")
        except Image.DecompressionBombError:
            return Problem("too_many_pixels", f"above {MOST_PIXELS} pixels, at most {max_pixels} are decoded")
        except Exception as error:  # broken files make Pillow raise many kinds of errors
            reason = "truncated" if _is_cut_off(data, error) else "damaged"
            return Problem(reason, f"{len(data)} bytes: {' '.join(str(error).split()) or type(error).__name__}")
    if isinstance(decoded, Decoded) and decoded.damage and not accept_damage:
        return Problem("damaged", decoded.damage)
    return decoded


def source_digest(data: bytes, *, max_pixels: int) -> bytes | None:
    """Digest of everything that is visible in a picture file: two files with equal digests are the same picture.

    All frames are decoded at their full size and depth, and turned upright. The colour of fully transparent pixels is
    ignored. Format, compression and metadata are not part of the digest, so a PNG and a lossless WebP of the same
    pixels have the same digest.

    Args:
        data: the encoded picture.
        max_pixels: as for `decode`; it also limits each frame.

    Returns:
        The first 16 bytes of a SHA-256; None if the file cannot be decoded whole.
    """
    whole = hashlib.sha256()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with Image.open(io.BytesIO(data), formats=_FORMATS) as picture:
                orientation = _orientation(picture)
                for frame in range(_frames(picture)):
                    picture.seek(frame)
                    if picture.width * picture.height > max_pixels:
                        return None
                    pixels = _all_channels(picture, data)
                    if orientation in _TURNS and picture.format != "TIFF":
                        pixels = np.ascontiguousarray(_TURNS[orientation](pixels))
                    whole.update(repr((pixels.shape, pixels.dtype.itemsize)).encode())
                    whole.update(pixels.tobytes())
        except Exception:  # broken files make Pillow raise many kinds of errors
            return None
    return whole.digest()[:16]


def _all_channels(picture: Image.Image, data: bytes) -> npt.NDArray[Any]:
    """The current frame as grey, RGB or RGBA: the fewest channels, and the fewest bits (8 or 16), that hold it all.

    Raises:
        ValueError: a JPEG is damaged.
    """
    pixels: npt.NDArray[Any] | None = None
    if picture.format in ("JPEG", "MPO"):
        colours = "CMYK" if picture.mode == "CMYK" else "RGB"
        pixels, damage = decode_jpeg(data, None, colours)
        if damage:
            raise ValueError(damage)
        if colours == "CMYK":
            pixels = None
    elif picture.mode.startswith("I") or picture.mode == "F":
        pixels = np.asarray(picture)[:, :, None]
        if pixels.min() >= 0 and pixels.max() <= 65535 and pixels.dtype.kind != "f":
            pixels = pixels.astype(np.uint16)
    elif _frames(picture) == 1 and _is_deep(picture, data):
        pixels = _sixteen_bits(data)
    if pixels is None:
        picture.load()
        pixels = np.asarray(picture.convert("RGBA" if picture.has_transparency_data else "RGB"))
    most = 65535 if pixels.dtype.itemsize > 1 else 255
    if pixels.shape[2] == 4:
        pixels = np.where(pixels[:, :, 3:] > 0, pixels, 0).astype(pixels.dtype)
        if (pixels[:, :, 3] == most).all():
            pixels = pixels[:, :, :3]
    if pixels.shape[2] == 3 and (pixels == pixels[:, :, :1]).all():
        pixels = pixels[:, :, :1]
    if pixels.dtype == np.uint16 and (pixels % 257 == 0).all():  # 8 bits, written as 16
        pixels = (pixels // 257).astype(np.uint8)
    return pixels


def _decode(picture: Image.Image, data: bytes, max_pixels: int, short_side: int | None) -> Decoded | Problem:
    width, height = picture.size
    if width * height > max_pixels:
        return _too_large(width, height, max_pixels)
    frames = _frames(picture)
    image, damage = None, ""
    if picture.format in ("JPEG", "MPO"):
        colours = "CMYK" if picture.mode == "CMYK" else "RGB"
        image, damage = decode_jpeg(data, short_side, colours)
        if colours == "CMYK":  # libjpeg does not convert its inks to RGB
            image = None
    elif _is_deep(picture, data):
        image = _eight_bits(_sixteen_bits(data))
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
    return Decoded(image, width, height, frames, damage)


def _frames(picture: Image.Image) -> int:
    """Number of frames or pages. The further pictures of an MPO file are previews of the first one."""
    return 1 if picture.format == "MPO" else int(getattr(picture, "n_frames", 1))


def _is_deep(picture: Image.Image, data: bytes) -> bool:
    """Whether the channels of a colour picture have 16 bits. Pillow would keep the upper 8."""
    if picture.format == "PNG":
        return data[24:26] in (b"\x10\x02", b"\x10\x06")  # depth and colour type in IHDR (PNG specification, 11.2.1)
    if picture.format == "TIFF":
        tags = getattr(picture, "tag_v2", {})
        return set(tags.get(258, ())) == {16} and len(tags[258]) > 2 and tags.get(_ORIENTATION, 1) == 1  # TIFF 6.0
    return False


def _sixteen_bits(data: bytes) -> npt.NDArray[np.uint16] | None:
    """A 16-bit colour picture, uint16 (H, W, 3 or 4) in the order RGBA; None if OpenCV cannot decode it."""
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.dtype != np.uint16 or pixels.ndim != 3:
        return None
    order = cv2.COLOR_BGR2RGB if pixels.shape[2] == 3 else cv2.COLOR_BGRA2RGBA
    return np.asarray(cv2.cvtColor(pixels, order), np.uint16)


def _eight_bits(pixels: npt.NDArray[np.uint16] | None) -> npt.NDArray[np.uint8] | None:
    """The result of `_sixteen_bits` as RGB with 8 bits; None for None."""
    if pixels is None:
        return None
    colours = _upper_bits(pixels[:, :, :3])
    if pixels.shape[2] == 3:
        return colours
    return _pixels(Image.fromarray(np.dstack([colours, (pixels[:, :, 3] >> 8).astype(np.uint8)])))


def _upper_bits(values: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """The upper 8 of the bits in use of values 0..65535."""
    unused = int(values.max(initial=0)).bit_length() - 8
    return (values >> unused if unused > 0 else values << -unused).astype(np.uint8)


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
    if not is_jpeg(data):
        return None
    before_scan = header(data)
    if any(mark in before_scan for mark in _MAY_MATTER):
        return None
    try:
        height, width, colours, _ = simplejpeg.decode_jpeg_header(data)
    except ValueError:
        return None
    if colours not in ("Gray", "YCbCr", "RGB"):
        return None
    if width * height > max_pixels:
        return _too_large(width, height, max_pixels)
    image, damage = decode_jpeg(data, short_side)
    return None if image is None or damage else Decoded(image, width, height)


def _orientation(picture: Image.Image) -> int | None:
    """EXIF orientation, or None. Pillow rotates a TIFF and drops its tag when it loads the picture."""
    try:
        value: int | None = picture.getexif().get(_ORIENTATION)
        return value
    except Exception:  # unreadable metadata does not make a picture bad
        return None


def _pixels(picture: Image.Image) -> npt.NDArray[np.uint8]:
    """The pixels of a loaded picture. `ValueError` if Pillow has no conversion to RGB."""
    if picture.mode.startswith("I"):  # Pillow would clip 16 bits to white; mode I holds 16-bit values as well
        grey = _upper_bits(np.asarray(picture).clip(0, 65535))
        return np.repeat(grey[:, :, None], 3, axis=2)
    width, height = picture.size
    background = _background(picture)
    rows = max(1, _STRIP // width)
    if rows >= height:
        return np.asarray(_to_rgb(picture, background))
    image = np.empty((height, width, 3), np.uint8)
    for top in range(0, height, rows):
        strip = picture.crop((0, top, width, min(top + rows, height)))
        image[top : top + rows] = np.asarray(_to_rgb(strip, background))
    return image


def _to_rgb(picture: Image.Image, background: str) -> Image.Image:
    if picture.mode == "RGB" and not picture.has_transparency_data:
        return picture
    if picture.mode == "F":
        raise ValueError("no range is known for floating-point pixels")
    if picture.has_transparency_data:
        above = picture.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", above.size, background), above).convert("RGB")
    return picture.convert("RGB")


def _background(picture: Image.Image) -> str:
    """The colour behind a transparent picture: white, or black if white would hide what is visible."""
    if not picture.has_transparency_data:
        return "white"
    sample = picture.resize([min(side, 256) for side in picture.size], Image.Resampling.NEAREST).convert("RGBA")
    visible = sample.getchannel("A").point(lambda value: 255 * (value >= 32))
    if not visible.getbbox():
        return "white"
    return "black" if ImageStat.Stat(sample.convert("L"), visible).mean[0] > _NEARLY_WHITE else "white"


def _is_cut_off(data: bytes, error: Exception) -> bool:
    """Whether the file is truncated. libwebp does not report this, so the length in the RIFF header is compared."""
    if data[:4] == b"RIFF":
        return len(data) < 8 + int.from_bytes(data[4:8], "little")
    return isinstance(error, EOFError) or "truncated" in str(error).lower()
