"""Compare `dcgan dedup` with pHash of imagededup on the same files, from start to end.

    PYTHONPATH=. python benchmarks/dedup_end_to_end.py --pictures FOLDER --imagededup PYTHON [--memory GROUP] \\
        [--to benchmarks/dedup_end_to_end.json]

FOLDER has picture files, 60,000 small ones for the published results; a folder in memory excludes the disk from the
comparison. PYTHON is an interpreter with imagededup installed. The two run one after the other. `dcgan dedup` reads the
files, trains its autoencoder, hashes, searches pairs and decoys, compares pixels and writes its result. imagededup
encodes all files and then runs `find_duplicates` with its defaults, which compares every picture with every other one.
To limit the run time, `find_duplicates` is timed on 5,000, 10,000 and 20,000 hashes; the time for all of them is
extrapolated from the largest part, in proportion to the square of the number.

Memory is measured in a second run, so that sampling does not disturb the timing. It is sampled ten times a second, in
MB, as the sum over all processes: `pss` (shared memory counted once), `rss`, and `anonymous` (without mapped files,
such as libraries and the image set, which the kernel can reclaim). With GROUP, an empty memory control group (version
1, `mkdir /sys/fs/cgroup/memory/NAME`), `dcgan dedup` runs a third time while the kernel limits all its processes
together to 1,000,000,000 bytes, including the cache of the files that they use. The result must then be on a disk,
because files in a memory file system count as memory.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from machine import describe
from resource_usage import run_and_measure

from pipeline.core import files

ROOT = Path(__file__).parent.parent
PARTS = (5_000, 10_000, 20_000)

IMAGEDEDUP = """
import json, sys, time
from importlib.metadata import version
from imagededup.methods import PHash
def main():
    hasher = PHash(verbose=False)
    started = time.monotonic()
    hashes = hasher.encode_images(image_dir=sys.argv[1], recursive=True)
    figures = {"pictures": len(hashes), "encode": time.monotonic() - started, "find": {}}
    for count in map(int, sys.argv[2:]):
        part = dict(sorted(hashes.items())[:count])
        started = time.monotonic()
        hasher.find_duplicates(encoding_map=part)
        figures["find"][str(len(part))] = time.monotonic() - started
    figures["version"] = version("imagededup")
    print(json.dumps(figures))
if __name__ == "__main__":
    main()
"""


def imagededup(python: str, pictures: Path, folder: Path) -> dict[str, Any]:
    """Run imagededup; return its seconds to encode all files, to search parts, and, extrapolated, in total."""
    script = folder / "with_imagededup.py"
    script.write_text(IMAGEDEDUP)
    command = [python, str(script), str(pictures), *map(str, PARTS)]
    found: dict[str, Any] = json.loads(subprocess.check_output(command, text=True).splitlines()[-1])
    largest = str(min(PARTS[-1], found["pictures"]))
    found["find_all"] = found["find"][largest] * (found["pictures"] / int(largest)) ** 2
    found["total"] = found["encode"] + found["find_all"]
    return found


def timed(command: list[str]) -> float:
    """Run a command without sampling its memory; return the seconds it took."""
    started = time.monotonic()
    subprocess.run(command, cwd=ROOT, check=True)
    return round(time.monotonic() - started, 1)


def within_a_gigabyte(group: Path, command: list[str]) -> dict[str, Any]:
    """Run a command under a memory limit of 1 GB enforced by the kernel; it fails if that is too little."""
    limit = group / "memory.limit_in_bytes"
    limit.write_text(str(10**9))
    seconds = timed(["sh", "-c", f'echo $$ > "{group}/cgroup.procs"; exec "$@"', "sh", *command])
    return {"limit": int(limit.read_text()), "seconds": seconds}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--pictures", type=Path, required=True)
    parser.add_argument("--imagededup", required=True)
    parser.add_argument("--memory", type=Path, help="memory control group")
    parser.add_argument("--to", type=Path, default=Path(__file__).with_suffix(".json"))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        command = [sys.executable, "-m", "stages.dedup", str(options.pictures.resolve()), "-q"]
        command += ["--side", "32", "--to"]  # the side of the files
        seconds = timed([*command, str(folder / "first")])
        watched = run_and_measure([*command, str(folder / "out")], ROOT)
        ours: dict[str, Any] = {**watched, "seconds": seconds, "seconds while watched": watched["seconds"]}
        summary = json.loads((folder / "out" / "summary.json").read_text())
        ours |= {figure: summary[figure] for figure in ("pictures", "removed", "pairs", "decoys")}
        if options.memory:
            ours["within a gigabyte"] = within_a_gigabyte(options.memory, [*command, str(folder / "again")])
        theirs = imagededup(options.imagededup, options.pictures.resolve(), folder)
    result = {
        "dcgan dedup": ours,
        "imagededup": theirs,
        "ratio": round(theirs["total"] / ours["seconds"], 2),
        "machine": describe("numpy", "numba", "torch"),
    }
    print(json.dumps(result, indent=1))
    files.write_text(options.to, json.dumps(result, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
