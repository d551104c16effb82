"""Machine code on disk is never stale, and is compiled before workers start."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CALLEE = """
from pipeline.core.jit import compiled
from pipeline.demo.constants import ADDED
@compiled
def callee(value):
    return value + ADDED
"""
CALLER = """
import sys
from functools import partial
from pipeline.core import engine, jit
from pipeline.demo.callee import callee
@jit.entry_point("(int64,)")
def caller(value):
    return 10 * callee(value)
def call(value):
    return caller(value), sum(caller.stats.cache_misses.values())  # the result, and how often this process compiled
if __name__ == "__main__":
    from pipeline.demo.caller import call, caller
    jit.compile_ahead(call)
    print(list(engine.map_chunks(call, [1, 2], workers=2)))
"""
LINE = "compiling 1 functions for this machine, about 1 s, once"


@pytest.fixture
def demo(tmp_path: Path) -> Path:
    """A copy of `pipeline/core` with a package of two compiled functions, in two files, and a constant in a third."""
    shutil.copytree(ROOT / "pipeline" / "core", tmp_path / "pipeline" / "core", ignore=shutil.ignore_patterns("__py*"))
    folder = tmp_path / "pipeline" / "demo"
    folder.mkdir()
    for path in (tmp_path / "pipeline" / "__init__.py", folder / "__init__.py"):
        path.touch()
    (folder / "constants.py").write_text("ADDED = 1\n")
    (folder / "callee.py").write_text(CALLEE)
    (folder / "caller.py").write_text(CALLER)
    return tmp_path


def run(folder: Path, **env: str) -> tuple[str, str]:
    """What the demonstration prints on stdout and stderr."""
    environment = {**os.environ, **env}
    if not env:
        environment.pop("NUMBA_CACHE_DIR", None)
    command = [sys.executable, "-B", "-m", "pipeline.demo.caller"]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip(), done.stderr


def test_an_edit_of_a_callee_in_another_file_is_noticed(demo: Path) -> None:
    """numba alone looks at the caller's file, and would go on with the old callee; likewise with a constant."""
    assert run(demo)[0] == "[(20, 0), (30, 0)]"
    (demo / "pipeline" / "demo" / "callee.py").write_text(CALLEE.replace("value + ADDED", "value - ADDED"))
    assert run(demo)[0] == "[(0, 0), (10, 0)]"
    (demo / "pipeline" / "demo" / "constants.py").write_text("ADDED = 3\n")
    assert run(demo)[0] == "[(-20, 0), (-10, 0)]"


def test_it_is_compiled_once_in_the_parent_and_said_so(demo: Path) -> None:
    """Workers load what the parent has compiled; the second run says nothing; a comment elsewhere changes nothing."""
    printed, said = run(demo)
    assert LINE in said
    progress = demo / "pipeline" / "core" / "progress.py"
    progress.write_text(f"{progress.read_text()}# a comment\n")
    assert run(demo) == (printed, "")


def test_without_a_folder_to_write_to_each_process_compiles(demo: Path) -> None:
    """A read-only installation works all the same; nothing is announced that would not last."""
    (demo / "pipeline" / "demo" / "__pycache__").touch()
    file = demo / "file"
    file.touch()
    printed, said = run(demo, NUMBA_CACHE_DIR=str(file), XDG_CACHE_HOME=str(file))
    assert printed == "[(20, 1), (30, 1)]"
    assert LINE not in said
