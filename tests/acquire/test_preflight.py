"""What doctor sees before the first byte is moved."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.acquire.preflight import check_archives, check_benchmark
from pipeline.core import disk
from pipeline.core.errors import BadParameters, ChecksumMismatch, CorruptData, MissingInput, PipelineError

Check = Callable[..., Path]

PROFILE = """
acquire:
  lsun:
    {{source: {source}, archive: {archive}, checksum: {checksum}, keep_archive: {keep}, count: 99, planted_share: 0.1}}
prepare:
  lsun: {{side: 64, resize: area, chunk_keys: 64, max_bad: 0.01, max_pixels: 1000, keep_damaged: false}}
"""


@pytest.fixture
def check(tmp_path):
    """A function that checks the set `lsun` with one key of its section changed."""

    def check(source="archive", archive="bedroom_train_lmdb.zip", checksum="any", keep="true"):
        profile = tmp_path / "profile.yaml"
        profile.write_text(PROFILE.format(source=source, archive=archive, checksum=checksum, keep=keep))
        check_archives(profile, "lsun", archives=tmp_path / "archives" / "lsun", work=tmp_path / "not" / "yet")
        return profile

    return check


@pytest.fixture
def free(tmp_path, monkeypatch):
    """A function that sets the free bytes of every disk."""
    real = shutil.disk_usage(tmp_path)

    def free(count):
        monkeypatch.setattr(disk.shutil, "disk_usage", lambda _: real._replace(free=count))

    return free


def test_an_archive_that_is_there_is_enough(check, tmp_path, write_lsun_zip):
    """Nothing is written by looking."""
    write_lsun_zip(tmp_path / "archives" / "lsun" / "bedroom_train_lmdb.zip", {b"k": b"v"})
    check()
    assert not (tmp_path / "not").exists()


def test_what_is_missing_is_named(check):
    """The same words as the download would say, before anything runs."""
    with pytest.raises(MissingInput, match=r"bedroom_train_lmdb\.zip: not there; put it there: 45,922,737,680 bytes"):
        check()
    with pytest.raises(BadParameters, match="archive: other is not published"):
        check(source="upstream", archive="other")


def test_drawing_and_fetching_need_no_archive(check):
    """The miniature, and a public URL for a small part of LSUN."""
    check(source="miniature")
    check(source="upstream", archive="bedroom_val_lmdb.zip", checksum="upstream")


def test_a_broken_archive_is_seen_early(check, tmp_path, write_lsun_zip):
    """A zip without its end, and one that cannot be upstream's."""
    archive = write_lsun_zip(tmp_path / "archives" / "lsun" / "bedroom_train_lmdb.zip", {b"k": b"v" * 50_000})
    with pytest.raises(ChecksumMismatch, match="the published archive has 45,922,737,680 bytes"):
        check(checksum="upstream")
    archive.write_bytes(archive.read_bytes()[:300])
    with pytest.raises(CorruptData, match="truncated"):
        check()


def test_room_on_the_disk(check, tmp_path, free, write_lsun_zip):
    """Download, unpacked LMDB and image set have to fit; upstream's bedrooms need some 170 GB, the miniature few MB."""
    free(160e9)
    with pytest.raises(PipelineError, match=r"needs 166\.\d\d GB and 160\.00 GB are free"):
        check(source="upstream")
    free(180e9)
    check(source="upstream")
    free(5e6)
    with pytest.raises(PipelineError, match=r"the set lsun needs 0\.01 GB"):
        check(source="miniature")
    write_lsun_zip(tmp_path / "archives" / "lsun" / "bedroom_train_lmdb.zip", {b"k": bytes(6_000_000)})
    with pytest.raises(PipelineError, match=r"the set lsun needs 0\.01 GB"):
        check()


@pytest.mark.parametrize("kind", ["lmdb", "folder"])
def test_a_folder_needs_room_as_well(
    check: Check, tmp_path: Path, free: Callable[[float], None], write_lmdb: Callable[..., Path], kind: str
) -> None:
    """Pictures read in place still become an image set: some 1.2 MB for each MB of JPEGs, twice."""
    folder = tmp_path / "archives" / "lsun" / "mine"
    (folder / "a").mkdir(parents=True)
    if kind == "lmdb":
        write_lmdb(folder / "mine_lmdb", {b"k": bytes(6_000_000)})
    else:
        for name in ("1.jpg", "a/2.png"):
            (folder / name).write_bytes(bytes(3_000_000))
    free(20e6)
    check(archive="mine")
    free(14e6)
    with pytest.raises(PipelineError, match=r"the set lsun needs 0\.01 GB"):
        check(archive="mine")


def test_small_pictures_are_many(check: Check, tmp_path: Path, free: Callable[[float], None]) -> None:
    """Downsampled ImageNet: four times the pictures that a photograph's length would let one expect."""
    folder = tmp_path / "archives" / "lsun" / "Imagenet32_train"
    folder.mkdir(parents=True)
    with (folder / "train_data_batch_1").open("wb") as file:
        file.truncate(30_000_000)
    free(300e6)
    check(archive="Imagenet32_train")
    free(200e6)
    with pytest.raises(PipelineError, match=r"the set lsun needs 0\.29 GB"):
        check(archive="Imagenet32_train")


def test_a_linked_folder_is_told_before_anything_runs(
    check: Check, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Doctor says what DVC will not notice, and lets the set pass."""
    (tmp_path / "disk").mkdir()
    (tmp_path / "archives" / "lsun").mkdir(parents=True)
    (tmp_path / "archives" / "lsun" / "mine").symlink_to(tmp_path / "disk")
    check(archive="mine")
    assert "mine: DVC does not notice changes in a linked folder" in capsys.readouterr().err


def test_a_part_that_arrived_is_not_counted_again(check, tmp_path, free):
    """A resumed download needs room for the rest only."""
    folder = tmp_path / "archives" / "lsun"
    folder.mkdir(parents=True)
    free(19e6)
    with pytest.raises(PipelineError, match=r"needs 0\.02 GB"):  # 2 × 6.2 MB and 300 pictures twice
        check(source="upstream", archive="bridge_val_lmdb.zip")
    (folder / "bridge_val_lmdb.zip.part").write_bytes(bytes(6_000_000))
    check(source="upstream", archive="bridge_val_lmdb.zip")


def test_a_removed_zip_is_not_asked_for(check, tmp_path):
    """After keep_archive: false a note stands for it."""
    folder = tmp_path / "archives" / "lsun"
    folder.mkdir(parents=True)
    (folder / "bedroom_train_lmdb.zip.unpacked.json").write_text("{}")
    check(keep="false")
    with pytest.raises(MissingInput):
        check(keep="true")


def test_benchmarks_are_looked_for_as_well(tmp_path):
    """Missing files are named, with what upstream publishes of them; `upstream` fetches, the miniature draws them."""
    profile = tmp_path / "profile.yaml"

    def check(source):
        profile.write_text(
            f"acquire:\n  svhn: {{data_set: svhn, source: {source}, checksum: any, train: 10, test: 10}}\n"
        )
        check_benchmark(profile, "svhn", tmp_path / "archives" / "svhn")

    check("miniature")
    check("upstream")
    with pytest.raises(MissingInput, match=r"train_32x32\.mat: not there; .*182,040,794 bytes.*so is test_32x32\.mat"):
        check("archive")
    (tmp_path / "archives" / "svhn").mkdir(parents=True)
    for name in ("train_32x32.mat", "test_32x32.mat"):
        (tmp_path / "archives" / "svhn" / name).write_bytes(b"looked at later")
    check("archive")
