"""What is equal to what: bytes, pixels, codes."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.core import engine, progress
from pipeline.dedup.encoder.codes import as_items
from pipeline.dedup.encoder.encoder_input import to_32
from pipeline.imageset.format.image_set import ImageSet, Rows

_BLOCK = 1024


@dataclass(frozen=True)
class ExactMatches:
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


def ids_of(rows: npt.NDArray[np.uint8]) -> Rows:
    """Equal ids for equal rows of bytes, uint8 (n, k): int64 (n,)."""
    return _ids(as_items(rows))


def pixel_digests(images: ImageSet) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
    """One pass over all stored pictures.

    Returns:
        16 bytes for each, equal where the pictures are, uint8 (n, 16); and which are of a single colour, bool (n,).
    """
    digests, flat = np.zeros((len(images), 16), np.uint8), np.zeros(len(images), bool)

    def look(rows: Rows) -> int:
        block = images.read(rows)
        joined = b"".join(hashlib.sha256(picture).digest()[:16] for picture in block)
        digests[rows] = np.frombuffer(joined, np.uint8).reshape(-1, 16)
        small = to_32(block).reshape(len(block), -1, 3)
        flat[rows] = (small == small[:, :1]).all(axis=(1, 2))
        return len(rows)

    parts = np.split(np.arange(len(images)), range(_BLOCK, len(images), _BLOCK))
    with progress.bar("compare pixels", len(images)) as advance, ThreadPoolExecutor(engine.default_workers()) as pool:
        for done in pool.map(look, parts):
            advance(done)
    return digests, flat


def find_exact_matches(images: ImageSet, codes: npt.NDArray[np.uint8]) -> ExactMatches:
    """Find equal bytes, pixels and codes; memory grows by about a hundred bytes a picture."""
    count = len(images)
    digests, flat = pixel_digests(images)
    zero = (codes == 0).all(axis=1)
    code_ids = ids_of(codes)
    mute = flat | zero
    code_ids[mute] = count + np.arange(int(mute.sum()))
    contents = np.asarray(images.index.column("sha256").combine_chunks().dictionary_encode().indices, np.int64)
    boxes = images.index.column("box").to_pylist()
    cuts: dict[tuple[Any, ...], int] = {}
    same = np.array(
        [cuts.setdefault((c, *(b or ())), len(cuts)) for c, b in zip(contents.tolist(), boxes, strict=True)], np.int64
    )
    return ExactMatches(contents, same, ids_of(digests), code_ids, flat, zero)


def _ids(items: npt.NDArray[Any]) -> Rows:
    return np.unique(items, return_inverse=True)[1].astype(np.int64)
