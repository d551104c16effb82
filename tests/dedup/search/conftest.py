"""A search in a generated set, with an encoder that needs no training."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from pipeline.dedup.encoder.autoencoder import quantise
from pipeline.dedup.encoder.codes import BITS, hash_images, save_encoder
from pipeline.dedup.encoder.encoder_input import INPUTS
from pipeline.dedup.search import find_pairs
from pipeline.dedup.search.pair_search import PairSearchConfig
from pipeline.imageset.format.image_set import Images
from tests.dedup.detectors import NEAR


@pytest.fixture
def find(tmp_path: Path, make_set: Callable[..., Path]) -> Callable[..., Any]:
    """A function that makes and hashes a set and searches for pairs; returns summary and rows."""
    coarse = np.random.default_rng(5).normal(size=(BITS, 3, 8, 8)) * np.array([1, 0.3, 0.3])[:, None, None]
    weight = coarse.repeat(4, axis=2).repeat(4, axis=3).reshape(BITS, INPUTS).astype(np.float32)
    (tmp_path / "encoder").mkdir()
    encoder = quantise(weight, np.zeros(BITS, np.float32), "normalised")
    save_encoder(tmp_path / "encoder" / "encoder.safetensors", encoder)

    def run(images: Images, parameters: PairSearchConfig = NEAR, workers: int = 1, to: str = "pairs") -> Any:
        if not (tmp_path / "set").exists():
            hash_images(make_set(images), tmp_path / "encoder", tmp_path / "codes")
        folders = (tmp_path / "set", tmp_path / "codes", tmp_path / "encoder")
        summary = find_pairs.find_pairs(*folders, parameters, workers=workers, to=tmp_path / to)
        rows = pq.read_table(tmp_path / to / "pairs.parquet")
        return summary, list(zip(rows["left"].to_pylist(), rows["right"].to_pylist(), strict=True))

    return run
