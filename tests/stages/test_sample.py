"""`sample` as a process."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pipeline.core.workspace import MARK
from tests.killing import running
from tests.models.untrained import save_untrained

Run = Callable[..., "subprocess.CompletedProcess[str]"]


def test_from_model_to_pictures(run_stage: Run, tmp_path: Path) -> None:
    """Files, summary and the sentence for a person; a model that is not there is one line and exit 1."""
    save_untrained(tmp_path / "model")
    (tmp_path / "profile.yaml").write_text(
        "figures: {drawn: {samples: {count: 5, singles: 2, batch_statistics: false, threads: 1}}}"
    )
    options = ["--set", "drawn", "--params", tmp_path / "profile.yaml", "--seed", 1, "--to", tmp_path / "out"]
    done = run_stage("sample", *options, "--model", tmp_path / "model", "--json")
    assert done.returncode == 0, done.stderr
    assert {path.name for path in (tmp_path / "out").iterdir()} == {MARK, "grid.png", "samples.json", "singles"}
    assert len(json.loads(done.stdout)["model_sha256"]) == 64
    assert "5 pictures in" in done.stderr and "next: dcgan" in done.stderr
    missing = run_stage("sample", *options, "--model", tmp_path / "nowhere")
    assert missing.returncode == 1
    assert missing.stderr.startswith("error: ") and missing.stderr.count("\n") == 1 and "model.json" in missing.stderr


def test_options_replace_the_section_and_need_no_profile(run_stage: Run, tmp_path: Path) -> None:
    """Without --set no profile is read; with it, only the values that are not given come from the section."""
    save_untrained(tmp_path / "model", "mnist28_conditional")
    options = ["--model", tmp_path / "model", "--seed", 1, "--json"]
    alone = [*options, "--params", tmp_path / "nowhere.yaml", "--count", 12, "--format", "npy", "--label", 3]
    done = run_stage("sample", *alone, "--to", tmp_path / "alone")
    assert done.returncode == 0, done.stderr
    assert np.load(tmp_path / "alone" / "samples.npy").shape == (12, 28, 28, 1)
    assert np.load(tmp_path / "alone" / "labels.npy").tolist() == [3] * 12
    assert "12 pictures in" in done.stderr and "samples.npy" in done.stderr
    (tmp_path / "profile.yaml").write_text(
        "figures: {drawn: {samples: {count: 5, singles: 2, batch_statistics: true, threads: 1}}}"
    )
    with_set = [*options, "--set", "drawn", "--params", tmp_path / "profile.yaml", "--to", tmp_path / "set"]
    done = run_stage("sample", *with_set, "--singles", 1)
    summary = json.loads(done.stdout)
    assert (summary["count"], summary["singles"], summary["batch_statistics"]) == (5, 1, True)
    assert {path.name for path in (tmp_path / "set" / "singles").iterdir()} == {"000.png"}


@pytest.mark.long
@pytest.mark.parametrize(("form", "count"), [("npy", 20_000), ("folder", 3000)])
def test_killed_in_the_middle(form: str, count: int, run_stage: Run, tmp_path: Path) -> None:
    """kill -9, then the same command: finished chunks stay, and every output byte is as if undisturbed."""
    model = save_untrained(tmp_path / "model", "mnist28_conditional")
    options = ["--model", model, "--seed", 1, "--count", count, "--format", form, "--threads", 1]
    scratch = tmp_path / ".parts.partial" / "scratch"
    chunk = 1024 * 28 * 28

    def begun() -> bool:
        written = [path.stat().st_size for path in scratch.rglob("*") if path.suffix in (".npy", ".png")]
        return sum(written) > chunk if form == "npy" else len(written) > 1100

    with running([sys.executable, "-m", "stages.sample", *options, "--to", tmp_path / "parts"], begun):
        pass
    assert not (tmp_path / "parts").exists() and begun()
    for name in ("parts", "whole"):
        done = run_stage("sample", *options, "--to", tmp_path / name)
        assert done.returncode == 0, done.stderr
    parts, whole = (
        {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        for folder in (tmp_path / "parts", tmp_path / "whole")
    )
    assert parts == whole and not scratch.exists()
