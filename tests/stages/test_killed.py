"""A stage that is killed with -9 at any moment leaves nothing half-written, and run again it gives the same bytes.

Only the command's own process is killed, never its workers: they have to notice by themselves, and end.
"""

import contextlib
import random
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import lmdb
import pytest

from tests.conftest import folder_bytes

ROOT = Path(__file__).parents[2]
PROFILE = """
acquire:
  lsun: {source: archive, archive: room_lmdb.zip, checksum: any, keep_archive: true, count: 1, planted_share: 0.0}
  imagenet: {source: archive, archive: train.tar, checksum: any, keep_archive: true, count: 1, planted_share: 0.0}
  faces: {source: miniature, archive: photos.zip, checksum: any, keep_archive: true, count: 40, planted_share: 0.1}
prepare:
  lsun: {side: 64, resize: area, chunk_keys: 4, max_bad: 0.0, max_pixels: 10000000, keep_damaged: false}
  imagenet: {side: 32, resize: area, chunk_keys: 4, max_bad: 0.0, max_pixels: 10000000, keep_damaged: false}
  faces: {side: 128, detector: haar, model: frontalface_default, model_sha256: "", scale: 1.1, neighbours: 5,
    score: 0.6, network_side: 512, smallest: 64, margin: 0.5, chunk_keys: 4, max_bad: 0.1,
    max_pixels: 10000000, keep_damaged: false}
"""
SCENES, SCENE_PADDING, SYNSETS, PICTURES_EACH = 300, 600_000, 10, 30


class Stage(NamedTuple):
    """A stage to be killed: its set, the command that makes its input, and how many processes do its work."""

    name: str
    before: str | None
    workers: int


STAGES = {
    "download_lsun": Stage("lsun", None, 1),
    "crop_scenes": Stage("lsun", "download_lsun", 1),
    "crop_faces": Stage("faces", "draw_miniature", 2),
    "downsample_imagenet": Stage("imagenet", "download_imagenet", 2),
}


@pytest.fixture
def write_archives(tmp_path: Path, encode: Callable[..., bytes], write_imagenet_tar: Any) -> Callable[[str], None]:
    """A function that writes a set's archive, large enough that a stage works on it for a second or more."""

    def write(name: str) -> None:
        (tmp_path / "archives").mkdir()
        chance = random.Random(1)
        pictures = [encode(number, shape=(500, 400)) for number in range(8)]
        if name == "lsun":  # noise behind each picture's end makes the LMDB large
            with (
                lmdb.open(str(tmp_path / "room"), map_size=1 << 29, lock=False) as environment,
                environment.begin(write=True) as writer,
            ):
                for number in range(SCENES):
                    writer.put(b"%040x" % number, pictures[number % 8] + chance.randbytes(SCENE_PADDING))
            with zipfile.ZipFile(tmp_path / "archives" / "room_lmdb.zip", "w") as archive:
                archive.write(tmp_path / "room" / "data.mdb", "room_lmdb/data.mdb", zipfile.ZIP_DEFLATED, 1)
        if name == "imagenet":
            synsets = {
                f"n{synset:08}": {f"{n}.JPEG": pictures[n % 8] + chance.randbytes(9) for n in range(PICTURES_EACH)}
                for synset in range(SYNSETS)
            }
            write_imagenet_tar(tmp_path / "archives" / "train.tar", synsets)

    return write


class Killer:
    """Runs one stage again and again, into a new folder each time."""

    def __init__(self, module: str, folder: Path) -> None:
        self.stage, self.folder, self.module = STAGES[module], folder, module
        (folder / "profile.yaml").write_text(PROFILE)
        if self.stage.before:
            done = self.start(self.stage.before, folder / "raw")
            assert done.wait(timeout=600) == 0
        calm = folder / "calm" / "out"
        run, began = self.start(module, calm), time.monotonic()
        self.most = 0
        while run.poll() is None:
            self.most = max(self.most, written(calm))
        assert run.returncode == 0
        self.took = time.monotonic() - began
        self.expected = folder_bytes(calm)
        assert self.expected and [path.name for path in calm.parent.iterdir()] == ["out"]
        shutil.rmtree(calm.parent)

    def start(self, module: str, to: Path) -> "subprocess.Popen[bytes]":
        options: list[object] = ["--set", self.stage.name, "--params", self.folder / "profile.yaml", "--to", to]
        if module.startswith("draw"):
            options += ["--seed", 1]
        else:
            options += ["--archives", self.folder / "archives"]
        if not module.startswith(("draw", "download")):
            source = self.folder / "raw" / ("photos.zip" if self.stage.name == "faces" else "")
            options += ["--source", source, "-j", self.stage.workers]
        command = [sys.executable, "-m", f"stages.{module}", *map(str, options)]
        return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def kill_and_run_again(self, share: float, later: float) -> bool:
        """Kill a run a little after it has written a share of what it writes at most, and run it again to its end.

        Time would not do: how long work takes depends on who else uses the machine.

        Returns:
            Whether there was work left.
        """
        out = self.folder / f"{share}" / "out"
        run, whole = self.start(self.module, out), False
        while written(out) <= share * self.most and run.poll() is None:
            if not whole and out.exists():
                whole = self.whole(out)
            time.sleep(0.001)
        time.sleep(later * self.took)
        run.kill()
        inside = run.wait() != 0 and partial(out).exists()
        assert not out.exists() or self.whole(out), share
        again = self.start(self.module, out)
        assert again.wait(timeout=600) == 0 and self.whole(out), share
        assert [path.name for path in out.parent.iterdir()] == ["out"], share
        shutil.rmtree(out.parent)
        return inside

    def whole(self, out: Path) -> bool:
        """What stands under the final name is all there, and the same bytes."""
        assert folder_bytes(out) == self.expected
        return True


def partial(out: Path) -> Path:
    """Where work in progress lies."""
    return out.with_name(f".{out.name}.partial")


def written(out: Path) -> int:
    """Bytes of work in progress; -1 before there is any."""
    if not partial(out).exists():
        return -1
    total = 0
    with contextlib.suppress(FileNotFoundError):  # what was there has just been moved
        for path in partial(out).rglob("*"):
            total += path.stat().st_size
    return total


def kill_often(module: str, folder: Path, times: int) -> int:
    """Kill a stage at random moments, one in each of `times` equal parts of its work; how many fell inside it."""
    killer, chance = Killer(module, folder), random.Random(f"{module} {times}")
    shares = [(part + chance.random()) / times for part in range(times)]
    return sum(killer.kill_and_run_again(share, chance.uniform(0, 0.02)) for share in shares)


def test_killed_at_two_moments(tmp_path: Path, write_archives: Callable[[str], None]) -> None:
    """A short form of the next test."""
    write_archives("imagenet")
    kill_often("downsample_imagenet", tmp_path, 2)


@pytest.mark.long
@pytest.mark.parametrize("module", STAGES)
def test_killed_at_random_moments(
    module: str,
    tmp_path: Path,
    write_archives: Callable[[str], None],
    pytestconfig: pytest.Config,
    record_property: Callable[[str, object], None],
) -> None:
    """From the first moment to the last: the same bytes, no trace of the killed run; a third is inside the work."""
    write_archives(STAGES[module].name)
    times = pytestconfig.getoption("--kills")
    inside = kill_often(module, tmp_path, times)
    record_property(f"of {times} kills inside the work", inside)
    assert inside >= times // 3  # chunks are joined too quickly to be hit each time
