"""Progress outside a terminal, and links in messages."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.core.progress import shows_hyperlinks

ROOT = Path(__file__).parents[2]

WORK = """
import sys, time
from pipeline.core import progress
progress.LINE_SECONDS = float(sys.argv[1])
progress.set_quiet("-q" in sys.argv)
with progress.bar("crop-scenes", 2_000, done=1_000) as advance:
    for _ in range(10):
        time.sleep(0.03)
        advance(50)
with progress.bar("verifying a.zip", 8_000_000, "bytes") as advance:
    time.sleep(0.15)
    advance(2_000_000)
with progress.bar("fetching", None) as advance:
    time.sleep(0.15)
    advance(3)
"""


def piped(*arguments: str) -> list[str]:
    """The lines on stderr, which is a pipe."""
    command = [sys.executable, "-c", WORK, *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stderr.splitlines()


def test_a_log_file_gets_a_line_now_and_then_with_the_time_left() -> None:
    """A long command in a batch job is not silent; an earlier run's pictures count as done, but not for the speed."""
    lines = piped("0.1")
    first = lines[0].split(", about ")
    assert first[0].startswith("crop-scenes: 1,") and first[0].endswith(" of 2,000 pictures")
    assert first[1] in ("0 s left", "1 s left")
    assert 2 <= sum(line.startswith("crop-scenes") for line in lines) <= 4  # 0.3 s of work
    assert lines[-2].startswith("verifying a.zip: 2.0 MB of 8.0 MB, about ")
    assert lines[-1] == "fetching: 3 pictures"


def test_short_or_quiet_work_prints_nothing() -> None:
    """Less than half a minute needs no line, and -q none at all."""
    assert piped("30") == []
    assert piped("0.1", "-q") == []


@pytest.mark.parametrize(
    ("environment", "shown"),
    [
        ({"TERM": "xterm-256color", "VTE_VERSION": "7203"}, True),
        ({"TERM": "xterm-256color", "VTE_VERSION": "4601"}, False),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "vscode"}, True),
        ({"TERM": "xterm-kitty"}, True),
        ({"TERM": "xterm"}, False),
        ({"TERM": "linux"}, False),
        ({"TERM": "dumb", "TERM_PROGRAM": "vscode"}, False),
        ({"TERM": "screen", "STY": "1.pts", "VTE_VERSION": "7203"}, False),
        ({"TERM": "xterm", "FORCE_HYPERLINK": "1"}, True),
        ({"TERM": "xterm-kitty", "FORCE_HYPERLINK": "0"}, False),
        ({}, False),
    ],
)
def test_terminals_that_show_links_are_known_by_their_variables(environment: dict[str, str], shown: bool) -> None:
    """A terminal that does not name itself gets plain text, since it may print the escape sequence."""
    assert shows_hyperlinks(environment) is shown


def test_a_path_is_a_link_in_a_terminal_and_plain_text_in_a_pipe(tmp_path: Path) -> None:
    """The same command, once with stderr at a pseudo-terminal and once at a pipe."""
    code = "from pathlib import Path; from pipeline.core.progress import link, say; say(f'see {link(Path(\"a b\"))}')"
    command = [sys.executable, "-c", code]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm-kitty"}
    plain = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert plain.stderr == "see a b\n"
    controller, terminal = pty.openpty()
    subprocess.run(command, cwd=tmp_path, env=environment, stderr=terminal, check=True)
    os.close(terminal)
    shown = os.read(controller, 1000).decode()
    os.close(controller)
    assert shown == f"see \033]8;;file://{tmp_path}/a%20b\033\\a b\033]8;;\033\\\r\n"
