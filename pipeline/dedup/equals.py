"""What is equal to what: bytes, pixels, codes."""

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline import progress
from pipeline.dedup.codes import as_items
from pipeline.dedup.inputs import flatten, to_32
from pipeline.imageset import ImageSet, Rows

_BLOCK = 4096


@dataclass(frozen=True)
class Equals:
    """What is equal to what: in each array of ids, int64 (n,), equal pictures have equal ids.

    Attributes:
        contents: equal source bytes.
        bytes: equal source bytes, and cut from the same place of them.
        pixels: equal stored pictures.
        codes: equal codes; a picture that codes say too little of has an id of its own.
        flat: bool (n,), pictures of a single colour.
        zero: bool (n,), pictures whose code has no bit set.
    """

    contents: Rows
    bytes: Rows
    pixels: Rows
    codes: Rows
    flat: npt.NDArray[np.bool_]
    zero: npt.NDArray[np.bool_]

    def reasons(self, rows: Rows, keepers: Rows, otherwise: str) -> list[str]:
        """The strongest kind of equality of source or pixels between each row and its keeper, or another reason."""
        same_bytes, same_pixels = (ids[rows] == ids[keepers] for ids in (self.bytes, self.pixels))
        words: list[str] = np.where(same_bytes, "same_bytes", np.where(same_pixels, "same_pixels", otherwise)).tolist()
        return words


def pixel_ids(images: ImageSet) -> Rows:
    """Equal ids for equal stored pictures: int64 (n,)."""
    return _ids(as_items(pixel_digests(images)))


def pixel_digests(images: ImageSet) -> npt.NDArray[np.uint8]:
    """16 bytes for each stored picture, equal where the pictures are: uint8 (n, 16)."""
    digests = np.zeros((len(images), 16), np.uint8)
    with progress.bar("compare pixels", len(images)) as advance:
        for start, block in images.blocks(_BLOCK):
            joined = b"".join(hashlib.sha256(picture).digest()[:16] for picture in block)
            digests[start : start + len(block)] = np.frombuffer(joined, np.uint8).reshape(-1, 16)
            advance(len(block))
    return digests


def find_equals(images: ImageSet, codes: npt.NDArray[np.uint8]) -> Equals:
    """Find equal bytes, pixels and codes; memory grows by about a hundred bytes a picture."""
    count = len(images)
    flat = np.zeros(count, bool)
    for start, block in images.blocks(_BLOCK):
        small = flatten(to_32(block)).reshape(len(block), 3, -1)
        flat[start : start + len(block)] = (small.min(axis=2) == small.max(axis=2)).all(axis=1)
    zero = (codes == 0).all(axis=1)
    code_ids = _ids(as_items(codes))
    mute = flat | zero
    code_ids[mute] = count + np.arange(int(mute.sum()))
    contents = np.asarray(images.index.column("sha256").combine_chunks().dictionary_encode().indices, np.int64)
    boxes = images.index.column("box").to_pylist()
    cuts: dict[tuple[Any, ...], int] = {}
    same = np.array(
        [cuts.setdefault((c, *(b or ())), len(cuts)) for c, b in zip(contents.tolist(), boxes, strict=True)], np.int64
    )
    return Equals(contents, same, pixel_ids(images), code_ids, flat, zero)


def _ids(items: npt.NDArray[Any]) -> Rows:
    return np.unique(items, return_inverse=True)[1].astype(np.int64)
