"""Facts about the encoding of a picture that its pixels no longer show, read from the header of the file."""

import io
import warnings
from dataclasses import dataclass

from PIL import Image

_PNG = b"\x89PNG\r\n\x1a\n"
_BITS_PER_SAMPLE = 258
"""Tag of a TIFF (TIFF 6.0, section 8)."""


@dataclass(frozen=True)
class Encoding:
    """How a picture is encoded.

    Attributes:
        lossy: whether it is a JPEG or a lossy WebP.
        bits: bits of a sample, at least 8; 8 if the header does not say.
        steps: for a JPEG, the quantisation steps of its luma, 64 numbers in rows of the 8×8 block, from the lowest
            frequency; else None.
    """

    lossy: bool
    bits: int
    steps: tuple[int, ...] | None


UNKNOWN = Encoding(lossy=False, bits=8, steps=None)


def read_encoding(data: bytes) -> Encoding:
    """Read the header of an encoded picture; `UNKNOWN` if it is not readable."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # odd metadata does not matter here
        try:
            with Image.open(io.BytesIO(data)) as picture:
                tables = getattr(picture, "quantization", None) if picture.format in ("JPEG", "MPO") else None
                steps = tuple(tables[min(tables)]) if tables else None
                lossy = steps is not None or (picture.format == "WEBP" and b"VP8L" not in data[:64])
                return Encoding(lossy, _bits(data, picture), steps)
        except Exception:  # broken files make Pillow raise many kinds of errors; the decoder reports them
            return UNKNOWN


def _bits(data: bytes, picture: Image.Image) -> int:
    """Bits of a sample; 8 for fewer, because the pictures of a palette have them for its numbers."""
    if data[:8] == _PNG and len(data) > 24:
        return max(8, data[24])  # bit depth in IHDR (PNG, 11.2.1)
    tags = getattr(picture, "tag_v2", None)
    if tags and _BITS_PER_SAMPLE in tags:
        return max(8, *map(int, tags[_BITS_PER_SAMPLE]))
    return 16 if picture.mode.startswith("I;16") else 8
