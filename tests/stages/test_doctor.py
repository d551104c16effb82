"""The command `doctor`."""

import json
import shutil
from pathlib import Path

import pytest

from pipeline.core import files
from tests.conftest import ROOT


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The project's YAML files and verdicts, and folders of archives, all of them empty."""
    shutil.copytree(ROOT / "profiles", tmp_path / "profiles")
    shutil.copytree(ROOT / "audit", tmp_path / "audit")
    shutil.copyfile(ROOT / "params.yaml", tmp_path / "params.yaml")
    for name in ("lsun", "imagenet", "faces", "cifar10", "svhn"):
        (tmp_path / "archives" / name).mkdir(parents=True)
    return tmp_path


def test_stamp_is_constant_and_the_verdict_is_the_last_line(run_stage, project, write_lsun_zip):
    """Not ready: exit 1, all problems, no stamp. Ready: a stamp that no parameter changes, and the verdict."""
    lists = project / "params.yaml"
    options = ["--sets-from", lists, "--params", project / "profiles" / "workstation.yaml"]
    options += ["--archives", project / "archives", "--to", project / "ready.json"]
    done = run_stage("doctor", *options)
    assert done.returncode == 1 and not (project / "ready.json").exists()
    assert "bedroom_train_lmdb.zip: not there; put it there: 45,922,737,680 bytes" in done.stderr
    assert "ILSVRC2012_img_train.tar: not there" in done.stderr
    assert "train_32x32.mat: not there" in done.stderr and "so is test_32x32.mat" in done.stderr
    assert "5 sets, 5 problems; correct what is listed" in done.stderr.splitlines()[-1]
    write_lsun_zip(project / "archives" / "lsun" / "bedroom_train_lmdb.zip", {b"k": b"v"})
    lists.write_text(
        "profile: workstation\nseed: 1\nscenes: [lsun]\nnatural: []\nportraits: []\nsets: [lsun]\nbenchmarks: []\n"
        "evaluated: []\n"
    )
    done = run_stage("doctor", *options, "--features", project / "features")
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[-1].startswith("doctor: ready: ")
    assert files.read_json(project / "ready.json") == {"ready": True}
    assert (project / "features" / "README.md").exists()


def test_mistakes_of_later_stages_are_found_before_the_first_one(run_stage, project):
    """A misspelt key of the figures, a set that no list makes, verdicts and a folder that are gone: all at once."""
    profile, lists = project / "profiles" / "miniature.yaml", project / "params.yaml"
    profile.write_text(profile.read_text().replace("batch_statistics: false #", "batch_statistic: false #"))
    lists.write_text(lists.read_text().replace("portraits: [faces]", "portraits: [face]"))
    (project / "audit" / "lsun" / "verdicts.csv").unlink()
    (project / "archives" / "svhn").rmdir()
    done = run_stage("doctor", "--sets-from", lists, "--archives", project / "archives")
    assert done.returncode == 1
    problems = [line for line in done.stderr.splitlines() if line.startswith("problem ")]
    assert len(problems) == 6
    for words in (
        "figures.lsun.samples.batch_statistic: unknown key",
        "did you mean batch_statistics?",
        "face: no set of the profile; did you mean faces?",
        "sets: faces is in none of scenes, natural and portraits",
        "lsun/verdicts.csv: not there; run dcgan init lsun",
        "svhn: no such folder; make it",
    ):
        assert any(words in problem for problem in problems), words
    assert (
        "set faces        1 problem, listed below" not in done.stderr and "set lsun         2 problems" in done.stderr
    )
    quiet = run_stage("doctor", "--sets-from", lists, "--archives", project / "archives", "-q")
    assert quiet.returncode == 1 and quiet.stderr.splitlines() == problems


def test_overview_writes_nothing(run_stage, project):
    """Without --to it is for a person, or as JSON for a bug report; the GPU is named, or its absence."""
    before = sorted(project.rglob("*"))
    done = run_stage("doctor", "--sets-from", project / "params.yaml", "--archives", project / "archives", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["ready"] and found["problems"] == []
    assert found["sets"]["lsun"] == found["sets"]["svhn"] == "ready (source: miniature)"
    assert done.stderr.startswith("gpu  ")
    for word in ("processor", "free disk", "set imagenet"):
        assert word in done.stderr
    assert sorted(project.rglob("*")) == before


def test_the_profile_of_params_yaml_is_checked_by_default(run_stage):
    """In the folder of the project, `dcgan doctor` needs no option."""
    done = run_stage("doctor")
    assert done.returncode == 0, done.stderr
    assert "doctor: ready: profiles/miniature.yaml, 5 sets; next: dvc repro" in done.stderr


def test_a_file_without_sets_is_an_error(run_stage, tmp_path):
    """A wrong --sets-from is named, not taken for "no sets"."""
    (tmp_path / "sets.yaml").write_text("set: [lsun]\n")
    done = run_stage("doctor", "--sets-from", tmp_path / "sets.yaml")
    assert done.returncode == 1
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
    assert "sets.yaml: set: unknown key" in done.stderr and "did you mean sets?" in done.stderr
