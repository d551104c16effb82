"""What every command does with errors, signals and its summary."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from stages.__main__ import COMMANDS

ROOT = Path(__file__).parents[2]

SCRIPT = """
import errno, sys, time
import typer
from pipeline.core.errors import MissingInput
from stages.common import stage
app = typer.Typer()
@app.command()
def main(what: str, quiet: bool = False, as_json: bool = False) -> None:
    with stage("example", quiet, as_json) as report:
        if what == "missing": raise MissingInput("--images here: no image set;\\nrun crop-scenes first")
        if what == "full": raise OSError(errno.ENOSPC, "No space left on device", "out.npy")
        if what == "readonly": raise PermissionError(errno.EACCES, "Permission denied", "out.npy")
        if what == "wait": print("waiting", flush=True); time.sleep(60)
        report({"b": 1, "a": 2}, "3 pictures; originals untouched")
app()
"""


def example(*arguments: str, cwd: Path = ROOT) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", SCRIPT, *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("missing", "error: --images here: no image set; run crop-scenes first"),
        ("full", "error: out.npy: the disk is full; free some space"),
        ("readonly", "error: out.npy: Permission denied; choose a folder"),
    ],
)
def test_known_errors_are_one_line_and_exit_1(what: str, words: str) -> None:
    """A user's mistake, a full disk and a read-only folder are no tracebacks."""
    done = example(what)
    assert done.returncode == 1
    assert done.stderr.startswith(words)
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


def test_the_summary_goes_to_stderr_and_json_to_stdout() -> None:
    """A script reads stdout; a person reads stderr, unless quiet."""
    done = example("nothing", "--as-json")
    assert json.loads(done.stdout) == {"a": 2, "b": 1}
    assert done.stderr == "example: 3 pictures; originals untouched\n"
    assert example("nothing", "--quiet").stderr == ""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interruption_is_one_line_and_exit_130(number: signal.Signals) -> None:
    """Ctrl-C, kill and a closed terminal end a command in the same orderly way."""

    def heed() -> None:  # even if these tests run behind nohup, whose children would ignore a closed terminal
        signal.signal(number, signal.SIG_DFL)

    command = [sys.executable, "-c", SCRIPT, "wait"]
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=heed
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "waiting\n"
    process.send_signal(number)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130
    assert errors == "example: interrupted; finished work is kept; run the command again to continue\n"


def test_nohup_is_respected() -> None:
    """A command that was told to outlive its terminal does."""
    command = ["nohup", sys.executable, "-c", SCRIPT.replace("sleep(60)", "sleep(1)"), "wait"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "waiting\n"
    process.send_signal(signal.SIGHUP)
    assert process.communicate(timeout=120)[1].endswith("originals untouched\n")
    assert process.returncode == 0


def test_times_are_kept_beside_a_pipeline_and_nowhere_else(tmp_path: Path) -> None:
    """Used in a folder of one's own, a command leaves nothing but its result."""
    example("nothing", cwd=tmp_path)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "dvc.yaml").touch()
    example("nothing", cwd=tmp_path)
    assert json.loads((tmp_path / ".dcgan/timing.jsonl").read_text())["command"] == "example"


@pytest.mark.parametrize("command", COMMANDS)
def test_wrong_usage_is_exit_2_and_version_works(command: str, run_stage: Callable[..., object]) -> None:
    """An unknown option is wrong usage (2), not a failure (1); every command knows its version."""
    name = command.replace("-", "_")
    wrong = run_stage(name, "--nonsense")
    assert wrong.returncode == 2  # type: ignore[attr-defined]
    version = run_stage(name, "--version")
    assert version.returncode == 0  # type: ignore[attr-defined]
    assert version.stdout.strip().count(".") == 2  # type: ignore[attr-defined]
