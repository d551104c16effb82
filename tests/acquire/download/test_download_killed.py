"""A download whose process is killed with -9 at any moment goes on where it stopped."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.acquire.scripted_server import Behaviour, Server, serving, zip_of

ROOT = Path(__file__).parents[3]
CONTENT = zip_of(1, 2_000_000)
RATE = 2e6
RANGE_BYTES = 100_000
CONNECTIONS = 4
IN_FLIGHT = 1 << 18
"""Bytes for each connection that the server may have written and the killed process not yet read."""

SCRIPT = """
import sys
from pathlib import Path
from pipeline.acquire.download import range_download as ranges
from pipeline.acquire.download.download import download
ranges.MIN_BYTES, ranges.RANGE_BYTES = 500_000, int(sys.argv[3])
download(sys.argv[1], Path(sys.argv[2]), pause=0.01, connections=int(sys.argv[4]))
"""


def start(server: Server, to: Path, connections: int) -> "subprocess.Popen[bytes]":
    arguments = [f"{server.url}/x.zip", to, RANGE_BYTES, connections]
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, "NO_PROXY": "127.0.0.1"},
        stderr=subprocess.DEVNULL,
    )


def kill_and_resume(seed: int, connections: int, folder: Path) -> int:
    """Kill one download at a random place of its body, run it to the end, and give the bytes that were sent twice."""
    chance = random.Random(seed)
    with serving(Behaviour([CONTENT], rate=RATE / connections)) as server:
        to = folder / f"{seed}" / "x.zip"
        process = start(server, to, connections)
        moment = chance.randrange(len(CONTENT))
        while server.served < moment and process.poll() is None:
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
        process.wait()
        again = start(server, to, connections)
        assert again.wait(timeout=600) == 0, seed
        assert to.read_bytes() == CONTENT, seed
        assert [path.name for path in to.parent.iterdir()] == ["x.zip"], seed
        return server.served - len(CONTENT)


def test_killed_once(tmp_path: Path) -> None:
    """A taste of the next test."""
    assert kill_and_resume(1000, CONNECTIONS, tmp_path) <= CONNECTIONS * (IN_FLIGHT + RANGE_BYTES)


@pytest.mark.long
@pytest.mark.parametrize("connections", [1, CONNECTIONS])
def test_killed_at_random_moments(
    tmp_path: Path, record_property: Callable[[str, object], None], connections: int
) -> None:
    """25 moments each: the same bytes, and at most what was under way is fetched again."""
    twice = [kill_and_resume(seed, connections, tmp_path) for seed in range(25)]
    record_property(f"of {len(CONTENT):,} bytes sent twice, at most", max(twice))
    record_property(f"of {len(CONTENT):,} bytes sent twice, on average", sum(twice) // len(twice))
    assert max(twice) <= (IN_FLIGHT if connections == 1 else connections * (IN_FLIGHT + RANGE_BYTES))
