"""Collect the results of the miniature (the small synthetic sets) for README.md after `dvc repro`.

    make demo     # prints the times of the installation and of `dvc repro`
    PYTHONPATH=. python benchmarks/miniature.py --install SECONDS --repro SECONDS [--to benchmarks/miniature.json]

Run it in the project's folder with `profile: miniature`, after a `dvc repro` that ran every stage. Counts come from the
metrics of the stages. Seconds come from `.dcgan/timing.jsonl`: for each command, the sum of its last n entries, where n
is the number of its stages in `dvc.lock`. A second `dvc repro`, which has nothing to do, is timed here.
"""

import argparse
import json
import subprocess
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

from machine import describe

from pipeline.core import files
from pipeline.core.params import read_names, read_yaml

REPORTS = Path("reports/miniature")


def of_set(name: str) -> dict[str, Any]:
    """Return the counts of one set: pictures rendered, stored, removed and kept; planted copies, and those found."""
    metrics = files.read_json(REPORTS / "audit" / name / "metrics.json")
    recall, precision = metrics["planted"]["recall"]["all"], metrics["planted"]["precision"]
    return {
        "drawn": metrics["source"]["count"],
        "bad": metrics["counts"]["bad"],
        "filtered": metrics["counts"]["filtered"],
        "pictures": metrics["counts"]["pictures"],
        "planted": recall["of"],
        "planted_found": recall["found"],
        "removed": metrics["removed"],
        "removed_right": precision["found"],
        "kept": metrics["kept"],
    }


def of_evaluation(folder: Path) -> dict[str, float]:
    """Return mean accuracies with few labels, 0..1: of the trained network, and the range of the untrained ones."""
    networks = files.read_json(folder / "metrics.json")["networks"]
    means = {name: found["few"]["held_out"]["mean"] for name, found in networks.items()}
    trained = means.pop("trained")
    return {"trained": trained, "untrained_least": min(means.values()), "untrained_most": max(means.values())}


def seconds_of_commands() -> dict[str, float]:
    """Return the seconds of each command in the last run, summed over its stages."""
    stages = Counter(stage.partition("@")[0].replace("_", "-") for stage in read_yaml(Path("dvc.lock"))["stages"])
    taken = defaultdict[str, list[float]](list)
    for line in Path(".dcgan/timing.jsonl").read_text().splitlines():
        entry = json.loads(line)
        taken[entry["command"]].append(entry["seconds"])
    return {command: round(sum(taken[command][-count:]), 1) for command, count in sorted(stages.items())}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--install", type=float, required=True, help="seconds of the installation, as make demo says")
    parser.add_argument("--repro", type=float, required=True, help="seconds of dvc repro, as make demo says")
    parser.add_argument("--to", type=Path, default=Path(__file__).with_suffix(".json"))
    options = parser.parse_args()
    started = time.monotonic()
    subprocess.run(["dvc", "repro", "--quiet"], check=True)
    again = round(time.monotonic() - started, 1)
    evaluations = sorted(path.parent for path in (REPORTS / "features").glob("*/metrics.json"))
    record = {
        "machine": describe("torch", "numba", "dvc"),
        "seconds": {
            "install": options.install,
            "repro": options.repro,
            "again": again,
            "commands": seconds_of_commands(),
        },
        "sets": {name: of_set(name) for name in read_names(Path("params.yaml"), "sets")},
        "evaluations": {folder.name: of_evaluation(folder) for folder in evaluations},
    }
    files.write_json(options.to, record)


if __name__ == "__main__":
    main()
