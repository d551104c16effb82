"""Every section that a stage loads is checked before any stage runs, and every mistake is found at once."""

import ast
from pathlib import Path
from typing import Any

import pytest

from pipeline.core.errors import BadParameters
from pipeline.core.params import read_yaml
from pipeline.setup import sections
from pipeline.setup.sections import list_problems, read_lists, section_problems
from tests.conftest import ROOT

LISTS = read_lists(ROOT / "params.yaml")


@pytest.fixture
def profile() -> dict[str, Any]:
    """The content of the miniature profile, to spoil."""
    return read_yaml(ROOT / "profiles" / "miniature.yaml")


def loaded_by_stages() -> set[tuple[str, str]]:
    """Path of the section, with `*` for the set, and name of its class, for each call of `load_section` in stages/."""
    found = set()
    for path in (ROOT / "stages").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "load_section":
                parts = node.args[1].values  # type: ignore[attr-defined]
                where = "".join(part.value if isinstance(part, ast.Constant) else "*" for part in parts)
                found.add((where, ast.unparse(node.args[2]).rpartition(".")[2]))
    return found


def checked() -> set[tuple[str, str]]:
    """The same of what `section_problems` checks."""
    found = set()
    for classes in (sections.SQUARES, sections.FACES, sections.BENCHMARK):
        for group, section in classes.items():
            nested = {f"{group}.*": section} if isinstance(section, str) else {}
            nested |= {} if isinstance(section, str) else {f"{group}.*.{key}": name for key, name in section.items()}
            found |= {(where, name.partition(":")[2]) for where, name in nested.items()}
    return found


def test_what_stages_load_is_what_is_checked() -> None:
    """A new section cannot be forgotten here, nor checked against a class that no stage uses."""
    assert checked() == loaded_by_stages()


@pytest.mark.parametrize("name", ["miniature", "workstation", "paper"])
def test_the_shipped_profiles_are_right(name: str) -> None:
    """With the lists of params.yaml and without."""
    content = read_yaml(ROOT / "profiles" / f"{name}.yaml")
    assert list_problems(LISTS, content) == []
    for lists in (LISTS, None):
        for one in ("lsun", "imagenet", "faces", "cifar10", "svhn", "mnist"):
            assert section_problems(content, one, lists) == []


def test_all_mistakes_of_a_set_are_found_at_once(profile: dict[str, Any]) -> None:
    """A misspelt section, key and value at any depth; a section that is missing; one that is not used."""
    profile["dedup"]["lsun"]["pears"] = profile["dedup"]["lsun"].pop("pairs")
    profile["dcgan"]["lsun"]["training"]["runtime"]["devise"] = "cpu"
    profile["figures"]["lsun"]["samples"]["count"] = "many"
    profile["audit"]["lsum"] = profile["audit"].pop("lsun")
    profile["evaluate"]["lsun"] = {}
    problems = section_problems(profile, "lsun", LISTS)
    starts = [
        "evaluate.lsun: not used",
        "dedup.lsun.pears: unknown key, expected one of autoencoder, pairs, remove, probe; did you mean pairs?",
        "audit.lsun: missing section; did you mean lsum?",
        "dcgan.lsun.training.runtime.devise: unknown key",
        "figures.lsun.samples.count: 'many'",
    ]
    assert len(problems) == len(starts)
    for problem, start in zip(problems, starts, strict=True):
        assert problem.startswith(start)
    assert section_problems(profile, "lsum", LISTS) == [
        "audit.lsum: params.yaml and acquire name no such set; did you mean lsun?"
    ]


def test_a_section_that_is_no_mapping_is_one_problem(profile: dict[str, Any]) -> None:
    """A number or nothing where keys belong."""
    profile["acquire"]["lsun"], profile["prepare"]["lsun"], profile["dedup"]["lsun"] = 3, None, []
    problems = section_problems(profile, "lsun", None)
    assert [problem.partition(": ")[0] for problem in problems] == ["acquire.lsun", "prepare.lsun", "dedup.lsun"]


def test_the_kind_of_a_set_decides_its_sections(profile: dict[str, Any]) -> None:
    """A set of portraits needs a detector; without lists, what a set has tells its kind, and nothing is missing."""
    moved = LISTS.model_copy(update={"scenes": [], "portraits": ["lsun", "faces"]})
    assert "prepare.lsun.resize: unknown key" in section_problems(profile, "lsun", moved)[0]
    assert "prepare.lsun.detector: missing key" in section_problems(profile, "lsun", moved)
    for group in ("dedup", "audit", "dcgan", "figures"):
        del profile[group]["lsun"]
    assert section_problems(profile, "lsun", None) == []


def test_lists_that_contradict_each_other_or_the_profile_are_named(profile: dict[str, Any]) -> None:
    """A set that is in one list alone would fail an hour later, or never be looked at."""
    lists = LISTS.model_copy(update={"scenes": ["lsum"], "sets": ["lsun", "imagenet"], "evaluated": ["cats"]})
    assert list_problems(lists, profile) == [
        "lsum: no set of the profile; did you mean lsun?",
        "sets: lsum is missing; it is in scenes, natural or portraits",
        "sets: faces is missing; it is in scenes, natural or portraits",
        "sets: lsun is in none of scenes, natural and portraits; add it to the one that fits",
        "evaluated: cats is not in sets",
    ]


def test_a_wrong_params_file_is_one_error(tmp_path: Path) -> None:
    """With all its problems."""
    file = tmp_path / "params.yaml"
    file.write_text((ROOT / "params.yaml").read_text().replace("scenes:", "scene:").replace("[lsun, im", "[1, im"))
    with pytest.raises(
        BadParameters, match=r"params\.yaml: scene: unknown key.*did you mean scenes\?; and sets\.0: 1: "
    ):
        read_lists(file)
