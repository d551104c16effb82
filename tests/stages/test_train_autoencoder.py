"""`train-autoencoder` as a process: killed anywhere, it ends in the same bytes."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.killing import running, step_of

EVERY = 5
STEPS = 300 // 16 * 20
SECTION = f"""\
dedup:
  drawn:
    autoencoder: {{input: pixels, bits: active, epochs: 20, batch_size: 16, learning_rate: 3.0e-4,
                  weight_std: 0.002, corruption: 0.2, dropout: 0.5, threads: 1, checkpoint_every: {EVERY}}}
"""


@pytest.fixture
def options(tmp_path: Path, make_imageset: Callable[..., Path]) -> list[object]:
    """The options of a run of some hundred steps, but for `--to`."""
    (tmp_path / "profile.yaml").write_text(SECTION)
    images = make_imageset(np.random.default_rng(0).integers(0, 256, (300, 32, 32, 3)).astype(np.uint8))
    return ["--set", "drawn", "--params", tmp_path / "profile.yaml", "--images", images, "--seed", 7]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.long
def test_killed_and_run_again_it_gives_the_same_bytes(
    tmp_path: Path, options: list[object], run_stage: Callable[..., "subprocess.CompletedProcess[str]"]
) -> None:
    """kill -9 in the middle, twice; at most the steps since the last checkpoint are done again."""
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    assert run_stage("train_autoencoder", *options, "--to", whole).returncode == 0
    checkpoint = tmp_path / ".broken.partial" / "scratch" / "checkpoint.safetensors"
    command = [sys.executable, "-m", "stages.train_autoencoder", *map(str, options), "--to", str(broken)]
    for least in (20, 100):
        with running(command, lambda: step_of(checkpoint) >= least):  # noqa: B023
            pass
        assert not broken.exists()
        done = step_of(checkpoint)
        assert least <= done < STEPS
    last = run_stage("train_autoencoder", *options, "--to", broken)
    assert last.returncode == 0, last.stderr
    resumed = re.search(r"resumed at step (\d+) of (\d+)", last.stderr)
    assert resumed is not None and (int(resumed[1]), int(resumed[2])) == (done, STEPS)
    assert done % EVERY == 0 or done % (300 // 16) == 0, "a checkpoint stands at neither of its places"
    assert contents(broken) == contents(whole)
    assert not checkpoint.parent.exists()


def test_a_summary_and_the_next_step(
    tmp_path: Path, options: list[object], run_stage: Callable[..., "subprocess.CompletedProcess[str]"]
) -> None:
    """One line for a person, on stderr; a wrong key is one line too."""
    profile = tmp_path / "profile.yaml"
    profile.write_text(SECTION.replace("epochs: 20", "epochs: 1"))
    done = run_stage("train_autoencoder", *options, "--to", tmp_path / "to", "--json")
    assert done.returncode == 0 and '"steps": 18' in done.stdout
    assert "18 steps on 300 pictures; loss" in done.stderr and "hash-images" in done.stderr
    profile.write_text(SECTION.replace("dropout", "drop_out"))
    failed = run_stage("train_autoencoder", *options, "--to", tmp_path / "no")
    assert failed.returncode == 1 and not (tmp_path / "no").exists()
    assert re.fullmatch(r"error: .*profile\.yaml: dedup\.drawn\.autoencoder\.\w+: .*\n", failed.stderr)
