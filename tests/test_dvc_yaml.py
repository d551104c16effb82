"""dvc.yaml against the code: dependencies are what a stage imports, and DVC's traps are avoided."""

import re
from pathlib import Path
from typing import Any

import pytest

from docs.make_dependencies import dependencies
from pipeline.core.params import GROUPS, read_yaml
from pipeline.core.workspace import MARK
from pipeline.models.registry import FAMILIES
from stages.__main__ import COMMANDS

ROOT = Path(__file__).parents[1]
PIPELINE: dict[str, dict[str, Any]] = read_yaml(ROOT / "dvc.yaml")["stages"]
PROFILE = read_yaml(ROOT / "profiles" / "miniature.yaml")


def test_code_dependencies_are_those_of_the_imports() -> None:
    """A stage reruns when code that decides its bytes changes, and at no other change of code."""
    for stage, entry in PIPELINE.items():
        listed = [dependency for dependency in entry["deps"] if dependency.startswith("pipeline/")]
        assert listed == dependencies(stage, entry["cmd"]), f"{stage}: run `make docs`"


def test_a_stage_depends_on_the_family_of_its_own_model_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stage that loads models by name depends on the family in its command: not on all, and not on none."""
    monkeypatch.setitem(FAMILIES, "other", "pipeline.imageset.append")
    for stage in ("sample", "walk_latent", "evaluate_features"):
        command = PIPELINE[stage]["cmd"]
        assert "pipeline/models/dcgan" in dependencies(stage, command)
        assert "pipeline/imageset/append" not in dependencies(stage, command)
        changed = dependencies(stage, command.replace("/dcgan/", "/other/"))
        assert "pipeline/models/dcgan" not in changed and "pipeline/imageset/append" in changed
        with pytest.raises(KeyError, match="unknown"):
            dependencies(stage, command.replace("/dcgan/", "/unknown/"))
    for stage in ("train_dcgan", "write_report"):
        others = {"pipeline/models/registry", "pipeline/models/base", "pipeline/figures/samples"}
        assert not others & set(dependencies(stage, PIPELINE[stage]["cmd"]))


@pytest.mark.parametrize(
    ("edited", "spared"),
    [
        ("acquire/download", ("draw_", "crop_", "downsample_")),
        ("acquire/url_list", ("draw_", "crop_", "downsample_", "download_lsun", "download_benchmarks")),
        ("miniature", ("doctor", "download_", "crop_", "downsample_")),
        ("datasets/labelled", ("download_lsun", "download_faces", "crop_", "downsample_")),
    ],
)
def test_an_edit_of_one_way_to_get_pictures_spares_the_others(edited: str, spared: tuple[str, ...]) -> None:
    """An edit of the HTTP client redraws nothing, one of the drawing downloads nothing, and neither crops again."""
    for stage, entry in PIPELINE.items():
        assert not (stage.startswith(spared) and f"pipeline/{edited}" in entry["deps"]), stage


@pytest.mark.parametrize("stage", PIPELINE)
def test_commands_are_the_stage_s_own(stage: str) -> None:
    """A stage runs the module of its name, as dvc's own child; what changes no byte is no part of its command."""
    command = PIPELINE[stage]["cmd"]
    assert stage.replace("_", "-") in COMMANDS
    assert command.startswith(f"exec python -m stages.{stage} ")
    assert not re.search(r" (-j|--workers|--engine|--device|-q|--quiet|--json)\b", command)


@pytest.mark.parametrize("stage", PIPELINE)
def test_every_path_of_a_command_is_tracked(stage: str) -> None:
    """An input that DVC does not see is an input whose change goes unnoticed."""
    entry = PIPELINE[stage]
    tracked = [*entry["deps"], *outputs(stage)]
    for path in re.findall(r"--[a-z-]+ ((?:data|models|reports|audit)/\S+)", entry["cmd"]):
        assert any(f"{known}/".startswith(f"{path}/") or path.startswith(f"{known}/") for known in tracked), path


def outputs(stage: str) -> list[str]:
    """Paths of a stage's outputs, metrics and plots."""
    entry = PIPELINE[stage]
    listed = [*entry.get("outs", []), *entry.get("metrics", []), *entry.get("plots", [])]
    return [path if isinstance(path, str) else next(iter(path)) for path in listed]


@pytest.mark.parametrize("stage", PIPELINE)
def test_a_folder_listed_file_by_file_lists_its_mark(stage: str) -> None:
    """DVC restores listed files only: without its mark the next run would refuse to replace the folder."""
    for folder in re.findall(r"--to (\S+)", PIPELINE[stage]["cmd"]):
        if folder not in outputs(stage):
            assert f"{folder}/{MARK}" in outputs(stage)


@pytest.mark.parametrize("stage", PIPELINE)
def test_outputs_lie_under_the_profile_and_stay_in_the_run_cache(stage: str) -> None:
    """A demo never replaces a real run; `persist` or an uncached output would take the stage out of the run cache."""
    assert outputs(stage)
    for path in outputs(stage):
        assert "/${profile}/" in path
    assert "persist" not in str(PIPELINE[stage])
    assert "cache" not in str(PIPELINE[stage])
    assert PIPELINE[stage]["deps"]


def parameter_paths() -> set[str]:
    """Sections of a profile that some stage names, with `*` for the set."""
    named: set[str] = set()
    for entry in PIPELINE.values():
        for listed in entry.get("params", []):
            if isinstance(listed, str):  # of params.yaml
                continue
            ((file, sections),) = listed.items()
            assert file == "profiles/${profile}.yaml"
            named.update(section.replace("${item.set}", "*") for section in sections)
    return named


def leaf_sections() -> set[str]:
    """Every place of the profile that holds numbers, as `group.*` or `group.*.section`."""
    found: set[str] = set()
    for group, sets in PROFILE.items():
        for section in sets.values():
            nested = [key for key, value in section.items() if isinstance(value, dict)]
            assert not nested or len(nested) == len(section), f"{group}: sections beside numbers"
            found.update({f"{group}.*.{key}" for key in nested} or {f"{group}.*"})
    return found


def test_every_number_is_a_parameter_of_some_stage() -> None:
    """No key of a profile can change without a stage running."""
    assert parameter_paths() == leaf_sections()
    assert set(PROFILE) == set(GROUPS)


def test_sets_are_the_profile_s() -> None:
    """Every set of params.yaml has its section in every group of the profile named there, and its file of verdicts."""
    params = read_yaml(ROOT / "params.yaml")
    assert {*params["scenes"], *params["natural"], *params["portraits"]} == set(params["sets"])
    assert set(params["evaluated"]) <= set(params["sets"])
    for group, sections in read_yaml(ROOT / "profiles" / f"{params['profile']}.yaml").items():
        assert set(params["sets"]) <= set(sections) or group == "evaluate", group
        assert set(params["benchmarks"]) <= set(sections) or group not in ("acquire", "evaluate"), group
    for name in params["sets"]:
        assert (ROOT / "audit" / name / "verdicts.csv").exists()
