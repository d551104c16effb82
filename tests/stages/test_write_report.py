"""`write-report` as a process."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

from pipeline.core.workspace import MARK
from tests.report.conftest import evaluation, write_evaluation, write_set

Run = Callable[..., "subprocess.CompletedProcess[str]"]


def test_from_folders_to_pages(run_stage: Run, tmp_path: Path) -> None:
    """Pages, JSON summary and last line; a missing evaluation gives a one-line error and exit status 1."""
    for name in ("rooms", "faces"):
        folders = write_set(tmp_path, name)
    write_evaluation(tmp_path, evaluation())
    (tmp_path / "params.yaml").write_text("sets: [rooms, faces]\nevaluated: [rooms]\nbenchmarks: [cifar10]\n")
    options = [
        *("--sets-from", tmp_path / "params.yaml", "--audit", folders.audit, "--models", folders.models),
        *("--samples", folders.samples, "--walks", folders.walks, "--features", folders.features),
        *("--to", tmp_path / "report"),
    ]
    done = run_stage("write_report", *options, "--json")
    assert done.returncode == 0, done.stderr
    assert {path.name for path in (tmp_path / "report").iterdir()} == {
        MARK,
        *("index.html", "rooms.html", "faces.html", "report.json"),
    }
    assert json.loads(done.stdout)["evaluations"] == ["rooms-cifar10"]
    assert f"rooms, faces written; open {tmp_path}/report/index.html in a browser" in done.stderr
    (folders.features / "rooms-cifar10" / "metrics.json").unlink()
    failed = run_stage("write_report", *options)
    assert failed.returncode == 1 and failed.stderr.count("\n") == 1
    assert failed.stderr.startswith("error: ") and "rooms-cifar10/metrics.json: no such file" in failed.stderr


def test_without_evaluations(run_stage: Run, tmp_path: Path) -> None:
    """A report needs no benchmarks: the keys can be empty or missing, and the folder can be missing."""
    folders = write_set(tmp_path)
    (tmp_path / "params.yaml").write_text("sets: [rooms]\nevaluated: []\n")
    done = run_stage(
        "write_report",
        *("--sets-from", tmp_path / "params.yaml", "--audit", folders.audit, "--models", folders.models),
        *("--samples", folders.samples, "--walks", folders.walks, "--features", tmp_path / "nowhere"),
        *("--to", tmp_path / "report"),
    )
    assert done.returncode == 0, done.stderr
    assert 'id="features"' not in (tmp_path / "report" / "rooms.html").read_text()
