"""The command `crop-scenes`."""

import json

import pytest

from pipeline.imageset.format.image_set import ImageSet


@pytest.fixture
def raw(run_stage, tmp_path, write_lsun_zip, encode):
    """Options that name a raw folder of 70 small rooms."""
    records = {b"%040x" % n: encode(n, file_format="WEBP") for n in range(70)}
    write_lsun_zip(tmp_path / "archives" / "bedroom_train_lmdb.zip", records)
    common = ["--set", "lsun", "--archives", tmp_path / "archives"]
    options = ["--params", "profiles/workstation.yaml", "--seed", 1, "--to", tmp_path / "raw"]
    assert run_stage("download_lsun", *common, *options).returncode == 0
    return [*common, "--raw", tmp_path / "raw"]


def test_rooms_to_an_image_set(run_stage, tmp_path, raw):
    """64×64 pictures; the summary says that originals were left alone, and what is next."""
    options = ["--params", "profiles/miniature.yaml", "--to", tmp_path / "set"]
    done = run_stage("crop_scenes", *raw, *options, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"sources": 70, "pictures": 70, "bad": 0, "filtered": 0}
    assert ImageSet(tmp_path / "set").stored_side == 64
    assert "70 of 70 pictures cut to 64×64" in done.stderr and "originals untouched; next:" in done.stderr


def test_it_needs_the_raw_folder(run_stage, tmp_path):
    """Run out of order: one line that names the missing file."""
    options = ["--set", "lsun", "--params", "profiles/miniature.yaml", "--archives", tmp_path, "--to", tmp_path / "set"]
    done = run_stage("crop_scenes", "--raw", tmp_path / "raw", *options)
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert "source.json: no such file; run the command that makes it first" in done.stderr
