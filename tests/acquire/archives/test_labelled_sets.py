"""Benchmarks from every kind of source, and what is said when a file is missing, damaged or another's."""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.acquire.archives import labelled_sets
from pipeline.acquire.archives.labelled_sets import acquire_benchmark
from pipeline.acquire.config import BenchmarkConfig
from pipeline.core import disk
from pipeline.core.errors import (
    BadParameters,
    ChecksumMismatch,
    CorruptData,
    DownloadFailed,
    MissingInput,
    PipelineError,
)
from pipeline.core.workspace import MARK
from pipeline.datasets.labelled import cifar10, mnist, svhn
from pipeline.datasets.published import Published
from pipeline.imageset.format.image_set import ImageSet
from pipeline.miniature.draw_benchmark import draw_benchmark
from pipeline.miniature.labelled_archives import draw_cifar10, draw_mnist, draw_svhn
from tests.conftest import folder_bytes

SETS: dict[str, tuple[Any, Callable[..., None]]] = {
    "cifar10": (cifar10, draw_cifar10),
    "svhn": (svhn, draw_svhn),
    "mnist": (mnist, draw_mnist),
}
Run = Callable[..., dict[str, Any]]


@pytest.fixture
def archives(tmp_path: Path) -> Path:
    (tmp_path / "archives").mkdir()
    return tmp_path / "archives"


@pytest.fixture
def run(tmp_path: Path, archives: Path) -> Run:
    """A function that acquires a set from `tmp_path/archives` to `tmp_path/out`."""

    def run(data_set: str = "mnist", **changes: Any) -> dict[str, Any]:
        values = {"data_set": data_set, "source": "archive", "checksum": "any", "train": 20, "test": 10, **changes}
        section = BenchmarkConfig(**values)
        if section.source == "miniature":
            draw_benchmark(section, to=tmp_path / "drawn", seed=1)
        described = acquire_benchmark(section, archives=archives, to=tmp_path / "out", drawn=tmp_path / "drawn")
        assert described == json.loads((tmp_path / "out" / "source.json").read_text())
        assert not list(tmp_path.glob(".*.partial"))
        return described

    return run


def draw(data_set: str, archives: Path) -> None:
    SETS[data_set][1](archives, train=20, test=10, seed=1)


@pytest.mark.parametrize("data_set", SETS)
def test_an_archive_becomes_image_sets(run: Run, tmp_path: Path, archives: Path, data_set: str) -> None:
    """Each split is an image set in upstream's order, labelled, each picture known by its pixels."""
    draw(data_set, archives)
    before = folder_bytes(archives)
    described = run(data_set)
    assert folder_bytes(archives) == before, "archives are only read"
    assert described == {
        "source": "archive",
        "data_set": data_set,
        "archives": [
            {
                "name": path.name,
                "bytes": path.stat().st_size,
                "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            }
            for path in SETS[data_set][0].locate(archives)
        ],
        "count": {"train": 20, "test": 10},
        "classes": described["classes"],
        "upstream": False,
    }
    assert len(described["classes"]) == 10
    for split, read in SETS[data_set][0].read(archives).items():
        found = ImageSet(tmp_path / "out" / split)
        assert np.array_equal(found.read(np.arange(len(found))), read.images)
        assert found.keys == [f"{split}/{row:05d}" for row in range(len(read.labels))]
        assert found.index.column("label").to_pylist() == read.labels
        assert set(read.labels) <= set(described["classes"])
        side = 28 if data_set == "mnist" else 32
        for row in found.index.to_pylist():
            pixels = read.images[row["row"]].tobytes()
            assert (row["source_width"], row["source_height"]) == (side, side)
            assert (row["source_bytes"], row["sha256"]) == (len(pixels), hashlib.sha256(pixels).hexdigest())
        assert found.counts == {"sources": len(found), "pictures": len(found), "bad": 0, "filtered": 0}


@pytest.mark.parametrize("data_set", SETS)
def test_the_miniature_goes_the_same_way(run: Run, tmp_path: Path, archives: Path, data_set: str) -> None:
    """Drawn files are read as real ones, and give the pictures that they would give as archives."""
    described = run(data_set, source="miniature")
    assert described["source"] == "miniature" and not described["upstream"]
    words = {"cifar10": "drawn textures", "svhn": "drawn house numbers", "mnist": "drawn digits"}
    assert described["stand_in"] == words[data_set]
    assert described["count"] == {"train": 20, "test": 10}
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [MARK, "source.json", "test", "train"]
    assert not list(archives.iterdir())
    drawn = folder_bytes(tmp_path / "out")
    assert run(data_set, source="miniature") == described and folder_bytes(tmp_path / "out") == drawn
    draw(data_set, archives)
    run(data_set)
    assert {**folder_bytes(tmp_path / "out"), "source.json": ""} == {**drawn, "source.json": ""}


def test_extra_has_keys_of_six_digits(run: Run, tmp_path: Path, archives: Path) -> None:
    draw("svhn", archives)
    shutil.copy(archives / "test_32x32.mat", archives / "extra_32x32.mat")
    assert run("svhn")["count"] == {"train": 20, "test": 10, "extra": 10}
    assert ImageSet(tmp_path / "out" / "extra").keys[9] == "extra/000009"


def test_an_interrupted_run_is_resumed(
    run: Run, tmp_path: Path, archives: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed while it writes, a second run takes over the chunks, and the bytes are those of an undisturbed one."""
    draw("mnist", archives)
    run()
    whole = folder_bytes(tmp_path / "out")
    monkeypatch.setattr(labelled_sets, "_CHUNK", 6)
    written: list[int] = []
    real = labelled_sets.image_set.write_chunk

    def write_chunk(folder: Path, number: int, *rest: Any, **more: Any) -> None:
        if len(written) == 3:
            raise KeyboardInterrupt
        real(folder, number, *rest, **more)
        written.append(number)

    monkeypatch.setattr(labelled_sets.image_set, "write_chunk", write_chunk)
    shutil.rmtree(tmp_path / "out")
    with pytest.raises(KeyboardInterrupt):
        run()
    assert not (tmp_path / "out").exists() and written == [0, 1, 2]
    written.clear()
    run()
    assert written == [3, 0, 1], "the last of the training pictures, and the test pictures"
    assert folder_bytes(tmp_path / "out") == whole


@pytest.mark.parametrize("data_set", SETS)
def test_a_missing_file_is_described(run: Run, tmp_path: Path, archives: Path, data_set: str) -> None:
    """Name, length, checksum, where from, where to, what lies there instead, and what else is missing."""
    (archives / "other.zip").touch()
    module = SETS[data_set][0]
    wanted = [path.name for path in module.locate(archives)]
    known: Published = module.ARCHIVES[wanted[0]]
    with pytest.raises(MissingInput) as caught:
        run(data_set)
    assert known.checksum and known.url
    for part in (known.checksum, f"{known.bytes:,} bytes", known.url, "other.zip", str(archives / wanted[0]), *wanted):
        assert part in str(caught.value)
    assert "\n" not in str(caught.value) and not (tmp_path / "out").exists()


def test_a_missing_file_of_the_unpacked_folder(run: Run, archives: Path) -> None:
    """It stands in the archive: nothing is fetched in its place."""
    (archives / cifar10.FOLDER).mkdir()
    for source in ("archive", "upstream"):
        with pytest.raises(MissingInput, match=r"data_batch_1: not there; put it there: .* so is data_batch_2"):
            run("cifar10", source=source)


Pretend = Callable[..., None]


@pytest.fixture
def pretend(monkeypatch: pytest.MonkeyPatch) -> Pretend:
    """A function that makes a file pass for upstream's of its name."""

    def pretend(path: Path, url: str | None = None, **changes: Any) -> None:
        data = path.read_bytes()
        known = {"bytes": len(data), "url": url, "md5": hashlib.md5(data).hexdigest(), **changes}
        monkeypatch.setitem(labelled_sets.PUBLISHED, path.name, Published(where="upstream's site", **known))

    return pretend


def test_checksum_any_or_upstream(run: Run, archives: Path, pretend: Pretend) -> None:
    """`any` notes whether all files are upstream's, `upstream` refuses one that is not, by name."""
    draw("mnist", archives)
    with pytest.raises(
        ChecksumMismatch, match=r"train-images-idx3-ubyte\.gz: .* the published archive has 9,912,422 bytes, md5 f68b3"
    ):
        run(checksum="upstream")
    paths = mnist.locate(archives)
    for path in paths[:3]:
        pretend(path)
    assert not run()["upstream"]
    with pytest.raises(ChecksumMismatch, match="t10k-labels"):
        run(checksum="upstream")
    pretend(paths[3])
    assert run(checksum="upstream")["upstream"] and run()["upstream"]
    paths[0].rename(paths[0].with_suffix(".backup"))
    paths[0].with_suffix("").touch()
    with pytest.raises(ChecksumMismatch, match="no checksum of the unpacked file is published"):
        run(checksum="upstream")


def test_upstream_is_fetched_into_the_archives(
    run: Run, tmp_path: Path, archives: Path, server: Any, pretend: Pretend
) -> None:
    """Fetched once, verified, read; the second run does not ask the server again."""
    (tmp_path / "theirs").mkdir()
    draw("cifar10", tmp_path / "theirs")
    archive = tmp_path / "theirs" / cifar10.ARCHIVE
    server.content, server.drops = archive.read_bytes(), [50_000]
    pretend(archive, f"{server.url}/{cifar10.ARCHIVE}")
    described = run("cifar10", source="upstream", checksum="upstream")
    assert described["upstream"] and described["source"] == "upstream" and described["count"]["train"] == 20
    assert (archives / cifar10.ARCHIVE).read_bytes() == server.content
    asked = len(server.requests)
    assert run("cifar10", source="upstream", checksum="upstream") == described
    assert len(server.requests) == asked == 2


def test_what_upstream_sends_must_be_upstream_s(
    run: Run, tmp_path: Path, archives: Path, server: Any, pretend: Pretend
) -> None:
    """Another length is refused before the first byte, another digest before anything is read."""
    (tmp_path / "theirs").mkdir()
    draw("cifar10", tmp_path / "theirs")
    archive = tmp_path / "theirs" / cifar10.ARCHIVE
    server.content = archive.read_bytes()
    pretend(archive, f"{server.url}/x", bytes=7)
    with pytest.raises(DownloadFailed, match="expected 7"):
        run("cifar10", source="upstream")
    pretend(archive, f"{server.url}/x", md5="0" * 32)
    with pytest.raises(ChecksumMismatch, match="md5 0000"):
        run("cifar10", source="upstream", checksum="upstream")
    assert not (tmp_path / "out").exists()
    assert not run("cifar10", source="upstream")["upstream"], "with `any` it is taken, and not called upstream's"


def test_a_damaged_file_leaves_no_result(run: Run, tmp_path: Path, archives: Path) -> None:
    draw("svhn", archives)
    path = archives / "test_32x32.mat"
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(CorruptData, match=r"test_32x32\.mat: truncated"):
        run("svhn")
    assert not (tmp_path / "out").exists()


def test_no_room_and_no_place(run: Run, tmp_path: Path, archives: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk is found before writing; a folder of somebody's own is not replaced."""
    draw("mnist", archives)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").touch()
    with pytest.raises(BadParameters, match=r"thesis\.tex"):
        run()
    (tmp_path / "out" / "thesis.tex").unlink()
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(disk.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(PipelineError, match="the set out needs"):
        run()


def test_a_linked_folder_is_read_with_a_warning(
    run: Run, tmp_path: Path, archives: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """DVC cannot see into it, so whoever changes it has to know."""
    draw("cifar10", archives)
    shutil.unpack_archive(archives / cifar10.ARCHIVE, tmp_path / "disk", filter="data")
    (archives / cifar10.ARCHIVE).unlink()
    (archives / cifar10.FOLDER).symlink_to(tmp_path / "disk" / cifar10.FOLDER)
    described = run("cifar10")
    assert [archive["name"] for archive in described["archives"]] == list(cifar10.MEMBERS)
    assert "DVC does not notice changes in a linked folder" in capsys.readouterr().err
