"""Published folders under a real DVC, which deletes and restores the files that a stage lists, one by one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.core.workspace import MARK

pytestmark = pytest.mark.long

STAGE = """
import sys
from pathlib import Path
from pipeline.core.workspace import workspace
value = Path("value.txt").read_text()
with workspace(Path("out/set"), value) as work:
    for name in ("a.txt", "b.json"):
        (work.result / name).write_text(value)
    work.publish()
"""
PIPELINE = f"""
stages:
  make:
    cmd: {sys.executable} stage.py
    deps: [value.txt]
    outs: [out/set/a.txt, out/set/{MARK}]
    metrics: [out/set/b.json]
"""


def test_a_stage_that_lists_files_runs_again_after_checkout_and_from_the_run_cache(tmp_path: Path) -> None:
    """A new value after each way in which DVC leaves the folder: no run is refused, each has the right content."""
    (tmp_path / "stage.py").write_text(STAGE)
    (tmp_path / "dvc.yaml").write_text(PIPELINE)
    root = Path(__file__).parents[2]

    def run(*command: str) -> str:
        done = subprocess.run(
            command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(root)}, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def repro(value: int, ran: bool) -> None:
        (tmp_path / "value.txt").write_text(f"{value}")
        assert ("Running stage" in run("dvc", "repro")) == ran
        assert (tmp_path / "out" / "set" / "a.txt").read_text() == f"{value}"
        assert (tmp_path / "out" / "set" / MARK).is_file()

    run("git", "init", "--quiet")
    run("dvc", "init", "--quiet")
    repro(1, ran=True)
    repro(2, ran=True)  # listed files deleted, then made again
    repro(1, ran=False)  # restored from the run cache
    repro(3, ran=True)
    for path in (tmp_path / "out" / "set").iterdir():
        path.unlink()
    run("dvc", "checkout")
    repro(4, ran=True)
