"""Where copies are looked for: in codes of the whole picture, of it without bars, of parts, of it moved and enlarged.

A frame is cut off first. One code of what is left finds a copy that was saved again or scaled, one of it blurred also
what remains at a quarter of its size. A bar of any kind is gone without bars. A mark changes one part of a picture and
leaves the opposite one alone; a crop or a shift is undone by the view that repeats it.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pipeline.dedup.encoder.codes import BITS, Codes, Encoder, encode_input
from pipeline.dedup.encoder.encoder_input import SIDE, blur, cut, normalise
from pipeline.dedup.encoder.letterbox import strip_bars, strip_frame
from pipeline.imageset.format.image_set import Images

View = Callable[[Images], Images]
"""From pictures uint8 (n, 32, 32, 3) to what is encoded of them, likewise."""


def _part(top: int, left: int, height: int, width: int) -> View:
    return lambda unframed: cut(unframed, (top, left, height, width))


_OF_THE_UNFRAMED: dict[str, View] = {
    "without a frame": lambda unframed: unframed,
    "without bars": strip_bars,
    "blurred": blur,
    "left": _part(0, 0, SIDE, 20),
    "right": _part(0, 12, SIDE, 20),
    "top": _part(0, 0, 20, SIDE),
    "bottom": _part(12, 0, 20, SIDE),
    "moved right": _part(0, -2, SIDE, SIDE),
    "moved down": _part(-2, 0, SIDE, SIDE),
    "moved down right": _part(-2, -2, SIDE, SIDE),
    "moved down left": _part(-2, 2, SIDE, SIDE),
    "enlarged by 1/7": _part(2, 2, 28, 28),
    "enlarged by 1/15": _part(1, 1, 30, 30),
}
VIEWS = (*_OF_THE_UNFRAMED, "with a frame")
"""What is encoded of each picture."""


@dataclass(frozen=True)
class Probe:
    """One search: two pictures meet when their codes of these views differ in few bits.

    Attributes:
        left, right: numbers in `VIEWS`.
        nearer: bits that the radius is less than that of the whole pictures'. A part holds less than the whole, and a
            picture has more views than one: without it chance would meet there more often.
    """

    left: int
    right: int
    nearer: int


def _probes() -> tuple[Probe, ...]:
    made = []
    for number, name in enumerate(VIEWS):
        if name == "without a frame":
            made.append(Probe(number, number, 0))
        elif name == "without bars":  # of both, or of one: a bar that only the original shows clearly, say
            made += [Probe(number, number, 0), Probe(number, 0, 0), Probe(0, number, 0)]
        elif name == "with a frame":  # which only one of the two shows: strangers may both have one
            made += [Probe(number, 0, 0), Probe(0, number, 0)]
        elif name.startswith(("moved", "enlarged")):
            made += [Probe(number, 0, 3), Probe(0, number, 3)]
        else:
            made.append(Probe(number, number, 5))
    return tuple(made)


PROBES = _probes()


def encode_views(pictures: Images, encoder: Encoder) -> Codes:
    """Codes of all views.

    Args:
        pictures: uint8 (n, 32, 32, 3).

    Returns:
        uint8 (views, n, 16).
    """
    codes = np.empty((len(VIEWS), len(pictures), BITS // 8), np.uint8)
    unframed = strip_frame(pictures)
    for number, view in enumerate(_OF_THE_UNFRAMED.values()):
        codes[number] = encode_input(normalise(view(unframed)), encoder)
    framed = (unframed != pictures).any(axis=(1, 2, 3))
    codes[-1] = codes[0]
    codes[-1, framed] = encode_input(normalise(pictures[framed]), encoder)
    return codes


def meets(left: Codes, right: Codes, radius: int) -> np.ndarray:
    """Whether aligned pictures meet in one of the searches.

    Args:
        left, right: uint8 (views, n, 16).
        radius: Hamming radius of the whole pictures' codes.

    Returns:
        bool (n,).
    """
    met = np.zeros(left.shape[1], bool)
    for probe in PROBES:
        distance = np.bitwise_count(left[probe.left] ^ right[probe.right]).sum(axis=1, dtype=np.int64)
        met |= distance <= radius - probe.nearer
    return met
