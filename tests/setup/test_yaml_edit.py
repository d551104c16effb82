"""Lines are inserted into YAML files, and all others stay as they are."""

import difflib
from collections.abc import Callable
from typing import Any

import pytest

from pipeline.core.errors import BadParameters
from pipeline.core.params import read_yaml
from pipeline.setup.yaml_edit import insert_entry, insert_section
from tests.conftest import ROOT

TEXT = """\
# first

acquire:
  lsun: # rooms
    count: 3   # three
    keep: [a,   "b"]

# about audit
audit:
    lsun: {largest: 1}
"""


def added(before: str, after: str) -> list[str]:
    """The lines that were added; nothing else may differ."""
    lines = list(difflib.ndiff(before.splitlines(), after.splitlines()))
    assert not [line for line in lines if line.startswith("-")]
    return [line[2:] for line in lines if line.startswith("+")]


def test_a_section_goes_below_the_others_of_its_group() -> None:
    """Before the empty line and comment of the next group, indented as the group is; a new group goes to the end."""
    one = insert_section(TEXT, "acquire", "mine", {"count": 1, "keep": ["x"]})
    assert one.index("mine") < one.index("\n\n# about audit")
    assert added(TEXT, one) == ["  mine:", "    count: 1", "    keep:", "    - x"]
    assert added(TEXT, insert_section(TEXT, "audit", "mine", {"largest": 2})) == ["    mine:", "      largest: 2"]
    assert added(TEXT, insert_section(TEXT, "dcgan", "mine", {"a": 2})) == ["", "dcgan:", "  mine:", "    a: 2"]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("sets: [lsun,  faces] # ours\nx: 1\n", "sets: [lsun,  faces, mine] # ours"),
        ("sets: []\n", "sets: [mine]"),
        ("sets:\n  - lsun # rooms\n\n# end\nx: 1\n", "  - mine"),
        ("sets: [lsun,\n  faces]\n", "  faces, mine]"),
    ],
)
def test_an_entry_goes_to_the_end_of_a_list(text: str, line: str) -> None:
    """In brackets or one a line, with the spaces and comments that were there."""
    after = insert_entry(text, "sets", "mine")
    assert line in after.splitlines()
    assert after.replace(", mine", "").replace("mine", "").replace("  - \n", "") == text


@pytest.mark.parametrize(
    ("edit", "arguments"),
    [
        (insert_section, ("acquire: {lsun: {count: 1}}\n", "acquire", "mine", {"count": 1})),
        (insert_entry, ("sets: {lsun: 1}\n", "sets", "mine")),
    ],
)
def test_a_file_without_a_place_for_the_line_is_refused(edit: Callable[..., str], arguments: tuple[Any, ...]) -> None:
    """Rather than write something that says less than before."""
    with pytest.raises(BadParameters, match=r"add .* by hand"):
        edit(*arguments)


@pytest.mark.parametrize("profile", ["miniature", "workstation", "paper"])
def test_the_shipped_files_can_be_edited(profile: str) -> None:
    """Every group of the profiles, and every list of params.yaml."""
    text = (ROOT / "profiles" / f"{profile}.yaml").read_text()
    for group in read_yaml(ROOT / "profiles" / f"{profile}.yaml"):
        assert added(text, insert_section(text, group, "mine", {"a": 1})) == ["  mine:", "    a: 1"]
    lists = (ROOT / "params.yaml").read_text()
    for key in ("scenes", "natural", "portraits", "sets", "benchmarks", "evaluated"):
        assert "mine]" in insert_entry(lists, key, "mine")
