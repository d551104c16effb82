"""`train-dcgan` as a process: killed in the middle it goes on from its checkpoint to the same bytes."""

import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.killing import running, step_of

Run = Callable[..., "subprocess.CompletedProcess[str]"]

NO_GPU = {"CUDA_VISIBLE_DEVICES": ""}

PROFILE = """
dcgan:
  drawn:
    training:
      preset: imagenet32
      base_width: 4
      epochs: 4
      batch_size: 16
      learning_rate: 2.0e-4
      beta1: 0.5
      beta2: 0.999
      weight_decay: 1.0e-5
      schedule: paired
      share_fakes: false
      ema: 0.0
      sync_batch_norm: true
      checkpoint_every: 3
      on_divergence: stop
      grid: 4
      runtime:
        device: cpu
        precision: float32
        memory_format: channels_last
        compile: false
        cuda_graphs: false
        determinism: strict
        threads: 1
"""


@pytest.fixture
def options(make_imageset: Callable[..., Path], tmp_path: Path) -> list[object]:
    """The options of a training of 64 steps on 256 pictures, but for `--to`."""
    images = np.random.default_rng(3).integers(0, 256, (256, 32, 32, 3), dtype=np.uint8)
    np.save(tmp_path / "kept.npy", np.arange(256))
    (tmp_path / "profile.yaml").write_text(PROFILE)
    return [
        *("--set", "drawn", "--params", tmp_path / "profile.yaml", "--images", make_imageset(images)),
        *("--kept", tmp_path / "kept.npy", "--seed", 1),
    ]


def tree(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.mark.long
def test_killed_in_the_middle(options: list[object], run_stage: Run, tmp_path: Path) -> None:
    """kill -9, then the same command: resumed at the last checkpoint, and every output byte as if undisturbed."""
    whole = run_stage("train_dcgan", *options, "--to", tmp_path / "whole", "--json")
    assert whole.returncode == 0, whole.stderr
    assert "64 steps on 256 pictures in 4 epochs" in whole.stderr and "next: dcgan sample" in whole.stderr
    assert json.loads(whole.stdout) == json.loads((tmp_path / "whole" / "model.json").read_text())
    command = [sys.executable, "-m", "stages.train_dcgan", *map(str, options), "--to", str(tmp_path / "parts")]
    checkpoint = tmp_path / ".parts.partial" / "scratch" / "checkpoint.safetensors"
    with running(command, lambda: step_of(checkpoint) >= 10):
        pass
    assert not (tmp_path / "parts").exists()
    saved = step_of(checkpoint)
    rest = run_stage("train_dcgan", *options, "--to", tmp_path / "parts")
    assert rest.returncode == 0, rest.stderr
    resumed = re.search(r"resumed at step (\d+) of 64", rest.stderr)
    assert resumed and int(resumed[1]) == saved >= 10
    assert tree(tmp_path / "parts") == tree(tmp_path / "whole")
    assert not checkpoint.parent.parent.exists()


def test_wrong_input_is_one_line(options: list[object], run_stage: Run, tmp_path: Path) -> None:
    """A kept.npy of another image set: exit 1, one line, no traceback, nothing written."""
    np.save(tmp_path / "kept.npy", np.arange(257))
    done = run_stage("train_dcgan", *options, "--to", tmp_path / "model")
    assert done.returncode == 1
    assert re.fullmatch(r"error: --kept \S+: rows 0 to 256, but --images has 256 pictures; [^\n]*\n", done.stderr)
    assert not (tmp_path / "model").exists()


def test_a_device_that_is_not_there_is_one_line(options: list[object], run_stage: Run, tmp_path: Path) -> None:
    """`--device cuda` where torch sees none: what was asked, and what to do; nothing is trained on the CPU instead."""
    done = run_stage("train_dcgan", *options, "--to", tmp_path / "model", "--device", "cuda", env=NO_GPU)
    assert done.returncode == 1 and not (tmp_path / "model").exists()
    assert re.fullmatch(
        r"error: --device cuda: torch \S+ sees no CUDA device; use --device cpu, or [^\n]*\n", done.stderr
    )
