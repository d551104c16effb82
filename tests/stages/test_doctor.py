"""The command `doctor`."""

import json

from pipeline.core import files


def test_stamp_is_constant_and_failure_is_one_line(run_stage, tmp_path, write_lsun_zip):
    """Not ready: exit 1, one line that names all sets, no note. Ready: a note that no parameter changes."""
    (tmp_path / "sets.yaml").write_text("sets: [lsun, imagenet]\nbenchmarks: [svhn]\n")
    options = ["--sets-from", tmp_path / "sets.yaml", "--params", "profiles/workstation.yaml"]
    options += ["--archives", tmp_path / "archives", "--to", tmp_path / "ready.json"]
    done = run_stage("doctor", *options)
    assert done.returncode == 1 and not (tmp_path / "ready.json").exists()
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
    assert "bedroom_train_lmdb.zip: not there; put it there: 45,922,737,680 bytes" in done.stderr
    assert "ILSVRC2012_img_train.tar: not there" in done.stderr
    assert "train_32x32.mat: not there" in done.stderr and "so is test_32x32.mat" in done.stderr
    write_lsun_zip(tmp_path / "archives" / "lsun" / "bedroom_train_lmdb.zip", {b"k": b"v"})
    (tmp_path / "sets.yaml").write_text("sets: [lsun]\nbenchmarks: []\n")
    done = run_stage("doctor", *options)
    assert done.returncode == 0, done.stderr
    assert files.read_json(tmp_path / "ready.json") == {"ready": True}


def test_overview_writes_nothing(run_stage, tmp_path):
    """Without --to it looks at everything, for a person."""
    done = run_stage("doctor", "--params", "profiles/miniature.yaml", "--archives", tmp_path, "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["sets"]["lsun"] == found["sets"]["svhn"] == {"source": "miniature", "state": "ready"}
    for word in ("device", "processor", "free disk", "set imagenet"):
        assert word in done.stderr
    assert not list(tmp_path.iterdir())


def test_a_file_without_sets_is_an_error(run_stage, tmp_path):
    """A wrong --sets-from is named, not taken for "no sets"."""
    (tmp_path / "sets.yaml").write_text("set: [lsun]\n")
    done = run_stage("doctor", "--sets-from", tmp_path / "sets.yaml")
    assert done.returncode == 1
    assert "sets.yaml: sets: missing" in done.stderr
