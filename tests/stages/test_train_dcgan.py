"""`train-dcgan` as a process: killed in the middle it goes on from its checkpoint to the same bytes."""

import hashlib
import json
import os
import random
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.killing import ROOT, TooLate, running, step_of

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


@pytest.mark.long
def test_killed_at_random_moments(
    options: list[object], run_stage: Run, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    """kill -9 again and again, each second time while a checkpoint is being written: every byte as if undisturbed."""
    profile = tmp_path / "profile.yaml"
    profile.write_text(PROFILE.replace("on_divergence: stop", "on_divergence: rewind").replace("ema: 0.0", "ema: 0.9"))
    whole = run_stage("train_dcgan", *options, "--to", tmp_path / "whole")
    assert whole.returncode == 0, whole.stderr
    rest = ["--checkpoint-minutes", 0, "--to", tmp_path / "parts"]
    command = [sys.executable, "-m", "stages.train_dcgan", *options, *rest]
    scratch = tmp_path / ".parts.partial" / "scratch"
    kills, done = min(pytestconfig.getoption("--kills"), 30), 0
    for target in sorted(random.Random(5).sample(range(1, 60), kills)):

        def reached(target: int = target, writing: bool = done % 2 == 0) -> bool:
            if step_of(scratch / "checkpoint.safetensors") < target:
                return False
            return not writing or any(scratch.glob(".*.tmp"))

        try:
            with running(command, reached):
                done += 1
        except TooLate:
            break
    assert done >= kills // 2
    last = run_stage("train_dcgan", *options, *rest)
    assert last.returncode == 0, last.stderr
    assert tree(tmp_path / "parts") == tree(tmp_path / "whole")


@pytest.mark.long
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_writes_a_checkpoint(
    options: list[object], run_stage: Run, tmp_path: Path, number: signal.Signals
) -> None:
    """One line says that the same command goes on; it does, from the last step, to the same bytes."""
    (tmp_path / "profile.yaml").write_text(PROFILE.replace("checkpoint_every: 3", "checkpoint_every: 1000"))
    whole = run_stage("train_dcgan", *options, "--to", tmp_path / "whole")
    assert whole.returncode == 0, whole.stderr
    rest = [*options, "--to", tmp_path / "parts"]
    process = subprocess.Popen(
        [sys.executable, "-m", "stages.train_dcgan", *map(str, rest)], cwd=ROOT, stderr=subprocess.PIPE, text=True
    )
    grid = tmp_path / ".parts.partial" / "scratch" / "samples" / "epoch-001.png"
    while not grid.exists():
        assert process.poll() is None
    os.kill(process.pid, number)
    _, said = process.communicate(timeout=300)
    assert process.returncode == 130
    stopped = re.search(
        r"train-dcgan: stopped after step (\d+) of 64; finished work is kept; run the command again to continue", said
    )
    assert stopped and step_of(tmp_path / ".parts.partial/scratch/checkpoint.safetensors") == int(stopped[1])
    done = run_stage("train_dcgan", *rest)
    assert done.returncode == 0 and f"resumed at step {stopped[1]} of 64" in done.stderr
    assert tree(tmp_path / "parts") == tree(tmp_path / "whole")


def test_a_dry_run_writes_nothing(make_imageset: Callable[..., Path], call_stage: Run, tmp_path: Path) -> None:
    """Options, parameters, memory and time, from the defaults of a preset, for all pictures of a set."""
    images = make_imageset(np.random.default_rng(3).integers(0, 256, (20, 32, 32, 3), dtype=np.uint8))
    before = tree(tmp_path)
    options = ["--images", images, "--preset", "imagenet32", "--base-width", 2, "--batch-size", 4, "--device", "cpu"]
    done = call_stage("train_dcgan", *options, "--dry-run")
    assert done.returncode == 0, done.stderr
    for line in ("base_width: 2", "learning_rate: 0.0002", "runtime.device: cpu", "pictures: 20"):
        assert line in done.stdout.splitlines()
    assert re.search(r"parameters: generator 34,.*, discriminator 1,", done.stdout)
    assert re.search(r"time: [\d.]+ s per step, 125 steps, [\d.]+ minutes in all", done.stdout)
    found = json.loads(call_stage("train_dcgan", *options, "--dry-run", "--json").stdout)
    assert found["steps"] == 125 and found["peak_bytes"] > found["state_bytes"] > 0
    assert tree(tmp_path) == before


def test_what_is_missing_is_one_line(make_imageset: Callable[..., Path], call_stage: Run, tmp_path: Path) -> None:
    """Neither set nor preset, a misspelt preset, no folder for the result, no package for TensorBoard."""
    images = make_imageset(np.zeros((4, 32, 32, 3), np.uint8))
    to = ["--to", tmp_path / "model"]
    cases = [
        (to, "--set or --preset: one is needed; presets are paper64, "),
        (["--preset", "imagnet32", *to], "--preset imagnet32: unknown, .*; did you mean imagenet32"),
        (["--preset", "imagenet32"], "--to: missing"),
        (["--preset", "imagenet32", "--base-width", 0, *to], "options.base_width: 0: "),
    ]
    for given, message in cases:
        done = call_stage("train_dcgan", "--images", images, *given)
        assert done.returncode == 1 and re.match(rf"error: {message}", done.stderr), done.stderr
        assert done.stderr.count("\n") == 1 and not (tmp_path / "model").exists()


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
