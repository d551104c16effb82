"""The command `downsample-imagenet`: workers, kill -9, and the same bytes all the same."""

import hashlib
import os
import pickle
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pipeline.core import files
from pipeline.imageset.format.image_set import ImageSet
from tests.killing import running

ROOT = Path(__file__).parents[2]
PROFILE = """
acquire:
  imagenet: {source: archive, archive: train.tar, checksum: any, keep_archive: true, count: 1, planted_share: 0.0}
prepare:
  imagenet: {side: 32, resize: cv2-bilinear, chunk_keys: 8, max_bad: 0.1, max_pixels: 10000000, keep_damaged: false}
"""
PICTURES = 320
CHUNKS = PICTURES // 8


def folder_bytes(folder):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


@pytest.fixture
def options(run_stage, tmp_path, write_imagenet_tar, encode):
    """Options that name a raw folder of 40 chunks, some of whose pictures are broken."""
    large = [encode(number, shape=(500, 400)) for number in range(8)]
    pictures = [large[number % 8] + bytes([number % 251]) for number in range(PICTURES)]
    pictures[100] = b"broken"
    synsets = {
        f"n{synset:08}": {f"n{synset:08}_{number}.JPEG": pictures[synset * 32 + number] for number in range(32)}
        for synset in range(PICTURES // 32)
    }
    write_imagenet_tar(tmp_path / "archives" / "train.tar", synsets)
    (tmp_path / "profile.yaml").write_text(PROFILE)
    common = ["--set", "imagenet", "--params", tmp_path / "profile.yaml", "--archives", tmp_path / "archives"]
    done = run_stage("download_imagenet", *common, "--to", tmp_path / "raw")
    assert done.returncode == 0, done.stderr
    return [*common, "--source", tmp_path / "raw"]


def test_one_and_two_workers_and_a_kill_give_the_same_bytes(run_stage, tmp_path, options):
    """kill -9 in the middle, then again: what was done is taken over, counted, and nothing differs."""
    for workers in (1, 2):
        done = run_stage("downsample_imagenet", *options, "-j", workers, "--to", tmp_path / f"j{workers}")
        assert done.returncode == 0, done.stderr
        assert "319 of 320 pictures cropped to 32×32; 1 unreadable" in done.stderr
    assert folder_bytes(tmp_path / "j1") == folder_bytes(tmp_path / "j2")

    scratch = tmp_path / ".killed.partial" / "scratch"
    command = [sys.executable, "-m", "stages.downsample_imagenet", *options, "-j", "1", "--to", tmp_path / "killed"]
    with running(command, lambda: len(list(scratch.glob("*.json"))) >= 3):
        pass
    survived = {path.name: path.stat().st_mtime_ns for path in scratch.glob("*.json")}
    assert 3 <= len(survived) < CHUNKS and not (tmp_path / "killed").exists()

    done = run_stage("downsample_imagenet", *options, "-j", "1", "--to", tmp_path / "killed")
    assert done.returncode == 0, done.stderr
    (count, total) = re.search(r"(\d+) of (\d+) chunks were done before", done.stderr).groups()
    assert (int(count), int(total)) == (len(survived), CHUNKS)
    assert folder_bytes(tmp_path / "killed") == folder_bytes(tmp_path / "j1")
    assert not list(tmp_path.glob(".*.partial"))


def test_one_line_without_any_preparation(tmp_path: Path, options: list[object]) -> None:
    """`dcgan downsample-imagenet --source ILSVRC2012_img_train.tar --to sets/imagenet` in a folder of the user's own:
    the set that the download step and the profile give, but for the numbers, which are the workstation profile's."""
    (tmp_path / "archives" / "train.tar").rename(tmp_path / "ILSVRC2012_img_train.tar")
    command = [sys.executable, "-m", "stages", "downsample-imagenet", "--source", "ILSVRC2012_img_train.tar"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [*command, "--to", "sets/imagenet"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0 and "319 of 320 pictures cropped to 32×32" in done.stderr, done.stderr
    images = ImageSet(tmp_path / "sets" / "imagenet")
    assert images.stored_side == 32 and images.index.column("label")[0].as_py() == "n00000000"
    assert sorted(path.name for path in (tmp_path / "sets").iterdir()) == ["imagenet"]


def test_ctrl_c_is_one_line_and_loses_nothing(tmp_path, options):
    """A terminal interrupts the command and its workers at once: no traceback of any of them, and chunks are kept."""
    scratch = tmp_path / ".out.partial" / "scratch"
    command = [sys.executable, "-m", "stages.downsample_imagenet", *options, "-j", "2", "--to", tmp_path / "out"]
    with running(command, lambda: len(list(scratch.glob("*.json"))) >= 3, stderr=subprocess.PIPE) as process:
        os.killpg(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=600)
    assert process.returncode == 130
    assert errors == "downsample-imagenet: interrupted; finished work is kept; run the command again to continue\n"
    assert len(list(scratch.glob("*.json"))) >= 3 and not (tmp_path / "out").exists()


@pytest.mark.parametrize("limit", [20_000, 300_000])
def test_no_room_is_one_line_and_loses_nothing(run_stage, tmp_path, options, limit):
    """A file that cannot grow (here by a limit, else by a full disk) is an error, in a chunk (3 kB a picture) and in a
    shard alike; with room again, the run goes on."""
    command = [sys.executable, "-m", "stages.downsample_imagenet", *options, "-j", "1", "--to", tmp_path / "out"]
    limited = ["prlimit", f"--fsize={limit}", *map(str, command)]
    done = subprocess.run(limited, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
    assert "File too large" in done.stderr and not (tmp_path / "out").exists()
    assert run_stage("downsample_imagenet", *options, "--to", tmp_path / "out").returncode == 0


def test_a_stand_in_keeps_its_pixels_and_says_what_it_is(run_stage, tmp_path):
    """Downsampled ImageNet's pickles are at the set's side already; both commands warn, and source.json has a field."""
    data = np.random.default_rng(1).integers(0, 256, (5, 3072), dtype=np.uint8)
    (tmp_path / "archives" / "train.tar").mkdir(parents=True)  # the name is the profile's: a folder as well
    (tmp_path / "archives" / "train.tar" / "val_data").write_bytes(
        pickle.dumps({"data": data, "labels": [1, 2, 3, 4, 5]})
    )
    (tmp_path / "profile.yaml").write_text(PROFILE)
    common = ["--set", "imagenet", "--params", tmp_path / "profile.yaml", "--archives", tmp_path / "archives"]
    stand_in = "squashed to 32×32 instead of centre-cropped"
    done = run_stage("download_imagenet", *common, "--to", tmp_path / "raw")
    assert done.returncode == 0 and done.stderr.count(f"warning: {tmp_path}/archives/train.tar: a substitute") == 1
    assert files.read_json(tmp_path / "raw" / "source.json")["stand_in"] == stand_in
    done = run_stage("downsample_imagenet", *common, "--source", tmp_path / "raw", "--to", tmp_path / "set", "-j", 2)
    assert done.returncode == 0 and done.stderr.count(stand_in) == 1, done.stderr
    images = ImageSet(tmp_path / "set")
    assert np.array_equal(images.read(np.arange(5)), data.reshape(5, 3, 32, 32).transpose(0, 2, 3, 1))
    assert images.index.column("label").to_pylist() == ["1", "2", "3", "4", "5"]
