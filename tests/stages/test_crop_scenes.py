"""The command `crop-scenes`."""

import json

import pytest

from pipeline.core import files
from pipeline.imageset.format.image_set import ImageSet
from tests.conftest import folder_bytes


@pytest.fixture
def raw(run_stage, tmp_path, write_lsun_zip, encode):
    """Options that name a raw folder of 70 small rooms."""
    records = {b"%040x" % n: encode(n, file_format="WEBP") for n in range(70)}
    write_lsun_zip(tmp_path / "archives" / "bedroom_train_lmdb.zip", records)
    common = ["--set", "lsun", "--archives", tmp_path / "archives"]
    options = ["--params", "profiles/workstation.yaml", "--to", tmp_path / "raw"]
    assert run_stage("download_lsun", *common, *options).returncode == 0
    return [*common, "--source", tmp_path / "raw"]


def test_rooms_to_an_image_set(run_stage, tmp_path, raw):
    """64×64 pictures; the summary says that originals were left alone, and what is next."""
    options = ["--params", "profiles/miniature.yaml", "--to", tmp_path / "set"]
    done = run_stage("crop_scenes", *raw, *options, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"sources": 70, "pictures": 70, "bad": 0, "filtered": 0}
    assert ImageSet(tmp_path / "set").stored_side == 64
    assert "70 of 70 pictures cropped to 64×64" in done.stderr and "were only read; next:" in done.stderr


def test_what_is_wrong_with_a_source_is_one_line(run_stage, tmp_path, raw, encode):
    """A path that is not there; a raw folder whose archive lies elsewhere; a folder without pictures."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "archives" / "sample").mkdir()
    (tmp_path / "archives" / "sample" / "1.jpg").write_bytes(encode(1))
    described = {"source": "archive", "archive": "sample", "bytes": 1, "sha256": "", "count": 1, "upstream": False}
    (tmp_path / "read-in-place").mkdir()
    files.write_json(tmp_path / "read-in-place" / "source.json", described | {"place": "archives", "kind": "folder"})
    for source, said in (
        ("nowhere", "no such file or folder; correct the path"),
        ("read-in-place", "--archives: missing; "),
        ("empty", "holds no pictures"),
    ):
        done = run_stage("crop_scenes", "--source", tmp_path / source, "--to", tmp_path / "set")
        assert done.returncode == 1 and done.stderr.startswith("error: ") and done.stderr.count("\n") == 1, done.stderr
        assert said in done.stderr and not (tmp_path / "set").exists()


def test_published_archives_need_no_download_step(run_stage, tmp_path, raw):
    """LSUN's zip is unpacked on the way, and gives the same set as its raw folder; no profile is needed."""
    archive = tmp_path / "archives" / "bedroom_train_lmdb.zip"
    made = []
    for name, options in (("by-hand", ["--source", archive]), ("described", raw)):
        done = run_stage("crop_scenes", *options, "--to", tmp_path / name)
        assert done.returncode == 0 and "70 of 70 pictures cropped to 64×64" in done.stderr, done.stderr
        made.append(folder_bytes(tmp_path / name))
    assert made[0] == made[1]
    assert sorted(path.name for path in (tmp_path / "archives").iterdir()) == [archive.name]
    assert not list(tmp_path.glob(".*.partial"))
