"""The command `doctor`."""

import json

import pytest

from pipeline import files


def test_stamp_is_constant_and_failure_is_one_line(run_stage, tmp_path, write_lsun_zip):
    """Ready: a note that no parameter changes. Not ready: exit 1, one line, no note."""
    options = ["--set", "lsun", "--params", "profiles/workstation.yaml", "--archives", tmp_path / "archives"]
    done = run_stage("doctor", *options, "--to", tmp_path / "lsun.json")
    assert done.returncode == 1 and not (tmp_path / "lsun.json").exists()
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
    assert "bedroom_train_lmdb.zip: not there; put it there: 45,922,737,680 bytes" in done.stderr
    write_lsun_zip(tmp_path / "archives" / "bedroom_train_lmdb.zip", {b"k": b"v"})
    done = run_stage("doctor", *options, "--to", tmp_path / "lsun.json")
    assert done.returncode == 0, done.stderr
    assert files.read_json(tmp_path / "lsun.json") == {"ready": True, "set": "lsun"}


def test_overview_needs_no_set(run_stage, tmp_path):
    """Without a set it looks at everything and writes nothing."""
    done = run_stage("doctor", "--params", "profiles/miniature.yaml", "--archives", tmp_path, "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["sets"]["lsun"] == found["sets"]["imagenet"] == {"source": "miniature", "state": "ready"}
    for word in ("device", "processor", "free disk", "set imagenet"):
        assert word in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("options", [["--set", "lsun"], ["--to", "x.json"]])
def test_set_and_to_belong_together(run_stage, options):
    """Wrong usage is exit 2."""
    assert run_stage("doctor", "--params", "profiles/miniature.yaml", *options).returncode == 2
