"""`walk-latent` as a process."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

from pipeline.core.workspace import MARK
from tests.models.untrained import save_untrained

Run = Callable[..., "subprocess.CompletedProcess[str]"]


def test_from_model_to_pictures(run_stage: Run, tmp_path: Path) -> None:
    """Files, summary and the sentence for a person; a model that is not there is one line and exit 1."""
    save_untrained(tmp_path / "model")
    (tmp_path / "profile.yaml").write_text("figures: {drawn: {latent_walk: {rows: 2, columns: 3, threads: 1}}}")
    options = ["--set", "drawn", "--params", tmp_path / "profile.yaml", "--seed", 1, "--to", tmp_path / "out"]
    done = run_stage("walk_latent", *options, "--model", tmp_path / "model", "--json")
    assert done.returncode == 0, done.stderr
    assert {path.name for path in (tmp_path / "out").iterdir()} == {MARK, "walk.png", "walk.json"}
    assert len(json.loads(done.stdout)["model_sha256"]) == 64
    assert "2 rows of 3 pictures" in done.stderr and "next: dcgan" in done.stderr
    missing = run_stage("walk_latent", *options, "--model", tmp_path / "nowhere")
    assert missing.returncode == 1
    assert missing.stderr.startswith("error: ") and missing.stderr.count("\n") == 1 and "model.json" in missing.stderr
