"""Exact matches: pictures with equal source bytes, source pixels, stored squares or codes."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from pipeline.core import engine, progress
from pipeline.dedup.encoder.codes import Codes
from pipeline.dedup.encoder.encoder_input import to_32
from pipeline.dedup.pairs.classes_table import FLAT, NO_DETAIL, SEARCHED, SEVERAL_FRAMES, Classes, class_ids, digest_ids
from pipeline.imageset.format.image_set import Images, ImageSet, Rows

_BLOCK = 1024

Flags = npt.NDArray[np.bool_]
Predicate = Callable[[Images], Flags]
"""Function from pictures uint8 (n, 32, 32, 3) to bool (n,)."""


def apply_predicates(images: ImageSet, squares: Rows, *predicates: Predicate, workers: int) -> list[Flags]:
    """Apply predicates to all pictures at 32×32, in one pass that reads one picture of each class.

    Args:
        squares: int64 (n,), ids of equal stored squares; see `classes_table.digest_ids`.
        workers: threads.

    Returns:
        bool (n,) for each predicate.
    """
    distinct = np.flatnonzero(squares == np.arange(len(squares)))
    flags = [np.zeros(len(squares), bool) for _ in predicates]

    def evaluate(rows: Rows) -> int:
        small = to_32(images.read(rows))
        for flag, predicate in zip(flags, predicates, strict=True):
            flag[rows] = predicate(small)
        return len(rows)

    parts = np.split(distinct, range(_BLOCK, len(distinct), _BLOCK))
    with progress.bar("look at pictures", len(distinct)) as advance:
        for done in engine.map_threads(evaluate, parts, workers=workers):
            advance(done)
    return [flag[squares] for flag in flags]


def is_flat(small: Images) -> Flags:
    """Tell which pictures, uint8 (n, 32, 32, 3), have a single colour: bool (n,)."""
    colours = small.reshape(len(small), -1, 3)
    flat: Flags = (colours == colours[:, :1]).all(axis=(1, 2))
    return flat


def find_classes(
    images: ImageSet, codes: Codes | None, *, is_detailed: Predicate | None = None, workers: int
) -> Classes:
    """Find the classes of equal pictures. This needs about a hundred bytes of memory per picture.

    Args:
        codes: uint8 (n, 16); None if codes are not compared.
        is_detailed: tells which pictures have enough detail to be searched; None if there is no search. Then the class
            `squares` of each picture is that of its pixels.
        workers: threads.
    """
    digests = digest_ids(images.stored_digests())
    flat, *detailed = apply_predicates(
        images, digests, is_flat, *([is_detailed] if is_detailed else []), workers=workers
    )
    exact_only = np.full(len(images), SEARCHED, np.int8)
    if detailed:
        exact_only[~detailed[0]] = NO_DETAIL
        frames = np.asarray(images.index.column("frames").fill_null(1))
        exact_only[frames > 1] = SEVERAL_FRAMES
    exact_only[flat] = FLAT
    same_bytes = _byte_classes(images)
    pixels = _pixel_classes(images, same_bytes)
    squares = pixels
    if detailed:
        searched = exact_only == SEARCHED
        overviews = np.where(searched, _overview_ids(images), -1)
        squares = class_ids(np.stack([np.where(searched, digests, -1 - pixels), overviews], axis=1))
    classes = Classes(same_bytes, pixels, squares, None, exact_only)
    return classes if codes is None else with_codes(classes, codes)


def with_codes(classes: Classes, codes: Codes) -> Classes:
    """The classes with those of equal codes, uint8 (n, 16)."""
    return replace(classes, codes=_code_classes(codes, classes.exact_only == FLAT))


def _byte_classes(images: ImageSet) -> Rows:
    """Ids of pictures with equal source bytes and equal boxes."""
    contents = images.index.column("sha256").combine_chunks().dictionary_encode().indices
    boxes = images.index.column("box").combine_chunks()
    values = np.full((len(images), 5), -1, np.int64)  # -1 if the picture has no box
    values[:, 0] = np.asarray(contents)
    values[np.asarray(boxes.is_valid()), 1:] = np.asarray(boxes.flatten()).reshape(-1, 4)
    return class_ids(values)


def _pixel_classes(images: ImageSet, same_bytes: Rows) -> Rows:
    """Ids of pictures with equal digests of their decoded sources; ids of equal bytes if there is no digest."""
    column = images.index.column("source_digest").combine_chunks()
    known = np.flatnonzero(np.asarray(column.is_valid()))
    values = np.stack([same_bytes, np.zeros_like(same_bytes), np.zeros_like(same_bytes)], axis=1)
    values[known, 0] = -1
    values[known, 1:] = np.frombuffer(b"".join(column.drop_null().to_pylist()), np.int64).reshape(-1, 2)
    return class_ids(values)


def _overview_ids(images: ImageSet) -> Rows:
    """Ids of equal overviews; -1 for pictures without one."""
    column = images.index.column("overview").combine_chunks().dictionary_encode()
    return np.asarray(column.indices.fill_null(-1), np.int64)


def _code_classes(codes: Codes, flat: Flags) -> Rows:
    """Ids of equal codes. A picture of a single colour, or with a code without set bits, has an id of its own."""
    ids = np.arange(len(codes))
    informative = np.flatnonzero(~flat & codes.any(axis=1))
    ids[informative] = informative[digest_ids(codes[informative])]
    return ids
