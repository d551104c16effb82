"""The detectors that the benchmarks compare with give the results of their packages."""

import importlib
import sys
from pathlib import Path
from types import ModuleType

import imagehash
import numpy as np
import pytest
import scipy.fftpack
from PIL import Image

from pipeline.dedup.recall.transforms import apply


@pytest.fixture(scope="module")
def baselines() -> ModuleType:
    """The module benchmarks/dedup_baselines.py."""
    folder = str(Path(__file__).parents[1] / "benchmarks")
    sys.path.insert(0, folder)
    try:
        return importlib.import_module("dedup_baselines")
    finally:
        sys.path.remove(folder)


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:
    """Smooth pictures and pure noise, uint8 (400, 32, 32, 3)."""
    rng = np.random.default_rng(8)
    smooth = [
        np.asarray(
            Image.fromarray(rng.integers(0, 256, (cells, cells, 3), dtype=np.uint8)).resize(
                (32, 32), Image.Resampling.BICUBIC
            )
        )
        for cells in (3, 4, 6, 9, 13)
        for _ in range(60)
    ]
    return np.concatenate([np.stack(smooth), rng.integers(0, 256, (100, 32, 32, 3), dtype=np.uint8)])


def as_bits(hashes: np.ndarray) -> np.ndarray:
    return np.unpackbits(hashes.view(np.uint8), axis=1).astype(bool)


def imagededup(image: Image.Image) -> np.ndarray:
    """Compute PHash of one picture as the source of imagededup 0.3.3 does."""
    pixels = np.array(image.resize((32, 32), Image.Resampling.LANCZOS).convert("L"))
    low = scipy.fftpack.dct(scipy.fftpack.dct(pixels, axis=0), axis=1)[:8, :8]
    return low >= np.median(low.flatten()[1:])


@pytest.mark.parametrize("name", ["phash", "phash16", "dhash", "phash_imagededup", "pdq"])
def test_batches_get_the_hashes_of_the_packages(baselines: ModuleType, pictures: np.ndarray, name: str) -> None:
    """Hashing a batch gives the same bits as the package gives for single pictures."""
    if name == "pdq":
        pdqhash = pytest.importorskip("pdqhash")
        expected = np.stack([pdqhash.compute(picture)[0] for picture in pictures]).astype(bool)
    else:
        one = {
            "phash": lambda image: imagehash.phash(image).hash,
            "phash16": lambda image: imagehash.phash(image, hash_size=16).hash,
            "dhash": lambda image: imagehash.dhash(image).hash,
            "phash_imagededup": imagededup,
        }[name]
        expected = np.stack([one(Image.fromarray(picture)).ravel() for picture in pictures])
    assert np.array_equal(as_bits(getattr(baselines, name)(pictures)), expected)


def test_pairs_equal_those_of_a_plain_double_loop(baselines: ModuleType, pictures: np.ndarray) -> None:
    """The pairs of every detector, also across blocks, and the counts by distance equal those of a double loop."""
    tiled = np.concatenate([pictures[:120], pictures[60:180]])
    for detector in baselines.detectors():
        bits, pixels = as_bits(detector.hashes(tiled)), baselines.standardised(tiled)
        distance = (bits[:, None] != bits).sum(axis=2)
        near = distance <= detector.most
        if detector.least is not None:
            near &= np.corrcoef(pixels) >= detector.least
        later = np.triu(np.ones_like(near), 1)
        expected = np.argwhere(near & later)
        assert len(expected) >= 60
        assert np.array_equal(np.concatenate(list(detector.pairs(tiled))), expected)
        assert detector.false_pairs(tiled) == len(expected)
        counts = baselines.distance_counts(detector.hashes(tiled))
        assert np.array_equal(counts, np.bincount(distance[later], minlength=bits.shape[1] + 1))


def test_copies_are_found_and_unrelated_pictures_are_not(baselines: ModuleType, pictures: np.ndarray) -> None:
    """A picture always matches itself, often its copy of high JPEG quality, and hardly ever another picture."""
    originals = pictures[180:300]  # those with detail, as photographs have it
    copies = np.stack([apply("jpeg80", image, np.random.default_rng(0)) for image in originals])
    for detector in baselines.detectors():
        assert detector.found(originals, originals).all()
        assert detector.found(originals, copies).mean() > 0.3
        assert detector.found(originals, originals[::-1]).mean() < 0.02


def test_a_picture_without_contrast_correlates_with_nothing(baselines: ModuleType, pictures: np.ndarray) -> None:
    """The correlation with a constant picture is exactly 0, not the result of rounding errors."""
    even = np.full((2, 32, 32, 3), 77, np.uint8)
    assert not baselines.standardised(even).any()
    correlating = next(detector for detector in baselines.detectors() if detector.least is not None)
    assert not correlating.found(even, even).any()


def test_the_threshold_for_a_share_of_false_pairs(baselines: ModuleType) -> None:
    """The largest distance within the given share of false pairs is chosen."""
    counts = np.array([0, 1, 9, 90, 900])
    assert [baselines.most_within(counts, share) for share in (0.0, 0.001, 0.0099, 0.01, 0.2, 1.0)] == [
        0,
        1,
        1,
        2,
        3,
        4,
    ]
    assert baselines.most_within(np.array([5, 5]), 0.1) == -1
