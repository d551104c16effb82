"""Measure how long a command runs and how much memory it and its child processes use."""

import os
import subprocess
import time
from pathlib import Path

MEGABYTE = 1_000_000


def tree(root: int) -> list[int]:
    """Return the identifiers of a process and of all its descendants."""
    found, waiting = [], [root]
    while waiting:
        process = waiting.pop()
        found.append(process)
        try:
            for thread in Path(f"/proc/{process}/task").iterdir():
                waiting += map(int, (thread / "children").read_text().split())
        except OSError:  # the process has ended
            continue
    return found


def memory(process: int) -> tuple[int, int, int]:
    """Return the proportional, resident and anonymous memory of a process in bytes; zeros if it has ended."""
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0, 0, 0
    sizes = {line.split()[0]: int(line.split()[1]) << 10 for line in lines[1:]}
    return sizes.get("Pss:", 0), sizes.get("Rss:", 0), sizes.get("Anonymous:", 0)


def run_and_measure(command: list[str], cwd: Path) -> dict[str, float]:
    """Run a command and sample its memory ten times a second until it ends.

    Returns:
        `seconds`: wall-clock time; `processor seconds`: time of all processors, by the command and the child processes
        that it waited for. In MB, the maximum over time of the sum over all processes: `pss` (proportional),
        `rss` (resident) and `anonymous` (without mapped files, which the kernel can reclaim). `largest`: peak resident
        memory of the largest process that has been waited for, in MB.
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
        "processor seconds": round(usage.ru_utime + usage.ru_stime, 1),
        **{name: round(m / MEGABYTE) for name, m in zip(("pss", "rss", "anonymous"), most, strict=True)},
        "largest": round((usage.ru_maxrss << 10) / MEGABYTE),
    }
