"""Parallel work gives the results of serial work, in order, and leaves no process behind."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path

import pytest

from pipeline.core import engine
from pipeline.core.errors import BadParameters, PipelineError
from tests.killing import ROOT, wait_until


def square(number: int) -> int:
    return number * number


def fail_at(wrong: int, number: int) -> int:
    if number == wrong:
        raise PipelineError(f"chunk {number} is wrong")
    return number


def die(number: int) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return number


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_results_come_in_order(workers: int) -> None:
    """Any number of workers gives the same sequence, also with more chunks than are held at once."""
    assert list(engine.map_chunks(square, range(40), workers=workers)) == [n * n for n in range(40)]


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_threads_give_results_in_order_and_are_no_more_than_told(workers: int) -> None:
    """One worker is the very thread that asks; an error arrives whole."""
    threads = set[int]()

    def noted(number: int) -> int:
        threads.add(threading.get_ident())
        return square(number)

    assert list(engine.map_threads(noted, range(40), workers=workers)) == [n * n for n in range(40)]
    assert len(threads) <= workers and (workers > 1 or threads == {threading.get_ident()})
    with pytest.raises(PipelineError, match="chunk 3 is wrong"):
        list(engine.map_threads(partial(fail_at, 3), range(20), workers=workers))


def test_no_chunks_give_nothing() -> None:
    """An empty set is no special case."""
    assert list(engine.map_chunks(square, [], workers=2)) == []


@pytest.mark.parametrize("workers", [1, 2])
def test_a_worker_s_error_arrives_whole(workers: int) -> None:
    """The first error ends the map, with its own type and words."""
    with pytest.raises(PipelineError, match="chunk 3 is wrong"):
        list(engine.map_chunks(partial(fail_at, 3), range(20), workers=workers))


def test_a_killed_worker_is_one_clear_error() -> None:
    """The out-of-memory killer ends a worker: the message says what to do."""
    with pytest.raises(PipelineError, match="-j 1"):
        list(engine.map_chunks(die, range(4), workers=2))


def test_workers_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """DCGAN_JOBS counts, and nonsense in it is an error."""
    monkeypatch.setenv("DCGAN_JOBS", "3")
    assert engine.default_workers() == 3
    monkeypatch.setenv("DCGAN_JOBS", "many")
    with pytest.raises(BadParameters, match="DCGAN_JOBS"):
        engine.default_workers()
    monkeypatch.delenv("DCGAN_JOBS")
    assert engine.default_workers() >= 1


@pytest.mark.long
def test_ray_gives_the_same_results_and_errors(tmp_path: Path) -> None:
    """A real Ray: results in order, a task's error with its own type, a killed worker as one clear error."""
    script = tmp_path / "with_ray.py"
    script.write_text(WITH_RAY)
    done = subprocess.run(
        [sys.executable, str(script)],
        env={**os.environ, "DCGAN_ENGINE": "ray", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    said = [line for line in done.stdout.splitlines() if "(raylet)" not in line]
    assert said == [str([n * n for n in range(40)]), "chunk 3 is wrong", "True"], done.stderr


WITH_RAY = """
from functools import partial
from pipeline.core import engine
from pipeline.core.errors import PipelineError
from tests.core import test_engine as functions
print(list(engine.map_chunks(functions.square, range(40), workers=2)))
for function in (partial(functions.fail_at, 3), functions.die):
    try:
        list(engine.map_chunks(function, range(20), workers=2))
    except PipelineError as error:
        print(error if "chunk" in str(error) else "-j 1" in str(error))
"""


def test_an_unknown_engine_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """A misspelt engine is not silently the local one."""
    monkeypatch.setenv("DCGAN_ENGINE", "spark")
    with pytest.raises(BadParameters, match="DCGAN_ENGINE: 'spark', expected one of local, ray"):
        list(engine.map_chunks(square, [1], workers=1))


SLOW = """
import os, sys, time
from pathlib import Path
from pipeline.core import engine
def slow(path):
    Path(path).joinpath(str(os.getpid())).touch()
    time.sleep(60)
if __name__ == "__main__":
    list(engine.map_chunks(slow, [sys.argv[1]] * 4, workers=2))
"""


def test_workers_end_when_their_parent_is_killed(tmp_path: Path) -> None:
    """kill -9 of the command leaves no worker that goes on writing."""
    script, pids = tmp_path / "slow.py", tmp_path / "pids"
    script.write_text(SLOW)
    pids.mkdir()
    parent = subprocess.Popen([sys.executable, str(script), str(pids)])
    wait_until(lambda: len(list(pids.iterdir())) == 2)
    parent.kill()
    parent.wait()
    wait_until(lambda: not any(Path(f"/proc/{path.name}/cmdline").exists() for path in pids.iterdir()), seconds=30)


def test_apart_gives_the_result_and_its_memory_back() -> None:
    """It ran in another process, which is gone; named arguments arrive."""
    assert engine.run_in_subprocess(os.getpid) != os.getpid()
    assert engine.run_in_subprocess(pow, 3, exp=2) == 9
    assert not multiprocessing.active_children()


def test_apart_passes_errors_on() -> None:
    """A known error stays what it is, and a process that was killed is one."""
    with pytest.raises(PipelineError, match="chunk 3 is wrong"):
        engine.run_in_subprocess(fail_at, 3, 3)
    with pytest.raises(PipelineError, match="was killed"):
        engine.run_in_subprocess(die, 1)


def test_ctrl_c_ends_what_runs_apart() -> None:
    """It does not wait for an hour's work to end first."""
    program = (
        "import time\nfrom pipeline.core.engine import run_in_subprocess\n"
        "if __name__ == '__main__': run_in_subprocess(time.sleep, 60)"
    )
    process = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stderr=subprocess.DEVNULL)
    time.sleep(4)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=20) != 0
