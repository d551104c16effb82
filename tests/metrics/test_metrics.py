"""The few figures of a run: collected from records, printed as narrow tables, by `dcgan metrics` and by DVC."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.core import files
from pipeline.core.errors import MissingInput
from pipeline.metrics import as_text, collect, read_all
from tests.conftest import ROOT

SUMMARY: dict[str, Any] = {
    **{"pictures": 12_954, "kept": 12_928, "removed": 26, "groups": 22, "mode": "near"},
    **{"expected_false_removals": 1.0, "expected_false_removals_low": 0.0, "expected_false_removals_high": 5.6},
}
RECALL = {"recall": {"known": {"share": 0.9321, "of": 9}, "held_out": {"share": 0.81}, "crop": {"share": 0.5}}}
FIGURES = {
    **{"pictures": 12_954, "kept": 12_928, "removed": 26, "groups": 22, "recall": 0.9321, "recall_held_out": 0.81},
    **{"false_removals": 1.0, "false_removals_high": 5.6},
}


def test_figures_are_those_of_the_records(tmp_path: Path) -> None:
    """The parts of summary.json and recall.json that matter; without decoys there is no estimate."""
    files.write_json(tmp_path / "dedup" / "summary.json", SUMMARY)
    with pytest.raises(MissingInput, match=r"recall\.json"):
        collect(tmp_path / "dedup", tmp_path / "probe")
    files.write_json(tmp_path / "probe" / "recall.json", RECALL)
    assert collect(tmp_path / "dedup", tmp_path / "probe") == FIGURES
    exact = {name: value for name, value in SUMMARY.items() if not name.startswith("expected")}
    files.write_json(tmp_path / "dedup" / "summary.json", exact)
    assert not [name for name in collect(tmp_path / "dedup", tmp_path / "probe") if name.startswith("false")]


@pytest.fixture
def reports(tmp_path: Path) -> Path:
    """A folder of reports with the figures of three sets and of two evaluations."""
    folder = tmp_path / "reports" / "miniature"
    for name in ("lsun", "imagenet", "faces"):
        files.write_json(folder / "metrics" / f"{name}.json", FIGURES)
    few = {"few_labels": 0.4512, "few_labels_untrained": 0.41}
    files.write_json(folder / "features" / "imagenet-cifar10" / "accuracy.json", few | {"all_labels": 0.5})
    files.write_json(folder / "features" / "imagenet-svhn" / "accuracy.json", few)
    return folder


def test_the_tables_are_narrow(reports: Path) -> None:
    """A line for each set, and one for each evaluation; at most 100 characters, also for millions of pictures."""
    found = read_all(reports)
    found["sets"]["imagenet"] = {**FIGURES, "pictures": 1_281_167, "kept": 1_200_000, "false_removals_high": 12_345.6}
    lines = as_text(found).splitlines()
    assert max(map(len, lines)) <= 100
    assert [line.split()[0] for line in lines if line] == [
        *("set", "faces", "imagenet", "lsun"),
        *("accuracy", "imagenet-cifar10", "imagenet-svhn"),
    ]
    assert lines[-1].split() == ["imagenet-svhn", "45.1", "%", "41.0", "%", "–", "–"]
    assert "1.0 (at most 5.6)  93.2 %    81.0 %" in lines[1]


def test_the_command_prints_the_tables_on_stdout(reports: Path, run_stage: Callable[..., Any], tmp_path: Path) -> None:
    """Of the profile in params.yaml; with --json the figures alone; before the first run a sentence."""
    shutil.copyfile(ROOT / "params.yaml", tmp_path / "params.yaml")
    done = run_stage("metrics", cwd=tmp_path)
    assert done.returncode == 0 and done.stdout == as_text(read_all(reports)) + "\n"
    assert json.loads(run_stage("metrics", reports, "--json").stdout) == read_all(reports)
    none = run_stage("metrics", tmp_path)
    assert none.returncode == 1 and none.stderr.startswith("error: ") and "run dvc repro" in none.stderr


def test_dvc_s_own_table_is_readable(reports: Path, tmp_path: Path) -> None:
    """It has only the figures that are declared in dvc.yaml; with all records it was 9,819 characters wide."""
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copyfile(ROOT / name, tmp_path / name)
    shutil.copytree(ROOT / "profiles", tmp_path / "profiles")
    for arguments in (["init", "--no-scm", "-q"], ["metrics", "show"]):
        done = subprocess.run(
            [sys.executable, "-m", "dvc", *arguments], cwd=tmp_path, capture_output=True, text=True, check=True
        )
    lines = done.stdout.splitlines()
    assert len(lines) == 6 and "imagenet-svhn" in done.stdout
    assert max(map(len, lines)) <= 260
