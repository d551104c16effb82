"""The command `download-lsun`."""

import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from pipeline.acquire.archives import find_archive
from pipeline.acquire.archives.lsun_category import acquire_from, named_section
from pipeline.acquire.download import checksums, download
from pipeline.core import files
from pipeline.core.errors import BadParameters
from pipeline.datasets.pictures import lsun
from stages.download_lsun import Category, Thing
from tests.acquire.scripted_server import Behaviour, Server, serving
from tests.conftest import folder_bytes

ROOT = Path(__file__).parents[2]
BEDROOM = ["--category", "bedroom", "--split", "train"]


@pytest.fixture
def command(tmp_path):
    """A function that runs `dcgan download-lsun …` in a folder of the user's own."""

    def command(*options, start=False):
        run = subprocess.Popen(
            [sys.executable, "-m", "stages", "download-lsun", *map(str, options)],
            cwd=tmp_path,
            env={**os.environ, "NO_PROXY": "127.0.0.1", "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        if start:
            return run
        output = run.communicate(timeout=600)
        return subprocess.CompletedProcess(run.args, run.returncode, *output)

    return command


@pytest.fixture
def zip_file(tmp_path, write_lsun_zip, encode):
    """A rebuilt archive of three pictures."""
    records = {b"%040x" % n: encode(n, file_format="WEBP") for n in range(3)}
    return write_lsun_zip(tmp_path / "upstream" / "bedroom_train_lmdb.zip", records)


def test_archive_to_raw_folder(run_stage, tmp_path, write_lsun_zip, encode):
    """The zip is unpacked, described, and left as it was."""
    archive = write_lsun_zip(
        tmp_path / "archives" / "bedroom_train_lmdb.zip", {b"%040x" % n: encode(n) for n in range(3)}
    )
    before = archive.read_bytes()
    options = ["--params", "profiles/workstation.yaml", "--archives", tmp_path / "archives", "--json"]
    done = run_stage("download_lsun", "--set", "lsun", "--to", tmp_path / "raw", *options)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == files.read_json(tmp_path / "raw" / "source.json")
    assert "3 pictures in bedroom_train_lmdb.zip" in done.stderr and "next: dcgan crop-scenes" in done.stderr
    assert archive.read_bytes() == before


def test_a_truncated_zip_is_one_line(run_stage, tmp_path, write_lsun_zip):
    """The commonest accident with LSUN ends in advice, not in a traceback, and publishes nothing."""
    archive = write_lsun_zip(tmp_path / "archives" / "bedroom_train_lmdb.zip", {b"k": b"v" * 9000})
    archive.write_bytes(archive.read_bytes()[:-200])
    options = ["--params", "profiles/workstation.yaml", "--archives", tmp_path / "archives"]
    done = run_stage("download_lsun", "--set", "lsun", "--to", tmp_path / "raw", *options)
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert done.stderr.startswith("error: ") and "truncated" in done.stderr and "download it again" in done.stderr
    assert not (tmp_path / "raw").exists()


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # torchvision leaves its key cache open
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_from_a_mirror_into_a_folder_of_ones_own(command, tmp_path, zip_file, monkeypatch):
    """Category and split name the archive; what is unpacked is read by torchvision as it stands."""
    with serving(Behaviour([zip_file.read_bytes()])) as server:
        mirror = ["--url", f"{server.url}/lsun/scenes", "--to", "lsun/bedroom_train_lmdb"]
        done = command(*BEDROOM, *mirror)
        assert done.returncode == 1 and "expected 45,922,737,680" in done.stderr and "--any-checksum" in done.stderr
        done = command(*BEDROOM, *mirror, "--any-checksum", "--json")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["count"] == 3
        asked = len(server.asked)
        assert command(*BEDROOM, *mirror, "--any-checksum").returncode == 0 and len(server.asked) == asked
    assert [path.name for path in (tmp_path / "lsun" / "archives").iterdir()] == [zip_file.name]
    from torchvision.datasets import LSUN

    monkeypatch.chdir(tmp_path)  # it writes a cache of the keys
    pictures = LSUN("lsun", classes=["bedroom_train"])
    assert len(pictures) == 3 and pictures[2][0].size == (60, 48) and pictures[2][1] == 0


def test_every_archive_of_upstream_has_its_options(command, tmp_path, zip_file):
    """Ten categories of scenes in two parts, the test set, objects; a mirror may be a folder here."""
    assert tuple(Category) == lsun.CATEGORIES and len(lsun.CATEGORIES) == 10
    assert tuple(Thing) == lsun.OBJECTS and len(lsun.OBJECTS) == 20
    for category in lsun.CATEGORIES:
        for split in ("train", "val"):
            section = named_section(category=category, split=split)
            known = lsun.ARCHIVES[section.archive]
            assert known.url == f"http://dl.yf.io/lsun/scenes/{category}_{split}_lmdb.zip" and known.sha256
            assert section.checksum == "upstream"
    test = lsun.ARCHIVES["test_lmdb.zip"]
    assert (test.url, test.entries) == ("http://dl.yf.io/lsun/scenes/test_lmdb.zip", 10_000)
    assert named_section(split="test").checksum == "any", "none is published"
    assert lsun.ARCHIVES["tv-monitor.zip"].url == "http://dl.yf.io/lsun/objects/tv-monitor.zip"
    assert lsun.folder_of("test_lmdb.zip") == "http://dl.yf.io/lsun/scenes"
    assert lsun.folder_of("tv-monitor.zip") == "http://dl.yf.io/lsun/objects"
    with pytest.raises(BadParameters, match="--object dinosaur: LSUN has airplane"):
        named_section(thing="dinosaur")
    for options, name in ((["--split", "test"], "test_lmdb.zip"), (["--object", "cat", "--any-checksum"], "cat.zip")):
        zip_file = zip_file.rename(zip_file.with_name(name))
        done = command(*options, "--url", zip_file.parent.as_uri(), "--to", tmp_path / f"{name}-raw")
        assert done.returncode == 0, done.stderr
        assert f"3 pictures in {name}" in done.stderr


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--set", "lsun"],
        ["--set", "lsun", "--category", "bedroom"],
        ["--split", "train"],
        ["--split", "test", "--category", "bedroom"],
        ["--category", "garage"],
        ["--object", "cat", "--split", "val"],
    ],
    ids=" ".join,
)
def test_options_that_do_not_go_together(command, options):
    """Wrong usage is told as such."""
    assert command(*options, "--to", "x").returncode == 2


def test_a_set_from_a_mirror(command, tmp_path, zip_file):
    """A profile's set takes its archive from a mirror as well, if it is not there."""
    options = ["--set", "lsun", "--archives", "archives", "--to", "raw"]
    done = command(*options, "--url", zip_file.parent)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "archives" / zip_file.name).read_bytes() == zip_file.read_bytes()
    done = command(*options, "--params", ROOT / "profiles/miniature.yaml", "--url", zip_file.parent)
    assert done.returncode == 1 and "synthetic" in done.stderr


def test_what_was_just_fetched_is_hashed_once(tmp_path, zip_file, monkeypatch):
    """43 GB take minutes to read: the download's checksums are those that `source.json` states."""
    hashed = []

    def counted(path):
        hashed.append(path.name)
        return checksums.checksums(path)

    for module in (find_archive, download):
        monkeypatch.setattr(module, "checksums", counted)
    section = named_section(category="bedroom", any_checksum=True)
    places = {"archives": tmp_path / "archives", "to": tmp_path / "raw"}
    found = acquire_from(str(zip_file.parent), section, **places, connections=1)
    assert hashed == [f"{zip_file.name}.part"] and found["sha256"] == files.sha256_file(zip_file)
    assert acquire_from(None, section, **places, connections=1) == found
    assert hashed[1:] == [zip_file.name], "an archive that was there may be another by now"


@pytest.mark.parametrize("members", [0, pytest.param(66_000, marks=pytest.mark.long)])
def test_a_large_zip(command, tmp_path, zip_file, members):
    """Beyond 4 GB, or 65,535 members, a zip speaks another dialect, Zip64."""
    with zipfile.ZipFile(zip_file) as archive:
        data = archive.read("bedroom_train_lmdb/data.mdb")
    with zipfile.ZipFile(zip_file, "w") as archive:
        with archive.open("bedroom_train_lmdb/data.mdb", "w", force_zip64=True) as member:
            member.write(data)
        for number in range(members):
            archive.writestr(f"bedroom_train_lmdb/{number}", b"")
    done = command(*BEDROOM, "--url", zip_file.parent, "--to", "raw", "--any-checksum")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "raw" / "data.mdb").read_bytes() == data


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files in a folder, -1 where there is none; a file may be renamed at any moment."""
    with contextlib.suppress(FileNotFoundError):
        return sum(each.stat().st_size for each in (path.iterdir() if path.is_dir() else [path]))
    return -1


def run_killed(command, server: Server, folder: Path, seed: int) -> int:
    """Kill the command at a random moment of downloading or unpacking, then run it to its end; bytes asked twice.

    Who watches may himself be kept waiting, and the command be done by then: it starts anew until the kill meets it.
    """
    chance = random.Random(seed)
    to = folder / f"{seed}" / "raw"
    options = [*BEDROOM, "--url", f"{server.url}/lsun/scenes", "--to", to, "--any-checksum"]
    length, moment = len(server.content), 0.9 * chance.random()
    part = to.parent / "archives" / "bedroom_train_lmdb.zip.part"
    watched = to.parent / ".raw.partial" / "result" if seed % 2 else part
    for _attempt in range(10):
        server.asked.clear()
        run = command(*options, start=True)
        while run.poll() is None and size_of(watched) < moment * length:
            time.sleep(0.0005)
        run.send_signal(signal.SIGKILL)
        errors = run.communicate()[1]
        if run.returncode != 0:
            break
        shutil.rmtree(to.parent)
    assert run.returncode == -signal.SIGKILL, errors or f"{seed}: too late each time"
    assert not (to / "data.mdb").exists()
    kept = part.stat().st_size if part.exists() else length
    assert server.asked == [None]
    done = command(*options)
    assert done.returncode == 0, done.stderr
    if len(server.asked) == 1:
        return 0
    start = int(server.asked[1][6:].partition("-")[0]) if server.asked[1] else 0
    return kept - start


@pytest.fixture
def heavy_zip(tmp_path, write_lsun_zip):
    """An archive that takes a moment to fetch and to unpack."""
    draw = random.Random(1)
    return write_lsun_zip(
        tmp_path / "upstream" / "bedroom_train_lmdb.zip", {b"%040x" % n: draw.randbytes(400_000) for n in range(80)}
    )


def killed(command, tmp_path, archive, seeds):
    """Kill at one moment for each seed; the bytes asked for twice."""
    assert command(*BEDROOM, "--url", archive.parent, "--to", "calm/raw", "--any-checksum").returncode == 0
    expected = folder_bytes(tmp_path / "calm")
    with serving(Behaviour([archive.read_bytes()], rate=60e6)) as server:
        twice = []
        for seed in seeds:
            twice.append(run_killed(command, server, tmp_path, seed))
            assert folder_bytes(tmp_path / f"{seed}") == expected, seed
        return twice


def test_killed_while_unpacking(command, tmp_path, heavy_zip):
    """A taste of the next test."""
    assert killed(command, tmp_path, heavy_zip, [1001]) == [0]


@pytest.mark.long
def test_killed_at_random_moments(command, tmp_path, heavy_zip, pytestconfig):
    """25 moments of the download, 25 of unpacking: the same bytes as undisturbed; nothing that was kept comes again."""
    times = 50 if pytestconfig.getoption("--all") else pytestconfig.getoption("--kills")
    assert killed(command, tmp_path, heavy_zip, range(times)) == [0] * times
