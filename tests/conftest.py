"""Fixtures that several rooms' tests share, and the choice of long tests."""

import hashlib
import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pipeline import imageset

ROOT = Path(__file__).parent.parent
LONG_TESTS_IN_A_SHORT_RUN = 3


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--all", action="store_true", help="run every long test, not a seeded subset")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Without `--all`, and when no file is named, keep a fixed draw of the long tests and say how many are left out."""
    if config.getoption("--all") or config.args != config.getini("testpaths"):
        return
    long = [item for item in items if item.get_closest_marker("long")]
    chosen = set(random.Random(20151119).sample(range(len(long)), min(LONG_TESTS_IN_A_SHORT_RUN, len(long))))
    left_out = [item for number, item in enumerate(long) if number not in chosen]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in set(left_out)]


def pytest_report_header(config: pytest.Config) -> str:
    if config.getoption("--all"):
        return "every test runs; nothing is left out"
    return f"long tests are left out but for {LONG_TESTS_IN_A_SHORT_RUN}; `make test-long` runs all"


@pytest.fixture
def make_imageset(tmp_path: Path) -> Callable[..., Path]:
    """A function that writes pictures, uint8 (n, side, side, 3), as an image set folder and gives its path."""

    def make(images: np.ndarray, name: str = "set", keys: list[str] | None = None) -> Path:
        chunks, folder = tmp_path / f"{name}-chunks", tmp_path / name
        folder.mkdir()
        keys = keys or [f"picture-{number:05d}" for number in range(len(images))]
        pictures = [
            imageset.Picture(key, 2 * images.shape[2], 2 * images.shape[1], 999, hashlib.sha256(image).hexdigest())
            for key, image in zip(keys, images, strict=True)
        ]
        imageset.write_chunk(chunks, 0, images, pictures, [])
        imageset.join_chunks(chunks, 1, folder, side=images.shape[1], max_bad=0.0)
        return folder

    return make


@pytest.fixture
def run_stage() -> Callable[..., "subprocess.CompletedProcess[str]"]:
    """A function that runs `python -m stages.NAME …` in the project's root and gives what it printed."""

    def run(name: str, *options: object, env: dict[str, str] | None = None) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", f"stages.{name}", *map(str, options)],
            cwd=ROOT,
            env={**os.environ, **(env or {})},
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )

    return run


def folder_bytes(folder: Path) -> dict[str, str]:
    """SHA-256 of each file below a folder, by relative path: two folders are the same when these are equal."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
