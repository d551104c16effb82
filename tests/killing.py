"""Ending a command when its work has come to some point, on a machine however slow, and never leaving one behind."""

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from safetensors import safe_open

ROOT = Path(__file__).parents[1]


def wait_until(condition: Callable[[], bool], seconds: float = 600) -> None:
    """Look every few milliseconds until a condition holds; the bound is for what hangs, not for what is slow."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def step_of(checkpoint: Path) -> int:
    """The step that a checkpoint is of, 0 where there is none; it may be replaced at any moment.

    For numpy, safetensors opens a file once; for torch twice, and may be given two files.
    """
    with contextlib.suppress(FileNotFoundError), safe_open(checkpoint, framework="np") as file:
        return int(json.loads(file.metadata()["state"])["step"])
    return 0


class TooLate(AssertionError):
    """A command was over before it was seen to come to the point: who watches may himself be kept waiting."""


@contextlib.contextmanager
def running(command: Sequence[object], until: Callable[[], bool], **options: Any) -> Iterator["subprocess.Popen[str]"]:
    """A command, in a group of its own, whose work has come to some point; at the end kill -9 takes all of the group.

    Args:
        command: program and arguments, run in the project's root.
        until: whether the point is reached.
        options: of `subprocess.Popen`; without them nothing of what is printed is kept.

    Raises:
        TooLate: it ended before.
    """
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": ROOT}
    how = {"text": True, "start_new_session": True, **quiet, **options}
    with subprocess.Popen(list(map(str, command)), **how) as process:
        try:
            wait_until(lambda: until() or process.poll() is not None)
            if process.poll() is not None:
                raise TooLate("it ended before it came there")
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
