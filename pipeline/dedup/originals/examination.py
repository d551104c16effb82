"""Examine one source: decode it whole, measure it, and reduce it for comparisons."""

import hashlib
from dataclasses import dataclass

from pipeline.dedup.originals.alignment import Reduced, reduce
from pipeline.dedup.originals.blocks import Coefficients, coefficients
from pipeline.dedup.originals.encoding import Encoding, read_encoding
from pipeline.dedup.originals.measures import Measures, measure
from pipeline.prepare.decode import MOST_PIXELS, Decoded, decode


@dataclass(frozen=True)
class Examined:
    """What is known of one source.

    Attributes:
        measures: what was measured of it.
        reduced: the picture at a small size, with its features.
        encoding: how it is encoded.
        coefficients: cosine transforms of some of its blocks.
    """

    measures: Measures
    reduced: Reduced
    encoding: Encoding
    coefficients: Coefficients


def examine(data: bytes, sha256: str, box: tuple[int, int, int, int] | None) -> Examined | None:
    """Examine an encoded picture.

    Args:
        data: the encoded picture.
        sha256: its SHA-256 when the image set was made, 64 hex characters.
        box: left, top, right and bottom edge in pixels of the part to examine; None for the whole.

    Returns:
        None if the bytes have changed, or are not a picture.
    """
    if hashlib.sha256(data).hexdigest() != sha256:
        return None
    decoded = decode(data, max_pixels=MOST_PIXELS, accept_damage=True)
    if not isinstance(decoded, Decoded):
        return None
    image = decoded.image
    if box:
        left, top, right, bottom = (max(0, edge) for edge in box)
        image = image[top:bottom, left:right]
    if not image.size:
        return None
    encoding = read_encoding(data)
    return Examined(measure(image, encoding, decoded.frames, len(data)), reduce(image), encoding, coefficients(image))
