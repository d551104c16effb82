"""Training in two processes of torchrun gives what one process gives, and only the first process writes and prints."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.training import checkpoint
from tests.conftest import ROOT, folder_bytes

TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]


def run(*command: object) -> "subprocess.CompletedProcess[str]":
    """A module of the project in processes, on the CPU."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        list(map(str, command)), cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600, check=False
    )


@pytest.mark.long
@pytest.mark.parametrize("statistics", ["whole", "shares"])
def test_two_processes_train_like_one(drawn: tuple[Path, Path], tmp_path: Path, statistics: str) -> None:
    """After 50 steps in float64, weights, statistics, Adam's moments and losses agree to 1e-4."""
    module = "tests.models.dcgan.train_in_processes"
    for name, start in (("one", [sys.executable]), ("two", TORCHRUN)):
        done = run(*start, "-m", module, drawn[0], 50, statistics, tmp_path / f"{name}.safetensors")
        assert done.returncode == 0, done.stderr
    (one, _), (two, _) = (checkpoint.load(tmp_path / f"{name}.safetensors") for name in ("one", "two"))
    assert one.keys() == two.keys()
    for name, value in one.items():
        torch.testing.assert_close(two[name], value, rtol=1e-4, atol=1e-4)


@pytest.mark.long
def test_the_command_in_two_processes(make_imageset: Callable[..., Path], tmp_path: Path) -> None:
    """One model, one summary, the same bytes again; a batch that does not divide is one line, said once."""
    images = make_imageset(np.random.default_rng(3).integers(0, 256, (64, 32, 32, 3), dtype=np.uint8))
    options = ["--images", images, "--preset", "imagenet32", "--base-width", 2, "--epochs", 2, "--device", "cpu"]
    for to in ("one", "two"):
        done = run(*TORCHRUN, "-m", "stages", "train-dcgan", *options, "--batch-size", 16, "--to", tmp_path / to)
        assert done.returncode == 0, done.stderr
        assert len(re.findall(r"8 steps on 64 pictures in 2 epochs", done.stderr)) == 1
        assert len(re.findall("pictures/s", done.stderr)) == 1
    assert folder_bytes(tmp_path / "one") == folder_bytes(tmp_path / "two")
    assert '"processes": 2' in (tmp_path / "one/model.json").read_text()
    done = run(*TORCHRUN, "-m", "stages", "train-dcgan", *options, "--batch-size", 15, "--to", tmp_path / "three")
    assert done.returncode != 0 and not (tmp_path / "three").exists()
    assert done.stderr.count("error: batch_size 15 is not a multiple of the 2 processes") == 1
