"""All sections that a profile has for a set, and the lists of sets in params.yaml: find every mistake at once."""

import pkgutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pydantic

from pipeline.core import params
from pipeline.core.errors import BadParameters

Classes = Mapping[str, str | Mapping[str, str]]
"""Class of a section by group of the profile; for a group of several sections, by group and name."""

SQUARES: Classes = {
    "acquire": "pipeline.acquire.config:AcquireConfig",
    "prepare": "pipeline.prepare.squares:SquaresConfig",
    "dedup": {
        "autoencoder": "pipeline.dedup.encoder.autoencoder:AutoencoderConfig",
        "pairs": "pipeline.dedup.search.pair_search:PairSearchConfig",
        "remove": "pipeline.dedup.decision.removal:RemovalConfig",
        "probe": "pipeline.dedup.recall.recall_eval:RecallConfig",
    },
    "audit": "pipeline.audit.audit_duplicates:AuditConfig",
    "dcgan": {"training": "pipeline.models.dcgan.config:DcganConfig"},
    "figures": {
        "samples": "pipeline.figures.samples:SamplesConfig",
        "latent_walk": "pipeline.figures.latent_walk:LatentWalkConfig",
    },
}
"""The sections of a set in `scenes` or `natural`. The classes are imported by name, like model families: the output of
`doctor` is constant, so an edit of the packages that define the classes must not rerun it."""

FACES: Classes = {**SQUARES, "prepare": "pipeline.prepare.faces.face_crops:FacesConfig"}
"""The sections of a set in `portraits`."""

BENCHMARK: Classes = {
    "acquire": "pipeline.acquire.config:BenchmarkConfig",
    "evaluate": "pipeline.evaluate.linear_probe.protocol:LinearProbeConfig",
}
"""The sections of a set in `benchmarks`."""


class SetLists(params.Section):
    """The content of params.yaml.

    Attributes:
        profile: name of the profile, the file `profiles/NAME.yaml`.
        seed: root seed.
        scenes, natural, portraits: sets by the command that makes their image set.
        sets: all of these.
        benchmarks: labelled sets.
        evaluated: sets whose discriminators are tested on the benchmarks.
    """

    profile: str
    seed: int = pydantic.Field(ge=0)
    scenes: list[str]
    natural: list[str]
    portraits: list[str]
    sets: list[str]
    benchmarks: list[str]
    evaluated: list[str]


def read_lists(file: Path) -> SetLists:
    """Read params.yaml.

    Raises:
        MissingInput: there is no such file.
        BadParameters: a key is unknown, missing or of the wrong type; all problems are in the message.
    """
    content = params.read_yaml(file)
    if problems := params.problems_of(content, "", SetLists):
        raise BadParameters(f"{file}: {'; and '.join(problems)}")
    return SetLists.model_validate(content)


def list_problems(lists: SetLists, profile: Mapping[str, Any]) -> list[str]:
    """Problems of the lists: sets that the profile does not have, and names that are in one list but not in another."""
    known = {str(name) for name in profile.get("acquire", {})}
    made = [*lists.scenes, *lists.natural, *lists.portraits]
    return [
        *(
            f"{name}: no set of the profile{params.did_you_mean(name, known)}"
            for name in dict.fromkeys([*made, *lists.sets, *lists.benchmarks])
            if name not in known
        ),
        *(f"sets: {name} is missing; it is in scenes, natural or portraits" for name in made if name not in lists.sets),
        *(
            f"sets: {name} is in none of scenes, natural and portraits; add it to the one that fits"
            for name in lists.sets
            if name not in made
        ),
        *(f"evaluated: {name} is not in sets" for name in lists.evaluated if name not in lists.sets),
    ]


def section_problems(profile: Mapping[str, Any], name: str, lists: SetLists | None) -> list[str]:
    """Problems of all sections that a profile has for a set, or lacks.

    Args:
        profile: content of the profile.
        name: the set.
        lists: the lists of params.yaml, which say of what kind the set is; a set that they name needs all sections of
            its kind. Without them the kind follows from the sections, and no section is missing.
    """
    listed = lists is not None and name in [*lists.sets, *lists.benchmarks]
    classes = _classes(profile, name, lists)
    problems: list[str] = []
    for group, sections in profile.items():
        if name not in sections:
            continue
        if group not in classes:
            problems.append(f"{group}.{name}: not used; a set of this kind has sections in {', '.join(classes)}")
        elif lists is not None and not listed and name not in profile.get("acquire", {}):
            similar = params.did_you_mean(name, profile.get("acquire", {}))
            problems.append(f"{group}.{name}: params.yaml and acquire name no such set{similar}")
    for group, section in classes.items():
        sections = profile.get(group, {})
        if name in sections:
            problems += params.problems_of(sections[name], f"{group}.{name}", _section(section))
        elif listed:
            problems.append(f"{group}.{name}: missing section{params.did_you_mean(name, sections)}")
    return problems


def _classes(profile: Mapping[str, Any], name: str, lists: SetLists | None) -> Classes:
    """The classes of a set's sections: by the list that names the set, or by its sections if none does."""
    if lists and name in [*lists.benchmarks, *lists.portraits, *lists.scenes, *lists.natural]:
        if name in lists.benchmarks:
            return BENCHMARK
        return FACES if name in lists.portraits else SQUARES
    acquire, prepare = (profile.get(group, {}).get(name) for group in ("acquire", "prepare"))
    if isinstance(acquire, dict) and "data_set" in acquire:
        return BENCHMARK
    return FACES if isinstance(prepare, dict) and "detector" in prepare else SQUARES


def _section(classes: str | Mapping[str, str]) -> type[params.Section]:
    """The class of a section, or a class for a group of sections."""
    if isinstance(classes, str):
        found: type[params.Section] = pkgutil.resolve_name(classes)
        return found
    fields: dict[str, Any] = {name: (pkgutil.resolve_name(section), ...) for name, section in classes.items()}
    made: type[params.Section] = pydantic.create_model("Sections", __base__=params.Section, **fields)
    return made
