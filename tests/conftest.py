"""Fixtures shared by tests of several packages, and the choice of long tests."""

import hashlib
import importlib
import io
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import lmdb
import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import settings
from PIL import Image
from typer.testing import CliRunner

from pipeline.core import progress
from pipeline.imageset.format import image_set

if TYPE_CHECKING:
    from playwright.sync_api import Browser

ROOT = Path(__file__).parents[1]
LONG_TESTS_IN_A_SHORT_RUN = 2

settings.register_profile("untimed", deadline=None)  # no test fails because the machine is busy
settings.load_profile("untimed")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--all", action="store_true", help="run every long test, not a seeded subset")
    parser.addoption("--kills", type=int, default=15, help="how often a stage is killed at random moments (long tests)")


def pytest_configure() -> None:
    """Let commands be interrupted even if these tests run behind a script's `&`, whose children would ignore Ctrl-C."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def draws(config: pytest.Config) -> bool:
    """Whether a draw of the long tests is run: without `--all`, and when no file is named."""
    return not config.getoption("--all") and config.args == config.getini("testpaths")


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Say what is left out."""
    if not draws(config):
        return []
    return [f"of the long tests a draw of {LONG_TESTS_IN_A_SHORT_RUN}; `make test-long` runs all"]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep a seeded draw of the long tests, which kill less often; none that wants the whole pipeline run first."""
    if not draws(config):
        return
    config.option.kills = min(config.option.kills, 4)
    long = [item for item in items if item.get_closest_marker("long")]
    drawn_from = [item for item in long if "reference" not in getattr(item, "fixturenames", ())]
    chosen = random.Random(20151119).sample(drawn_from, min(LONG_TESTS_IN_A_SHORT_RUN, len(drawn_from)))
    left_out = [item for item in long if item not in chosen]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in set(left_out)]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what tests have counted, their recorded properties."""
    for report in terminalreporter.stats.get("passed", []) + terminalreporter.stats.get("failed", []):
        for name, value in report.user_properties:
            terminalreporter.write_line(f"{report.nodeid.removeprefix('tests/')}: {name} {value:,}")


@pytest.fixture(scope="module")
def chromium() -> Iterator["Browser"]:
    """A real browser, Debian's chromium."""
    from playwright.sync_api import expect, sync_playwright  # slow to import, and few tests look at pages

    executable = shutil.which("chromium")
    assert executable, "the tests of pages need chromium: on Debian, apt install chromium"
    with sync_playwright() as playwright:
        expect.set_options(timeout=60_000)  # the default of 5 s is short for a page on a busy machine
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        yield browser
        browser.close()


def write_imageset(here: Path, images: np.ndarray, name: str = "set", keys: list[str] | None = None) -> Path:
    """Write pictures, uint8 (n, side, side, 3), as the image set folder `here / name`, and give its path."""
    chunks, folder = here / f"{name}-chunks", here / name
    folder.mkdir()
    keys = keys or [f"picture-{number:05d}" for number in range(len(images))]
    pictures = [
        image_set.Picture(key, 2 * images.shape[2], 2 * images.shape[1], 999, hashlib.sha256(image).hexdigest())
        for key, image in zip(keys, images, strict=True)
    ]
    image_set.write_chunk(chunks, 0, images, pictures, [], sources=len(pictures))
    image_set.join_chunks(chunks, 1, folder, side=images.shape[1], max_bad=0.0)
    return folder


@pytest.fixture
def make_imageset(tmp_path: Path) -> Callable[..., Path]:
    """A function that writes pictures, uint8 (n, side, side, 3), as an image set folder and gives its path."""
    return partial(write_imageset, tmp_path)


@pytest.fixture
def as_version_1() -> Callable[[Path], None]:
    """A function that rewrites an image set folder as version 0.1 of this project wrote it, with schema version 1."""

    def rewrite(folder: Path) -> None:
        index = pq.read_table(folder / "index.parquet")
        index = index.select(index.column_names[:9])
        pq.write_table(index, folder / "index.parquet", compression="zstd", row_group_size=65_536)
        description = json.loads((folder / "imageset.json").read_text())
        digest = hashlib.sha256((folder / "index.parquet").read_bytes()).hexdigest()
        description |= {"schema_version": 1, "index_sha256": digest}
        (folder / "imageset.json").write_text(json.dumps(description, indent=2, sort_keys=True) + "\n")

    return rewrite


@pytest.fixture(scope="session")
def scenes() -> Callable[[int, int], "np.ndarray"]:
    """A function that makes up n pictures with detail everywhere, by a seed: uint8 (n, 64, 64, 3)."""

    def scenes(count: int, seed: int) -> "np.ndarray":
        rng = np.random.default_rng(seed)
        y, x = np.mgrid[0:64, 0:64] / 63
        made = np.zeros((count, 64, 64, 3))
        for picture in made:
            picture[:] = rng.uniform(0, 255, 3)
            for _ in range(14):
                cy, cx, ry, rx = rng.uniform(0, 1, 2).tolist() + rng.uniform(0.06, 0.3, 2).tolist()
                picture[((y - cy) / ry) ** 2 + ((x - cx) / rx) ** 2 < 1] = rng.uniform(0, 255, 3)
        return (made + rng.normal(0, 5, made.shape)).clip(0, 255).astype(np.uint8)

    return scenes


@pytest.fixture(scope="session")
def run_stage() -> Callable[..., "subprocess.CompletedProcess[str]"]:
    """A function that runs `python -m stages.NAME …`, usually in the project's root, and gives what it printed."""

    def run(
        name: str, *options: object, env: dict[str, str] | None = None, cwd: Path = ROOT
    ) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", f"stages.{name}", *map(str, options)],
            cwd=cwd,
            env={**os.environ, "PYTHONPATH": str(ROOT), **(env or {})},
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )

    return run


@pytest.fixture(scope="session")
def call_stage() -> Callable[..., "subprocess.CompletedProcess[str]"]:
    """A function as that of `run_stage`, which calls the command in this process instead of starting one.

    Options, result, output and exit status are the same, and an unknown error is raised here. The start of Python and
    the imports, most of the time of a short run, are saved. What depends on a process of its own, such as signals,
    needs `run_stage`.
    """

    def call(name: str, *options: object) -> "subprocess.CompletedProcess[str]":
        arguments = [str(option) for option in options]
        handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
        try:
            app = importlib.import_module(f"stages.{name}").app
            done = CliRunner().invoke(app, arguments, env={"DCGAN_JOBS": "1"}, catch_exceptions=False)
        finally:
            progress.set_quiet(False)
            for number, handler in handlers.items():
                signal.signal(number, handler)
        return subprocess.CompletedProcess([name, *arguments], done.exit_code, done.stdout, done.stderr)

    return call


def folder_bytes(folder: Path) -> dict[str, str]:
    """SHA-256 of each file below a folder, by relative path: two folders are the same when these are equal."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture
def encode() -> Callable[..., bytes]:
    """A function that encodes a smooth picture, another one for each number; a JPEG unless another format is named."""

    def encode(
        number: int = 0,
        shape: tuple[int, int] = (60, 48),
        file_format: str = "JPEG",
        mode: str = "RGB",
        **options: object,
    ) -> bytes:
        coarse = np.random.default_rng(number).integers(0, 256, (4, 4, 3), dtype=np.uint8)
        picture = Image.fromarray(coarse).resize(shape, Image.Resampling.BICUBIC).convert(mode)
        buffer = io.BytesIO()
        picture.save(buffer, file_format, **options)
        return buffer.getvalue()

    return encode


@pytest.fixture
def write_lmdb() -> Callable[[Path, dict[bytes, bytes]], Path]:
    """A function that writes records as an LMDB folder and gives its path."""

    def write(folder: Path, records: dict[bytes, bytes]) -> Path:
        with (
            lmdb.open(str(folder), map_size=1 << 26, lock=False) as environment,
            environment.begin(write=True) as writer,
        ):
            for key, value in records.items():
                writer.put(key, value)
        return folder

    return write


@pytest.fixture
def write_lsun_zip(tmp_path: Path, write_lmdb: Callable[..., Path]) -> Callable[[Path, dict[bytes, bytes]], Path]:
    """A function that writes records as LSUN does, a zip of `NAME_lmdb/{data,lock}.mdb`, and gives its path."""

    def write(path: Path, records: dict[bytes, bytes]) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        folder = write_lmdb(tmp_path / f"unzipped-{path.stem}", records)
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.write(folder / "data.mdb", f"{path.stem}/data.mdb")
            archive.writestr(f"{path.stem}/lock.mdb", bytes(8192))
        return path

    return write


@pytest.fixture
def write_imagenet_tar() -> Callable[[Path, dict[str, dict[str, bytes]]], Path]:
    """A function that writes `{synset: {file: bytes}}` as a tar of tars, as ImageNet does, and gives its path."""

    def write(path: Path, synsets: dict[str, dict[str, bytes]]) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(_tar({f"{synset}.tar": _tar(members) for synset, members in synsets.items()}))
        return path

    return write


@pytest.fixture
def write_tar() -> Callable[[Path, dict[str, bytes]], Path]:
    """A function that writes `{file: bytes}` as a tar, and gives its path."""

    def write(path: Path, members: dict[str, bytes]) -> Path:
        path.write_bytes(_tar(members))
        return path

    return write


def _tar(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()
