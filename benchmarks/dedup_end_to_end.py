"""`dcgan dedup` on 60,000 small files beside imagededup's pHash on the same ones, both from start to end.

    PYTHONPATH=. python benchmarks/dedup_end_to_end.py --pictures FOLDER --imagededup PYTHON [--memory GROUP] \\
        [--to benchmarks/dedup_end_to_end.json]

FOLDER holds picture files; a folder in memory takes the disk out of the comparison. PYTHON is an interpreter that has
imagededup installed. `dcgan dedup` reads, trains its autoencoder, hashes, searches with decoys, compares and writes
everything; it runs alone, and so does imagededup after it. That one encodes all files, and then looks for duplicates
(`find_duplicates` at its own settings), which compares every picture with every other: to bound the run it is timed on
parts of 5, 10 and 20 thousand hashes, and what it takes for all is extrapolated by the square of their number from the
largest part. Memory is looked at in a second run, so that nothing but the work is timed: ten times a second, of all
processes together, in MB: `pss` (shared memory counted once), `rss`, and `anonymous` (without mapped files, such as
libraries and the image set, which the kernel may take back). With GROUP, an empty memory control group (version 1,
`mkdir /sys/fs/cgroup/memory/NAME`), `dcgan dedup` runs once more where the kernel lets all its processes together have
1,000,000,000 bytes, the cache of the files that they touch included (on a disk: a result in a file system in memory
counts as memory).
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
from watching import watch

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
    """Seconds that imagededup takes to encode all, to search parts, and, extrapolated, for all of it."""
    script = folder / "with_imagededup.py"
    script.write_text(IMAGEDEDUP)
    command = [python, str(script), str(pictures), *map(str, PARTS)]
    found: dict[str, Any] = json.loads(subprocess.check_output(command, text=True).splitlines()[-1])
    largest = str(min(PARTS[-1], found["pictures"]))
    found["find_all"] = found["find"][largest] * (found["pictures"] / int(largest)) ** 2
    found["total"] = found["encode"] + found["find_all"]
    return found


def timed(command: list[str]) -> float:
    """Seconds that a command takes, with nobody looking at its memory."""
    started = time.monotonic()
    subprocess.run(command, cwd=ROOT, check=True)
    return round(time.monotonic() - started, 1)


def within_a_gigabyte(group: Path, command: list[str]) -> dict[str, Any]:
    """Run a command under a limit that the kernel enforces; it fails where that is too little."""
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
        command += ["--side", "32", "--to"]  # of the files
        seconds = timed([*command, str(folder / "first")])
        watched = watch([*command, str(folder / "out")], ROOT)
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
