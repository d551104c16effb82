"""How long a command takes, and how much memory it and all that it starts hold at once."""

import os
import subprocess
import time
from pathlib import Path

MEGABYTE = 1_000_000


def tree(root: int) -> list[int]:
    """A process and all below it."""
    found, waiting = [], [root]
    while waiting:
        process = waiting.pop()
        found.append(process)
        try:
            for thread in Path(f"/proc/{process}/task").iterdir():
                waiting += map(int, (thread / "children").read_text().split())
        except OSError:  # it has just ended
            continue
    return found


def memory(process: int) -> tuple[int, int, int]:
    """A process's proportional, resident and anonymous memory, in bytes; nothing of one that has just ended."""
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0, 0, 0
    sizes = {line.split()[0]: int(line.split()[1]) << 10 for line in lines[1:]}
    return sizes.get("Pss:", 0), sizes.get("Rss:", 0), sizes.get("Anonymous:", 0)


def watch(command: list[str], cwd: Path) -> dict[str, float]:
    """Run a command and look at it, ten times a second, until it ends.

    Returns:
        seconds of wall time; the most that all processes held together, in MB: pss (proportional), rss (resident) and
        anonymous (without mapped files, which the kernel may take back); largest: what the first one held at most.
    """
    started = time.monotonic()
    run = subprocess.Popen(command, cwd=cwd)
    most = [0, 0, 0]
    while True:
        pid, status, usage = os.wait4(run.pid, os.WNOHANG)
        if pid:
            run.returncode = os.waitstatus_to_exitcode(status)
            break
        sizes = [memory(process) for process in tree(run.pid)]
        most = [max(m, sum(s)) for m, s in zip(most, zip(*sizes, strict=True), strict=True)]
        time.sleep(0.1)
    assert run.returncode == 0, f"{command} failed"
    return {
        "seconds": round(time.monotonic() - started, 1),
        **{name: round(m / MEGABYTE) for name, m in zip(("pss", "rss", "anonymous"), most, strict=True)},
        "largest": round((usage.ru_maxrss << 10) / MEGABYTE),
    }
