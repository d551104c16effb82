"""Load and validate a section of a profile. The class of a section is defined in the package that uses it."""

import copy
import difflib
import functools
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

import pydantic
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError

from pipeline.core.errors import BadParameters, MissingInput

GROUPS = ("acquire", "prepare", "dedup", "audit", "dcgan", "evaluate", "figures")
"""The keys of the first level of a profile. The keys of the second level are names of sets."""


class Section(pydantic.BaseModel):
    """Base class of sections: every key is required, unknown keys are errors, and types are not converted."""

    model_config = pydantic.ConfigDict(extra="forbid", strict=True, frozen=True)


S = TypeVar("S", bound=Section)


def default_profile() -> Path:
    """The workstation profile that is installed with the package."""
    here = Path(__file__).parent.parent
    installed = here / "profiles" / "workstation.yaml"
    return installed if installed.exists() else here.parent / "profiles" / "workstation.yaml"


def read_yaml(file: Path) -> dict[str, Any]:
    """Read a YAML 1.2 mapping, as DVC does; in YAML 1.1 `2e-4` would be a string.

    Raises:
        MissingInput: there is no such file.
        BadParameters: the file is not YAML, or not a mapping.
    """
    try:
        value = copy.deepcopy(_parse(file.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise MissingInput(
            f"{file}: no such parameter file; profiles/ holds miniature, workstation and paper"
        ) from None
    except MarkedYAMLError as error:
        where = f" line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise BadParameters(f"{file}{where}: not readable as YAML: {error.problem}") from None
    except (UnicodeDecodeError, ValueError) as error:
        raise BadParameters(f"{file}: not readable as YAML: {error}") from None
    if not isinstance(value, dict):
        raise BadParameters(f"{file}: expected a mapping of {', '.join(GROUPS)}")
    return value


@functools.lru_cache(8)
def _parse(text: str) -> Any:
    """The value of a YAML text; a profile takes 0.3 s, and a command reads several sections of it."""
    return YAML(typ="safe", pure=True).load(text)


def read_names(file: Path, key: str) -> list[str]:
    """The names in the list, or the keys of the mapping, under a key of a YAML file, such as `sets` in params.yaml.

    Raises:
        MissingInput: there is no such file.
        BadParameters: the file has no such key or is not readable; see `read_yaml`.
    """
    found = read_yaml(file).get(key)
    if not isinstance(found, list | dict):
        raise BadParameters(f"{file}: {key}: missing, expected a list of names")
    return [str(name) for name in found]


def load_profile(file: Path) -> dict[str, Any]:
    """Read a profile and check its first level.

    Returns:
        The sections by group and name of the set.

    Raises:
        MissingInput, BadParameters: see `read_yaml`; BadParameters is also raised for an unknown key, and for a group
            that is not a mapping.
    """
    profile = read_yaml(file)
    for group, sections in profile.items():
        if group not in GROUPS:
            raise BadParameters(f"{file}: {group}: {unknown_key(group, GROUPS)}")
        if not isinstance(sections, dict):
            raise BadParameters(f"{file}: {group}: {sections!r}: expected sections by name of the set")
    return profile


SIMILAR = 0.7
"""Minimum similarity (`difflib`, 0..1) of a word that is suggested for a misspelt one."""


def unknown_key(key: str, known: Iterable[str]) -> str:
    """The problem with a key that is not known: the known ones, and the one that is most similar, if any is."""
    names = [str(name) for name in known]
    return f"unknown key, expected one of {', '.join(names)}{did_you_mean(key, names)}"


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`; did you mean …?` with the known word that is most similar to a misspelt one; empty if none is similar."""
    similar = difflib.get_close_matches(str(word), [str(name) for name in known], n=1, cutoff=SIMILAR)
    return f"; did you mean {similar[0]}?" if similar else ""


def load_section(file: Path, path: str, section: type[S]) -> S:
    """The section at `path` (such as `dedup.lsun.autoencoder`) of a profile.

    Args:
        file: path of the profile.
        path: keys joined by dots.
        section: class that validates the section.

    Raises:
        MissingInput: there is no such file.
        BadParameters: the file is not YAML, or a key is unknown, missing or of the wrong type; the message gives
            the file, the key and what was expected.
    """
    value: Any = load_profile(file)
    walked: list[str] = []
    for key in path.split("."):
        if not isinstance(value, dict) or key not in value:
            known = list(map(str, value)) if isinstance(value, dict) else []
            parent = ".".join(walked) or "the profile"
            raise BadParameters(
                f"{file}: {'.'.join([*walked, key])}: missing; {parent} has {', '.join(known) or 'no keys'}"
                f"{did_you_mean(key, known)}"
            )
        value = value[key]
        walked.append(key)
    try:
        return section.model_validate(value)
    except pydantic.ValidationError as error:
        raise BadParameters(f"{file}: {_explain(error, path, section)[0]}") from None


def problems_of(value: Any, path: str, section: type[Section]) -> list[str]:
    """All problems of a section as `path.key: found, expected`, one line each; unknown keys come first.

    A misspelt key is an unknown key and a missing key. Only the unknown key is listed, because it shows the mistake.

    Args:
        value: the section as it was read.
        path: keys joined by dots, for the messages.
        section: class that validates the section.
    """
    try:
        section.model_validate(value)
    except pydantic.ValidationError as error:
        return _explain(error, path, section)
    return []


def changed(section: S, values: dict[str, Any], where: str) -> S:
    """A copy of a section with some values replaced, for example by options.

    Args:
        section: the section to copy.
        values: key -> new value.
        where: name of the values in error messages.

    Raises:
        BadParameters: the section does not accept a value.
    """
    try:
        return type(section).model_validate({**section.model_dump(), **values})
    except pydantic.ValidationError as error:
        raise BadParameters(_explain(error, where, type(section))[0]) from None


def _explain(error: pydantic.ValidationError, path: str, section: type[Section]) -> list[str]:
    """The problems of a validation; see `problems_of`."""
    found: list[str] = []
    meant: set[str] = set()
    for problem in sorted(error.errors(), key=lambda problem: problem["type"] != "extra_forbidden"):
        *parents, last = map(str, problem["loc"] or ("",))
        above = [part for part in (path, *parents) if part]
        key = ".".join([*above, last] if last else above)
        if problem["type"] == "extra_forbidden":
            inner: Any = section
            for part in parents:  # a section within the section
                inner = inner.model_fields[part].annotation
            similar = difflib.get_close_matches(last, inner.model_fields, n=1, cutoff=SIMILAR)
            meant.update(".".join([*above, name]) for name in similar)
            found.append(f"{key}: {unknown_key(last, inner.model_fields)}")
        elif problem["type"] != "missing":
            found.append(f"{key}: {problem['input']!r}: {problem['msg'][0].lower()}{problem['msg'][1:]}")
        elif key not in meant:
            found.append(f"{key}: missing key")
    return found
