"""Pictures with equal bytes, pixels or codes are found in one pass, with at most the given number of threads."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.dedup.index import exact_match
from pipeline.dedup.index.exact_match import apply_predicates, find_classes, is_flat
from pipeline.dedup.pairs.classes_table import digest_ids
from pipeline.imageset.format.image_set import Images, ImageSet, Rows

Make = Callable[..., Path]


def first_equal(values: list[Any]) -> list[int]:
    """For each value, the first position of an equal value, by comparing all pairs."""
    return [values.index(value) for value in values]


@pytest.fixture
def mixed(make_set: Make, blobs: Callable[[int], Images]) -> ImageSet:
    """Forty pictures, many of which are equal in bytes, pixels or codes, and two of a single colour."""
    rng = np.random.default_rng(1)
    images = blobs(9)[rng.integers(0, 8, 40)]
    images[[5, 20]] = 77
    images[6, 0, 0, 0] ^= 1
    sources = [f"source {n}" for n in rng.integers(0, 12, 40).tolist()]
    boxes = [None if n % 3 else (0, 0, 8 + n % 2, 9) for n in rng.integers(0, 6, 40).tolist()]
    return ImageSet(make_set(images, sources=sources, boxes=boxes))


def test_classes_equal_those_of_comparing_all_pairs(mixed: ImageSet) -> None:
    """Ids are the first equal row, as in comparing all pairs; uninformative codes are equal to no other."""
    codes = np.random.default_rng(2).integers(0, 3, (40, 1)).astype(np.uint8).repeat(16, axis=1)
    pixels = digest_ids(mixed.stored_digests())
    (flat,) = apply_predicates(mixed, pixels, is_flat, workers=1)
    assert np.flatnonzero(flat).tolist() == [5, 20]
    classes = find_classes(mixed, pixels, flat, codes)
    images = mixed.read(np.arange(40))
    index = mixed.index.select(["sha256", "box"]).to_pylist()
    assert classes.pixels.tolist() == first_equal([image.tobytes() for image in images])
    assert classes.bytes.tolist() == first_equal([(row["sha256"], row["box"]) for row in index])
    informative_ids = [code.tobytes() if code.any() and not flat[row] else row for row, code in enumerate(codes)]
    assert classes.codes is not None and classes.codes.tolist() == first_equal(informative_ids)
    assert find_classes(mixed, pixels, flat, None).codes is None


def test_one_picture_of_each_class_is_read(mixed: ImageSet, monkeypatch: pytest.MonkeyPatch) -> None:
    """One pass reads one picture of each pixel class, for any number of predicates."""
    read: list[int] = []
    real = ImageSet.read

    def spy(self: ImageSet, rows: Rows) -> Images:
        read.extend(rows.tolist())
        return real(self, rows)

    monkeypatch.setattr(ImageSet, "read", spy)
    pixels = digest_ids(mixed.stored_digests())
    assert read == [], "digests come from the index"
    flat, bright = apply_predicates(mixed, pixels, is_flat, lambda small: small.mean(axis=(1, 2, 3)) > 128, workers=1)
    assert read == sorted(set(pixels.tolist()))
    monkeypatch.undo()
    small = mixed.read(np.arange(40))[:, ::2, ::2]
    assert flat.tolist() == (small == small[:, :1, :1]).all(axis=(1, 2, 3)).tolist()
    assert bright[pixels].tolist() == bright.tolist()


@pytest.mark.parametrize("workers", [1, 3])
def test_no_more_threads_than_workers(mixed: ImageSet, workers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """`-j 1` uses only the calling thread."""
    monkeypatch.setattr(exact_match, "_BLOCK", 1)
    threads: set[int] = set()

    def note(small: Images) -> Any:
        threads.add(threading.get_ident())
        return is_flat(small)

    (flat,) = apply_predicates(mixed, np.arange(40), note, workers=workers)
    assert flat.sum() == 2 and len(threads) <= workers
    assert workers > 1 or threads == {threading.get_ident()}
