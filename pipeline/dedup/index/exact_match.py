"""Exact matches: pictures with equal source bytes, equal stored pixels or equal codes."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from pipeline.core import engine, progress
from pipeline.dedup.encoder.codes import Codes
from pipeline.dedup.encoder.encoder_input import to_32
from pipeline.dedup.pairs.classes_table import Classes, class_ids, digest_ids
from pipeline.imageset.format.image_set import Images, ImageSet, Rows

_BLOCK = 1024

Flags = npt.NDArray[np.bool_]
Predicate = Callable[[Images], Flags]
"""Function from pictures uint8 (n, 32, 32, 3) to bool (n,)."""


def apply_predicates(images: ImageSet, pixels: Rows, *predicates: Predicate, workers: int) -> list[Flags]:
    """Apply predicates to all pictures at 32×32, in one pass that reads one picture of each pixel class.

    Args:
        pixels: int64 (n,), ids of equal stored pictures; see `classes_table.class_ids`.
        workers: threads.

    Returns:
        bool (n,) for each predicate.
    """
    distinct = np.flatnonzero(pixels == np.arange(len(pixels)))
    flags = [np.zeros(len(pixels), bool) for _ in predicates]

    def evaluate(rows: Rows) -> int:
        small = to_32(images.read(rows))
        for flag, predicate in zip(flags, predicates, strict=True):
            flag[rows] = predicate(small)
        return len(rows)

    parts = np.split(distinct, range(_BLOCK, len(distinct), _BLOCK))
    with progress.bar("look at pictures", len(distinct)) as advance:
        for done in engine.map_threads(evaluate, parts, workers=workers):
            advance(done)
    return [flag[pixels] for flag in flags]


def is_flat(small: Images) -> Flags:
    """Tell which pictures, uint8 (n, 32, 32, 3), have a single colour: bool (n,)."""
    colours = small.reshape(len(small), -1, 3)
    flat: Flags = (colours == colours[:, :1]).all(axis=(1, 2))
    return flat


def find_classes(images: ImageSet, pixels: Rows, flat: Flags, codes: Codes | None) -> Classes:
    """Find the classes of equal pictures. This needs about a hundred bytes of memory per picture.

    Args:
        pixels: int64 (n,), ids of equal stored pictures.
        flat: bool (n,), pictures of a single colour.
        codes: uint8 (n, 16); None if codes are not compared.
    """
    return Classes(_byte_classes(images), pixels, None if codes is None else _code_classes(codes, flat), flat)


def _byte_classes(images: ImageSet) -> Rows:
    """Ids of pictures with equal source bytes and equal boxes."""
    contents = images.index.column("sha256").combine_chunks().dictionary_encode().indices
    boxes = images.index.column("box").combine_chunks()
    values = np.full((len(images), 5), -1, np.int64)  # -1 if the picture has no box
    values[:, 0] = np.asarray(contents)
    values[np.asarray(boxes.is_valid()), 1:] = np.asarray(boxes.flatten()).reshape(-1, 4)
    return class_ids(values)


def _code_classes(codes: Codes, flat: Flags) -> Rows:
    """Ids of equal codes. A picture of a single colour, or with a code without set bits, has an id of its own."""
    ids = np.arange(len(codes))
    informative = np.flatnonzero(~flat & codes.any(axis=1))
    ids[informative] = informative[digest_ids(codes[informative])]
    return ids
