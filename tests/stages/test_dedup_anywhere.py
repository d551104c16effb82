"""Images, codes, pairs and manifest are the same to the byte whoever does the work, and after kill -9 at any moment."""

import io
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.core.workspace import MARK
from pipeline.dedup.recall import transforms
from tests.conftest import ROOT, folder_bytes

Run = Callable[..., "subprocess.CompletedProcess[str]"]
STEPS = ("images", "codes", "pairs", "dedup")
OTHER = {"OPENBLAS_CORETYPE": "Haswell", "ATEN_CPU_CAPABILITY": "default", "OMP_NUM_THREADS": "1", "DCGAN_JOBS": "1"}


def made(result: Path) -> dict[str, dict[str, str]]:
    """Digests of all that the steps of a result wrote."""
    return {step: folder_bytes(result / "steps" / step) for step in STEPS}


@pytest.fixture(scope="module")
def members(scenes: Callable[[int, int], np.ndarray]) -> dict[str, bytes]:
    """Thirty-six scenes as PNG, and half of them again, changed in six ways."""
    pictures = scenes(36, 11)
    rng = np.random.default_rng(0)
    names = ("jpeg50", "crop2", "brighter5", "shift", "border", "quarter")
    pictures = [*pictures, *(transforms.apply(names[n % len(names)], pictures[n], rng) for n in range(18))]
    encoded = {}
    for number, picture in enumerate(pictures):
        buffer = io.BytesIO()
        Image.fromarray(picture).save(buffer, "PNG")
        encoded[f"{number:03d}.png"] = buffer.getvalue()
    return encoded


@pytest.fixture(scope="module")
def undisturbed(
    members: dict[str, bytes], encoder: Path, tmp_path_factory: pytest.TempPathFactory, call_stage: Run
) -> Path:
    """A result to compare with, made of a folder by two workers."""
    here = tmp_path_factory.mktemp("undisturbed")
    (here / "pictures").mkdir()
    for name, data in members.items():
        (here / "pictures" / name).write_bytes(data)
    done = call_stage("dedup", here / "pictures", "--to", here / "out", "--encoder", encoder, "-j", 2)
    assert done.returncode == 0, done.stderr
    return here / "out"


def test_another_machine_and_another_order(
    undisturbed: Path,
    encoder: Path,
    members: dict[str, bytes],
    tmp_path: Path,
    write_tar: Callable[..., Path],
    run_stage: Run,
) -> None:
    """One worker and one thread, other kernels, and a tar in which the pictures stand in another order."""
    order = random.Random(3).sample(sorted(members), len(members))
    archive = write_tar(tmp_path / "shuffled.tar", {name: members[name] for name in order})
    options = ["--encoder", encoder, "--to", tmp_path / "out"]
    done = run_stage("dedup", archive, *options, env=OTHER)
    assert done.returncode == 0, done.stderr
    assert made(tmp_path / "out") == made(undisturbed)
    lines = (undisturbed / "removed.csv").read_text().splitlines()
    assert len(lines) - 1 >= 15  # there was something to disagree on


@pytest.mark.long
def test_killed_at_random_moments(
    undisturbed: Path, encoder: Path, members: dict[str, bytes], tmp_path: Path, run_stage: Run
) -> None:
    """Each of 12 runs goes on where it was killed: nothing half-written, no finished step again, the same bytes."""
    chance = random.Random(7)
    pictures = undisturbed.parent / "pictures"
    options = ["--encoder", str(encoder), "-j", "1"]
    inside = finished = 0
    for trial in range(12):
        to = tmp_path / f"{trial}"
        command = [sys.executable, "-m", "stages.dedup", str(pictures), "--to", str(to), *options]
        process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL, start_new_session=True)
        # When a step has begun, not after a time: a machine may be quick in one run and slow in the next.
        step, later = chance.choice(STEPS), chance.uniform(0, 0.3)
        begun = [to / "steps" / name for name in (step, f".{step}.partial")]
        while process.poll() is None and not any(path.exists() for path in begun):
            time.sleep(0.005)
        time.sleep(later)
        inside += process.poll() is None and (to / "steps").is_dir()
        os.killpg(process.pid, signal.SIGKILL)  # with its children, which would go on writing and hold locks
        process.wait()
        for step in STEPS:  # whatever stands under its final name is whole
            if (to / "steps" / step).is_dir():
                assert folder_bytes(to / "steps" / step) == made(undisturbed)[step], (trial, step)
        record = to / "steps" / ".finished"
        kept = {step: (to / "steps" / step).stat().st_ino for step in STEPS if (record / step).exists()}
        finished += len(kept)
        done = run_stage("dedup", pictures, "--to", to, *options)
        assert done.returncode == 0, done.stderr
        assert made(to) == made(undisturbed), trial
        assert {step: (to / "steps" / step).stat().st_ino for step in kept} == kept, trial
        assert sorted(path.name for path in (to / "steps").glob(".*")) == [".finished", MARK], trial
    # On a busy machine, the kill of a step may come only after the last step.
    assert finished >= 6 and inside >= 3  # a kill before or after the work proves little
