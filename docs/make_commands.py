"""Write docs/commands.md from the help of the commands (`make docs`); a test checks that the page is current."""

import importlib
import os
import sys
from pathlib import Path

os.environ.update(COLUMNS="100", TERM="dumb", NO_COLOR="1", TERMINAL_WIDTH="100", PYTHON_COLORS="0")

import typer
from typer.testing import CliRunner

from stages.__main__ import GROUPS

PAGE = Path(__file__).parent / "commands.md"
INTRODUCTION = """\
# Commands

`make docs` writes this page from the help of the commands. Run a command as `dcgan NAME`, or as `python -m stages.NAME`
(`-` in NAME becomes `_`), as dvc.yaml does. Results are written to files. Progress and a summary are printed on stderr;
`--json` prints a machine-readable summary on stdout. The exit status is 0 after success, 1 after an error that the
message explains, 2 after wrong usage, 3 from `dedup --strict` if there are doubtful pictures, and 130 after an
interruption. `dcgan --install-completion` makes the shell complete commands, options and names of sets.
"""


def render() -> str:
    """The page: the help of every command, in the groups of `dcgan --help`."""
    parts = [INTRODUCTION]
    for title, commands in GROUPS.items():
        parts.append(f"## {title}\n")
        for name in commands:
            module = importlib.import_module(f"stages.{name.replace('-', '_')}")
            result = CliRunner().invoke(module.app, ["--help"], prog_name=f"dcgan {name}")
            assert result.exit_code == 0, result.output
            lines = [line.rstrip() for line in result.output.strip().splitlines()]
            parts.append("\n".join([f"### {name}", "", "```text", *lines, "```", ""]))
    return "\n".join(parts)


if __name__ == "__main__":
    if sys.argv[1:] == ["--print"]:
        sys.stdout.write(render())
    else:
        PAGE.write_text(render())
        typer.echo(f"wrote {PAGE.name}")
