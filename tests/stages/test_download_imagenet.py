"""The command `download-imagenet`."""

from pipeline.core import files
from pipeline.core.workspace import MARK


def test_the_tar_is_read_in_place(run_stage, tmp_path, write_imagenet_tar, encode):
    """The raw folder holds a description and nothing else."""
    pictures = {f"n0000000{s}": {f"{n}.JPEG": encode(n) for n in range(3)} for s in range(2)}
    write_imagenet_tar(tmp_path / "archives" / "ILSVRC2012_img_train.tar", pictures)
    options = ["--params", "profiles/workstation.yaml", "--archives", tmp_path / "archives"]
    done = run_stage("download_imagenet", "--set", "imagenet", "--to", tmp_path / "raw", *options)
    assert done.returncode == 0, done.stderr
    assert {path.name for path in (tmp_path / "raw").iterdir()} == {MARK, "source.json"}
    assert files.read_json(tmp_path / "raw" / "source.json")["count"] == 6
    assert "next: dcgan downsample-imagenet" in done.stderr


def test_a_missing_archive_says_what_to_do(run_stage, tmp_path):
    """Where to register, name, size, checksum, where to put it."""
    options = ["--params", "profiles/workstation.yaml", "--archives", tmp_path / "archives"]
    done = run_stage("download_imagenet", "--set", "imagenet", "--to", tmp_path / "raw", *options)
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    for part in ("image-net.org", "147,897,477,120 bytes", "1d675b47d978889d74fa0da5fadfb00e", "ILSVRC2012_img_train"):
        assert part in done.stderr
