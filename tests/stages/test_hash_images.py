"""`hash-images` as a process: the same bytes whatever the machine is told to do."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pipeline.dedup.encoder.codes import BITS, Encoder, save_encoder
from pipeline.dedup.encoder.encoder_input import INPUTS

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def options(tmp_path: Path, make_imageset: Callable[..., Path]) -> list[object]:
    """A small set and a random encoder."""
    rng = np.random.default_rng(1)
    (tmp_path / "encoder").mkdir()
    encoder = Encoder(rng.integers(-127, 128, (BITS, INPUTS)).astype(np.int8), np.zeros(BITS, np.int32))
    save_encoder(tmp_path / "encoder" / "encoder.safetensors", encoder)
    images = make_imageset(rng.integers(0, 256, (200, 48, 48, 3)).astype(np.uint8))
    return ["--images", images, "--encoder", tmp_path / "encoder"]


def test_the_same_bytes_on_any_kernel(tmp_path: Path, options: list[object], run_stage: Run) -> None:
    """One thread and an older instruction set change nothing; the summary says what is next."""
    plain = run_stage("hash_images", *options, "--to", tmp_path / "plain")
    assert plain.returncode == 0, plain.stderr
    assert "200 pictures hashed; " in plain.stderr and "find-pairs" in plain.stderr
    other = {"OPENBLAS_CORETYPE": "Haswell", "ATEN_CPU_CAPABILITY": "avx2", "OMP_NUM_THREADS": "1"}
    assert run_stage("hash_images", *options, "--to", tmp_path / "other", "-q", "-j", 1, env=other).stderr == ""
    for name in ("codes.npy", "codes.json"):
        assert (tmp_path / "plain" / name).read_bytes() == (tmp_path / "other" / name).read_bytes()


def test_without_an_encoder_it_says_who_makes_one(tmp_path: Path, options: list[object], run_stage: Run) -> None:
    """One line, exit status 1, nothing written."""
    (tmp_path / "encoder" / "encoder.safetensors").unlink()
    failed = run_stage("hash_images", *options, "--to", tmp_path / "to")
    assert failed.returncode == 1 and failed.stderr.count("\n") == 1
    assert "no such file; run train-autoencoder first" in failed.stderr
    assert not (tmp_path / "to").exists()
