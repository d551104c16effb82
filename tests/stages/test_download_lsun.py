"""The command `download-lsun`."""

import json

from pipeline import files


def test_archive_to_raw_folder(run_stage, tmp_path, write_lsun_zip, encode):
    """The zip is unpacked, described, and left as it was."""
    archive = write_lsun_zip(
        tmp_path / "archives" / "bedroom_train_lmdb.zip", {b"%040x" % n: encode(n) for n in range(3)}
    )
    before = archive.read_bytes()
    options = ["--params", "profiles/workstation.yaml", "--archives", tmp_path / "archives", "--seed", 1, "--json"]
    done = run_stage("download_lsun", "--set", "lsun", "--to", tmp_path / "raw", *options)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == files.read_json(tmp_path / "raw" / "source.json")
    assert "3 pictures in bedroom_train_lmdb.zip" in done.stderr and "next: dcgan crop-scenes" in done.stderr
    assert archive.read_bytes() == before


def test_a_truncated_zip_is_one_line(run_stage, tmp_path, write_lsun_zip):
    """The commonest accident with LSUN ends in advice, not in a traceback, and publishes nothing."""
    archive = write_lsun_zip(tmp_path / "archives" / "bedroom_train_lmdb.zip", {b"k": b"v" * 9000})
    archive.write_bytes(archive.read_bytes()[:-200])
    options = ["--params", "profiles/workstation.yaml", "--archives", tmp_path / "archives", "--seed", 1]
    done = run_stage("download_lsun", "--set", "lsun", "--to", tmp_path / "raw", *options)
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert done.stderr.startswith("error: ") and "truncated" in done.stderr and "download it again" in done.stderr
    assert not (tmp_path / "raw").exists()
