"""Write docs/commands.md from the commands' own help (`make docs`); a test checks that it is current."""

import importlib
import os
import sys
from pathlib import Path

os.environ.update(COLUMNS="100", TERM="dumb", NO_COLOR="1", TERMINAL_WIDTH="100", PYTHON_COLORS="0")

import typer
from typer.testing import CliRunner

from stages.__main__ import COMMANDS

PAGE = Path(__file__).parent / "commands.md"
INTRODUCTION = """\
# Commands

Written by `make docs` from the commands' own help. Each command is `dcgan NAME`, or `python -m stages.NAME` as in
dvc.yaml. Progress and the summary go to stderr, results to files, `--json` prints a summary on stdout. Exit status: 0
done, 1 a failure that the message explains, 2 wrong usage.
"""


def render() -> str:
    """The page: every command's help, in the order of the flow."""
    parts = [INTRODUCTION]
    for name in COMMANDS:
        module = importlib.import_module(f"stages.{name.replace('-', '_')}")
        module.app.rich_markup_mode = None
        result = CliRunner().invoke(module.app, ["--help"], prog_name=f"dcgan {name}")
        assert result.exit_code == 0, result.output
        lines = [line.rstrip() for line in result.output.strip().splitlines()]
        parts.append("\n".join([f"## {name}", "", "```text", *lines, "```", ""]))
    return "\n".join(parts)


if __name__ == "__main__":
    if sys.argv[1:] == ["--print"]:
        sys.stdout.write(render())
    else:
        PAGE.write_text(render())
        typer.echo(f"wrote {PAGE.name}")
