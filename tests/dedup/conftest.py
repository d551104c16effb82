"""Shared fixtures: small generated sets, and an encoder that needs no training."""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from pipeline.dedup.encoder.codes import BITS, Encoder, hash_images, save_encoder
from pipeline.dedup.encoder.encoder_input import INPUTS
from pipeline.dedup.search.find_pairs import find_pairs
from pipeline.dedup.search.pair_search import PairSearchConfig
from pipeline.imageset.format import image_set
from pipeline.imageset.format.image_set import Images
from tests.dedup.detectors import EXACT


@pytest.fixture
def encoder() -> Encoder:
    """Random weights whose sum is about zero, so that about half of the bits are set for any picture."""
    rng = np.random.default_rng(5)
    weight = rng.integers(-127, 128, (BITS, INPUTS)).astype(np.int8)
    return Encoder(weight, (weight.sum(axis=1, dtype=np.int64) * 128).astype(np.int32))


@pytest.fixture
def blobs() -> Callable[[int], Images]:
    """A function that makes n smooth, different pictures, uint8 (n, 64, 64, 3)."""

    def make(count: int, seed: int = 0) -> Images:
        coarse = np.random.default_rng(seed).integers(0, 256, (count, 8, 8, 3)).astype(np.uint8)
        return coarse.repeat(8, axis=1).repeat(8, axis=2)

    return make


@pytest.fixture
def make_set(tmp_path: Path) -> Callable[..., Path]:
    """A function that writes an image set with given keys, source bytes and boxes, whose sources are its squares."""

    def make(
        images: Images,
        name: str = "set",
        sources: Sequence[str] | None = None,
        boxes: Sequence[tuple[int, int, int, int] | None] | None = None,
        keys: Sequence[str] | None = None,
    ) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        count = len(images)
        pictures = [
            image_set.Picture(
                keys[n] if keys else f"k{n:03d}",
                640,
                480,
                1000 + n,
                hashlib.sha256((sources[n] if sources else f"source {n}").encode()).hexdigest(),
                boxes[n] if boxes else None,
            )
            for n in range(count)
        ]
        image_set.write_chunk(tmp_path / f"{name}-chunks", 0, images, pictures, [], sources=count)
        whole = {row: bytes(digest) for row, digest in enumerate(image_set.pixel_digests(images))}
        image_set.join_chunks(
            tmp_path / f"{name}-chunks", 1, folder, side=images.shape[1], max_bad=0.0, source_digests=whole
        )
        return folder

    return make


@pytest.fixture
def hashed(tmp_path: Path, encoder: Encoder) -> Callable[[Path], Path]:
    """A function that hashes an image set and returns the folder of the codes."""

    def make(images: Path) -> Path:
        folder = tmp_path / "encoder"
        folder.mkdir(exist_ok=True)
        save_encoder(folder / "encoder.safetensors", encoder)
        hash_images(images, folder, tmp_path / f"{images.name}-codes")
        return tmp_path / f"{images.name}-codes"

    return make


@pytest.fixture
def paired(tmp_path: Path, hashed: Callable[[Path], Path]) -> Callable[..., Path]:
    """A function that hashes an image set, searches for pairs (by default in mode exact) and returns their folder."""

    def make(images: Path, parameters: PairSearchConfig = EXACT) -> Path:
        to = tmp_path / f"{images.name}-pairs"
        find_pairs(images, hashed(images), tmp_path / "encoder", parameters, workers=1, to=to)
        return to

    return make
