"""Views: versions of a picture, each of which has a code, so that changed copies are found (multi-probe search).

A frame is cut off first. The code of the unframed picture finds copies that were saved again or scaled; the code of the
blurred view also finds copies that were reduced to a quarter of the size. The view without bars ignores added bars. The
views of parts find copies with a mark, because a mark changes one part of a picture but not the opposite part. The
moved and enlarged views find shifted and cropped copies, because they repeat the change.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pipeline.dedup.encoder.codes import BITS, Codes, Encoder, encode_input
from pipeline.dedup.encoder.encoder_input import SIDE, blur, cut, normalise
from pipeline.dedup.encoder.letterbox import strip_bars, strip_frame
from pipeline.imageset.format.image_set import Images

View = Callable[[Images], Images]
"""Function from pictures uint8 (n, 32, 32, 3) to the pictures that are encoded, with the same dtype and shape."""


def _part(top: int, left: int, height: int, width: int) -> View:
    return lambda unframed: cut(unframed, (top, left, height, width))


_UNFRAMED_VIEWS: dict[str, View] = {
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
VIEWS = (*_UNFRAMED_VIEWS, "with a frame")
"""Names of the views that are encoded of each picture."""


@dataclass(frozen=True)
class ViewPair:
    """Two views whose codes are compared: a pair of pictures is a candidate if the codes differ in few bits.

    Attributes:
        left, right: numbers of the views in `VIEWS`.
        radius_offset: number of bits that is subtracted from the radius of whole pictures. A part contains less
            information than the whole picture, and each picture has several views, so with the full radius more
            candidates would be pairs of unrelated pictures.
    """

    left: int
    right: int
    radius_offset: int


def _view_pairs() -> tuple[ViewPair, ...]:
    pairs = []
    for number, name in enumerate(VIEWS):
        if name == "without a frame":
            pairs.append(ViewPair(number, number, 0))
        elif name == "without bars":  # of one or both: a bar may be clear in the original only
            pairs += [ViewPair(number, number, 0), ViewPair(number, 0, 0), ViewPair(0, number, 0)]
        elif name == "with a frame":  # in one of the two only: unrelated pictures may have equal frames
            pairs += [ViewPair(number, 0, 0), ViewPair(0, number, 0)]
        elif name.startswith(("moved", "enlarged")):
            pairs += [ViewPair(number, 0, 3), ViewPair(0, number, 3)]
        else:
            pairs.append(ViewPair(number, number, 5))
    return tuple(pairs)


VIEW_PAIRS = _view_pairs()


def encode_views(pictures: Images, encoder: Encoder) -> Codes:
    """Compute the codes of all views.

    Args:
        pictures: uint8 (n, 32, 32, 3).

    Returns:
        uint8 (views, n, 16).
    """
    codes = np.empty((len(VIEWS), len(pictures), BITS // 8), np.uint8)
    unframed = strip_frame(pictures)
    for number, view in enumerate(_UNFRAMED_VIEWS.values()):
        codes[number] = encode_input(normalise(view(unframed)), encoder)
    framed = (unframed != pictures).any(axis=(1, 2, 3))
    codes[-1] = codes[0]
    codes[-1, framed] = encode_input(normalise(pictures[framed]), encoder)
    return codes


def are_candidates(left: Codes, right: Codes, radius: int) -> np.ndarray:
    """Tell for each i whether left picture i and right picture i are a candidate pair.

    Args:
        left, right: uint8 (views, n, 16).
        radius: Hamming radius for the codes of whole pictures.

    Returns:
        bool (n,).
    """
    near = np.zeros(left.shape[1], bool)
    for pair in VIEW_PAIRS:
        distance = np.bitwise_count(left[pair.left] ^ right[pair.right]).sum(axis=1, dtype=np.int64)
        near |= distance <= radius - pair.radius_offset
    return near
