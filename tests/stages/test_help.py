"""What a person meets first: help in groups with examples, suggestions for mistakes, completion in the shell."""

import importlib
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import pytest
import typer

from pipeline.dedup.decision.keep_policy import KeepRule
from stages.__main__ import COMMANDS, GROUPS
from stages.dedup import Rule
from tests.conftest import ROOT


def dcgan(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run `dcgan` without colours in a terminal of 100 columns."""
    return subprocess.run(
        [sys.executable, "-m", "stages", *arguments],
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "100", "NO_COLOR": "1", **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def parsed(name: str) -> Any:
    """The command as typer parses it."""
    return typer.main.get_command(importlib.import_module(f"stages.{name.replace('-', '_')}").app)


def test_the_help_lists_the_commands_in_groups() -> None:
    """Where to start stands first; every command has one line of at most the width of the terminal."""
    text = dcgan("-h").stdout
    titles = [line.removesuffix(":") for line in text.splitlines() if line.endswith(":")]
    assert titles == ["Options", *GROUPS, "Examples"]
    assert next(iter(GROUPS)) == "Start here" and "dedup" in GROUPS["Start here"]
    assert max(map(len, text.splitlines())) <= 100
    assert "--install-completion" in text


def test_dcgan_alone_prints_the_help() -> None:
    """Where a person starts who types the name of the program; wrong usage nevertheless."""
    done = dcgan()
    assert done.returncode == 2 and done.stderr == dcgan("--help").stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_each_help_ends_with_an_example_that_can_be_parsed(name: str) -> None:
    """Options that every command has come last; each example names this command and only options that it has."""
    command = parsed(name)
    context = command.make_context(f"dcgan {name}", [], resilient_parsing=True)
    text = command.get_help(context)
    assert text.index("\nGeneral:\n") < text.index("\nExamples:\n")
    assert text.endswith(command.epilog.splitlines()[-1].strip())
    for line in command.epilog.replace("\\\n", "").splitlines():
        program, called, *arguments = shlex.split(line)
        assert (program, called) == ("dcgan", name)
        command.make_context(called, arguments)  # an unknown or missing option, or a wrong word, is an error
    assert max(map(len, text.splitlines())) <= 132  # one metavar lists all categories of LSUN


@pytest.mark.parametrize(
    ("wrong", "suggestion"),
    [
        (["dedupe", "photos"], "No such command 'dedupe'. Did you mean 'dedup'?"),
        (["crop-scenes", "--sorce", "x"], "No such option: --sorce (Possible options: --set, --source"),
        (["dedup", "photos", "--to", "x", "--mode", "neer"], "'neer' is not one of 'near', 'exact'"),
        (["dedup", "photos", "--to", "x", "--keep", "best"], "'best' is not one of 'original', 'first', 'largest'"),
        (["dedup", "photos", "--to", "x", "--compare-side", "48"], "'48' is not one of 'auto', '32', '64', '128'"),
        (["sample", "--set", "lsum", "--model", "m", "--seed", "1", "--to", "t"], "did you mean lsun?"),
    ],
)
def test_a_misspelt_word_is_answered_with_the_right_one(wrong: list[str], suggestion: str) -> None:
    """Commands, options, words of an option and names of sets; no traceback."""
    done = dcgan(*wrong)
    assert done.returncode in (1, 2)
    assert suggestion in done.stderr and "Traceback" not in done.stderr


def test_the_rules_of_the_keep_policy_are_choices() -> None:
    """The words that the option takes are those that the profile takes."""
    assert [rule.value for rule in Rule] == list(get_args(KeepRule))


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("dcgan crop", {"crop-scenes", "crop-faces"}),
        ("dcgan dedup photos --app", {"--append"}),
        ("dcgan export --format web", {"webdataset"}),
        ("dcgan sample --params profiles/miniature.yaml --set l", {"lsun"}),
    ],
)
def test_the_shell_completes_commands_options_words_and_sets(typed: str, offered: set[str]) -> None:
    """What bash calls at a press of the tab key, after `dcgan --install-completion`."""
    words = str(len(typed.split()) - 1)
    done = dcgan(_DCGAN_COMPLETE="complete_bash", COMP_WORDS=typed, COMP_CWORD=words)
    assert set(done.stdout.split()) == offered


def test_completion_can_be_installed(tmp_path: Path) -> None:
    """Into the start file of the shell that runs the command; nothing else in the home folder changes."""
    command = f"{shlex.quote(sys.executable)} -m stages --install-completion; true"  # not the shell's last command
    environment = {**os.environ, "HOME": str(tmp_path)}
    subprocess.run(["bash", "-c", command], cwd=ROOT, env=environment, check=True, capture_output=True)
    script = tmp_path / ".bash_completions" / "dcgan.sh"
    assert "complete -o default -F _dcgan_completion dcgan" in script.read_text()
    assert str(script) in (tmp_path / ".bashrc").read_text()
    assert {path.name for path in tmp_path.iterdir()} == {".bash_completions", ".bashrc"}
