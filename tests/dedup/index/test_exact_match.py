"""Pictures with equal bytes, pixels or codes are found in one pass, with at most the given number of threads."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.dedup.index import exact_match
from pipeline.dedup.index.exact_match import apply_predicates, find_classes, is_flat
from pipeline.dedup.pairs.classes_table import EXACT_ONLY, FLAT, NO_DETAIL, digest_ids
from pipeline.imageset.format import image_set
from pipeline.imageset.format.image_set import Images, ImageSet, Picture, Rows

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
    classes = find_classes(mixed, codes, workers=1)
    flat = classes.exact_only == FLAT
    assert np.flatnonzero(flat).tolist() == [5, 20]
    images = mixed.read(np.arange(40))
    index = mixed.index.select(["sha256", "box"]).to_pylist()
    assert classes.pixels.tolist() == first_equal([image.tobytes() for image in images])
    assert classes.bytes.tolist() == first_equal([(row["sha256"], row["box"]) for row in index])
    informative_ids = [code.tobytes() if code.any() and not flat[row] else row for row, code in enumerate(codes)]
    assert classes.codes is not None and classes.codes.tolist() == first_equal(informative_ids)
    assert find_classes(mixed, None, workers=1).codes is None
    assert classes.squares.tolist() == classes.pixels.tolist(), "without a search, squares are not compared"


def test_equal_squares_are_a_class_only_if_they_identify_a_picture(
    tmp_path: Path, blobs: Callable[[int], Images]
) -> None:
    """Equal squares of different sources are one class, except flat pictures, animations and long pictures.

    Rows: two ordinary pictures; two flat ones; two animations, of which the second has a third as its equal; three long
    ones, two of which have equal overviews.
    """
    wide = [bytes([n]) * 3072 for n in (1, 2, 1)]
    kinds = [*[{}] * 4, *[{"frames": 3}] * 3, *[{"overview": overview} for overview in wide]]
    images = blobs(3)[[0, 0, 1, 1, 1, 1, 1, 2, 2, 2]]
    images[2:4] = 9
    pictures = [Picture(f"k{n}", 9, 9, 9, f"{n:064x}", **kind) for n, kind in enumerate(kinds)]
    (tmp_path / "set").mkdir()
    image_set.write_chunk(tmp_path, 0, images, pictures, [], sources=10)
    whole = {4: b"A" * 16, 5: b"B" * 16, 6: b"B" * 16}
    image_set.join_chunks(tmp_path, 1, tmp_path / "set", side=64, max_bad=0.0, source_digests=whole)
    read = ImageSet(tmp_path / "set")
    classes = find_classes(read, None, is_detailed=lambda small: np.ones(len(small), bool), workers=1)
    assert classes.pixels.tolist() == [0, 1, 2, 3, 4, 5, 5, 7, 8, 9]
    assert classes.squares.tolist() == [0, 0, 2, 3, 4, 5, 5, 7, 8, 7]
    reasons = [EXACT_ONLY[code] for code in classes.exact_only]
    assert reasons == ["", "", *["single_colour"] * 2, *["several_frames"] * 3, "", "", ""]
    bare = find_classes(read, None, is_detailed=lambda small: np.zeros(len(small), bool), workers=1)
    assert bare.squares.tolist() == classes.pixels.tolist() and bare.count(NO_DETAIL) == 5


def test_one_picture_of_each_class_is_read(mixed: ImageSet, monkeypatch: pytest.MonkeyPatch) -> None:
    """One pass reads one picture of each pixel class, for any number of predicates."""
    read: list[int] = []
    real = ImageSet.read

    def spy(self: ImageSet, rows: Rows) -> Images:
        read.extend(rows.tolist())
        return real(self, rows)

    monkeypatch.setattr(ImageSet, "read", spy)
    squares = digest_ids(mixed.stored_digests())
    assert read == [], "digests come from the index"
    flat, bright = apply_predicates(mixed, squares, is_flat, lambda small: small.mean(axis=(1, 2, 3)) > 128, workers=1)
    assert read == sorted(set(squares.tolist()))
    monkeypatch.undo()
    small = mixed.read(np.arange(40))[:, ::2, ::2]
    assert flat.tolist() == (small == small[:, :1, :1]).all(axis=(1, 2, 3)).tolist()
    assert bright[squares].tolist() == bright.tolist()


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
