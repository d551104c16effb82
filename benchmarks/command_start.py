"""Time `dcgan --help`, compared with a bare interpreter and with importing torch, which `dcgan --help` avoids.

    python benchmarks/command_start.py [--runs 10] [--to benchmarks/command_start.json]

Whole processes are timed in turn, A B C A B C …, so that changes of the machine's speed affect all of them alike. The
results are median times, and medians of the ratio to the bare interpreter in the same round.
"""

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path

from machine import describe

from pipeline.core import files

COMMANDS = {
    "bare interpreter": [sys.executable, "-c", "pass"],
    "dcgan --help": [sys.executable, "-m", "stages", "--help"],
    "import torch": [sys.executable, "-c", "import torch"],
}


def seconds(command: list[str]) -> float:
    """Wall-clock time of one process, in seconds."""
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=10, help="timed rounds, after one that is not timed")
    parser.add_argument("--to", type=Path, default=Path(__file__).with_suffix(".json"), help="JSON file to write")
    options = parser.parse_args()
    rounds = [{name: seconds(command) for name, command in COMMANDS.items()} for _ in range(options.runs + 1)][1:]
    figures = {
        name: {
            "median_seconds": round(statistics.median(r[name] for r in rounds), 3),
            "max_seconds": round(max(r[name] for r in rounds), 3),
            "ratio_to_bare": round(statistics.median(r[name] / r["bare interpreter"] for r in rounds), 1),
        }
        for name in COMMANDS
    }
    machine = describe("torch", "typer")
    print(f"{'':18}{'median s':>10}{'max s':>8}{'ratio':>8}   {options.runs} rounds")
    for name, row in figures.items():
        print(f"{name:18}{row['median_seconds']:>10.3f}{row['max_seconds']:>8.3f}{row['ratio_to_bare']:>8.1f}")
    files.write_json(options.to, {"figures": figures, "machine": machine, "runs": options.runs})


if __name__ == "__main__":
    main()
