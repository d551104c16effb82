"""`compare-sources` as a process, and `dcgan dedup` with the rule and the patterns of the keep policy."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, scenes: Callable[[int, int], np.ndarray]) -> Path:
    """Thirty pictures; of the first four, a copy that is larger or first by name."""
    to = tmp_path_factory.mktemp("pictures")
    for name in ("camera", "a web"):
        (to / name).mkdir()
    for n, picture in enumerate(scenes(30, 3)):
        whole = Image.fromarray(picture).resize((256, 256), Image.Resampling.BICUBIC)
        noise = np.random.default_rng(n).normal(0, 8, (256, 256, 3))
        whole = Image.fromarray((np.asarray(whole) + noise).clip(0, 255).astype(np.uint8))
        whole.save(to / "camera" / f"{n:02d}.jpg", quality=90)
        if n < 4:
            made = whole.resize((512, 512)) if n == 3 else whole
            made.save(to / "a web" / f"{n:02d}.jpg", quality=92 if n == 3 else 30)
    return to


def kept_of(result: Path) -> set[str]:
    return set((result / "kept.txt").read_text().splitlines())


@pytest.mark.long
def test_the_original_stays_by_default_and_patterns_come_first(
    folder: Path, encoder: Path, tmp_path: Path, call_stage: Run
) -> None:
    """The camera's files stay, though the web's are first by name or larger; with --prefer, those of the web stay."""
    done = call_stage("dedup", folder, "--to", tmp_path / "out", "--encoder", encoder)
    assert done.returncode == 0, done.stderr
    assert kept_of(tmp_path / "out") == {f"camera/{n:02d}.jpg" for n in range(30)}
    steps = tmp_path / "out" / "steps"
    compared = ["--images", steps / "images", "--pairs", steps / "pairs", "--source", folder]
    again = call_stage("compare_sources", *compared, "--to", tmp_path / "again", "-j", 2, "--json")
    assert again.returncode == 0 and "8 pictures in 4 groups compared" in again.stderr, again.stderr
    assert json.loads(again.stdout) == json.loads((steps / "originals" / "originals.json").read_text())
    for name in ("originals.parquet", "preferences.parquet"):
        assert (tmp_path / "again" / name).read_bytes() == (steps / "originals" / name).read_bytes()
    preferred = ["--prefer", "*/02.jpg", "--prefer", "a web/*", "--encoder", encoder]
    done = call_stage("dedup", folder, "--to", tmp_path / "web", *preferred)
    assert done.returncode == 0, done.stderr
    web = {f"a web/{n:02d}.jpg" for n in (0, 1, 3)}
    assert kept_of(tmp_path / "web") == web | {"camera/02.jpg"} | {f"camera/{n:02d}.jpg" for n in range(4, 30)}
    failed = call_stage("dedup", folder, "--to", tmp_path / "web", "--append", "--encoder", encoder)
    assert failed.returncode == 1 and "prefer is [], but the earlier result was made with ['*/02.jpg'" in failed.stderr


def test_a_source_that_is_not_there_is_said(folder: Path, encoder: Path, tmp_path: Path, call_stage: Run) -> None:
    """An image set as the source has no source pictures at hand: the largest are kept, with a warning."""
    made = call_stage("downsample_imagenet", "--source", folder, "--to", tmp_path / "set")
    assert made.returncode == 0, made.stderr
    done = call_stage("dedup", tmp_path / "set", "--to", tmp_path / "out", "--compare-side", 32, "--encoder", encoder)
    assert done.returncode == 0 and "the sources are not at hand" in done.stderr, done.stderr
    assert "a web/03.jpg" in kept_of(tmp_path / "out")
