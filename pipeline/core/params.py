"""Load and validate a section of a profile. The class of a section is defined in the package that uses it."""

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
        value = YAML(typ="safe", pure=True).load(file.read_text(encoding="utf-8"))
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
    """Read a profile and check the keys of its first level.

    Raises:
        MissingInput, BadParameters: see `read_yaml`; BadParameters is also raised for an unknown key.
    """
    profile = read_yaml(file)
    for group in profile:
        if group not in GROUPS:
            raise BadParameters(f"{file}: {group}: unknown key, expected one of {', '.join(GROUPS)}")
    return profile


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
            known = ", ".join(map(str, value)) if isinstance(value, dict) else "no keys"
            parent = ".".join(walked) or "the profile"
            raise BadParameters(f"{file}: {'.'.join([*walked, key])}: missing; {parent} has {known}")
        value = value[key]
        walked.append(key)
    try:
        return section.model_validate(value)
    except pydantic.ValidationError as error:
        raise BadParameters(f"{file}: {_explain(error, path, section)}") from None


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
        raise BadParameters(_explain(error, where, type(section))) from None


def _explain(error: pydantic.ValidationError, path: str, section: type[Section]) -> str:
    """The first problem of a validation as `path.key: found, expected`, on one line; an unknown key comes first.

    A misspelt key is reported as an unknown key and a missing key; the unknown key shows the mistake.
    """
    problem = min(error.errors(), key=lambda problem: problem["type"] != "extra_forbidden")
    key = ".".join([path, *map(str, problem["loc"])])
    if problem["type"] == "extra_forbidden":
        inner: Any = section
        for part in problem["loc"][:-1]:  # a section within the section
            inner = inner.model_fields[part].annotation
        return f"{key}: unknown key, expected one of {', '.join(inner.model_fields)}"
    if problem["type"] == "missing":
        return f"{key}: missing key"
    return f"{key}: {problem['input']!r}: {problem['msg'][0].lower()}{problem['msg'][1:]}"
