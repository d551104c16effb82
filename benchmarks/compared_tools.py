"""Run one tool with its default settings on a folder of pictures; nothing is deleted.

    PYTHON benchmarks/compared_tools.py TOOL FOLDER RESULT

PYTHON is an interpreter that has TOOL (one of `TOOLS`) installed; this file needs nothing else. RESULT is a JSON file:

- `version`: version of the tool.
- `groups`: lists of file names that the tool reports as duplicates of each other. imagededup reports pairs, which do
  not add up to groups.
- `removed`: names of the files that the tool's own removal would delete.
- `listed`: lists of file names that are shown to people as possible duplicates and of which none is deleted.
"""

import json
import os
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

Found = dict[str, Any]


def dcgan(folder: Path, work: Path) -> Found:
    """`dcgan dedup FOLDER --to FOUND`; the profile `workstation` has the defaults."""
    import csv
    import subprocess

    import pyarrow.parquet as pq

    root, out = Path(__file__).parent.parent, work / "found"
    subprocess.run(
        [sys.executable, "-m", "stages.dedup", str(folder), "--to", str(out), "-q"],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
        check=True,
    )
    copies = defaultdict(list)
    for row in pq.read_table(out / "manifest.parquet", columns=["key", "status", "kept_key"]).to_pylist():
        if row["status"] == "removed":
            copies[row["kept_key"]].append(row["key"])
    listed = []
    for table in (out / "doubtful.csv", out / "mirrored.csv"):
        if table.exists():
            with table.open(newline="") as file:
                listed += [[row["key"], row["other_key"]] for row in csv.DictReader(file)]
    return {
        "version": version("dcgan-pipeline"),
        "groups": [[kept, *removed] for kept, removed in copies.items()],
        "removed": [name for removed in copies.values() for name in removed],
        "listed": listed,
    }


def fastdup(folder: Path, work: Path) -> Found:
    """`fastdup.remove_duplicates(FOLDER, dry_run=True)`: components of pairs with a similarity above 0.96.

    Its crash reports and usage reports are off. `remove_duplicates` deletes all but the first file of a component; the
    components are read in the same way as it reads them.
    """
    os.environ["SENTRY_OPT_OUT"] = "1"
    import fastdup

    removed = fastdup.remove_duplicates(str(folder), work_dir=str(work), dry_run=True) or []
    components = fastdup.find_top_components(str(work))
    groups = [] if components is None else [[Path(name).name for name in files] for files in components["files"]]
    return {
        "version": version("fastdup"),
        "groups": [group for group in groups if len(group) > 1],
        "removed": [Path(name).name for name in removed],
        "listed": [],
    }


def imagededup(folder: Path, work: Path) -> Found:
    """`PHash().find_duplicates_to_remove(FOLDER)`: at most 10 of 64 bits differ."""
    from imagededup.methods import PHash
    from imagededup.utils.general_utils import get_files_to_remove

    # `find_duplicates_to_remove` consists of these two calls, but does not return the pairs.
    duplicates = PHash(verbose=False).find_duplicates(image_dir=folder)
    return {
        "version": version("imagededup"),
        "groups": [[name, other] for name, others in duplicates.items() for other in others if name < other],
        "removed": get_files_to_remove(duplicates),
        "listed": [],
    }


def cleanvision(folder: Path, work: Path) -> Found:
    """`Imagelab.find_issues` for exact and near duplicates: equal perceptual hashes of 64 bits.

    CleanVision reports sets and removes nothing; here all but the first picture of each set are removed.
    """
    from cleanvision import Imagelab

    lab = Imagelab(data_path=str(folder))
    lab.find_issues({"exact_duplicates": {}, "near_duplicates": {}}, verbose=False)
    sets = [*lab.info["exact_duplicates"]["sets"], *lab.info["near_duplicates"]["sets"]]
    groups = [[Path(name).name for name in found] for found in sets]
    return {
        "version": version("cleanvision"),
        "groups": groups,
        "removed": sorted({name for group in groups for name in group[1:]}),
        "listed": [],
    }


def czkawka(folder: Path, work: Path) -> Found:
    """`ImageSimilarity().find_similar` of the Python binding: at most 10 of 64 bits of a gradient hash differ.

    All but the largest file of each group are removed, as by the option `-D AEB` of `czkawka_cli`.
    """
    from czkawka import ImageSimilarity

    finder = ImageSimilarity()
    finder.set_directories([folder])
    groups = [sorted(group, key=lambda path: (-path.stat().st_size, path.name)) for group in finder.find_similar()]
    return {
        "version": version("czkawka"),
        "groups": [[path.name for path in group] for group in groups],
        "removed": [path.name for group in groups for path in group[1:]],
        "listed": [],
    }


TOOLS: dict[str, Callable[[Path, Path], Found]] = {
    "dcgan": dcgan,
    "fastdup": fastdup,
    "imagededup": imagededup,
    "czkawka": czkawka,
    "cleanvision": cleanvision,
}


def main() -> None:
    tool, folder, to = sys.argv[1:]
    with tempfile.TemporaryDirectory() as work:
        found = TOOLS[tool](Path(folder), Path(work))
    Path(to).write_text(json.dumps(found))


if __name__ == "__main__":
    main()
