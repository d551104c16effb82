"""Compare `dcgan dedup` with other tools that find duplicate pictures, each with its default settings.

    PYTHONPATH=. python benchmarks/compared.py --imagenet FOLDER|ZIP --bedrooms FOLDER|ZIP --cifar10 FOLDER|ZIP \\
        [--python-of TOOL=PYTHON ...] [--only TOOL ...] [--to benchmarks/compared.json] [--page docs/compared.md]

The tools search three sets of pictures with planted copies (`compared_sets.py`). Each runs in an interpreter that has
it installed (`--python-of fastdup=/path/to/python`; this project runs in the current one), as `compared_tools.py`
says. A tool whose interpreter is not given keeps its earlier results, and so do all others with `--only`. The tables of
docs/compared.md are written anew from the results.

A planted copy is found if the tool reports it and its original as duplicates of each other. A picture is lost if the
tool's own removal would delete all files that show it. In the set `strangers` every loss is an error. The photographs
and the small pictures contain real near-duplicates that nobody labelled, so there the losses are only counted.

Time and memory are those of one run, watched ten times a second (`resource_usage.py`). All of it needs
about ten minutes of processor time. Compare seconds only if all tools were measured on an idle machine.
"""

import argparse
import hashlib
import json
import platform
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import compared_sets
from compared_sets import LAYOUTS, PER_KIND, PER_LAYOUT, Truth
from compared_tools import TOOLS
from machine import describe
from resource_usage import run_and_measure

from pipeline.core import files

ROOT = Path(__file__).parent.parent
OWN = "dcgan"
TITLES = {
    "dcgan": "this project",
    "fastdup": "fastdup",
    "imagededup": "imagededup, PHash",
    "czkawka": "czkawka, Python binding",
    "cleanvision": "CleanVision",
}
BEGIN, END = "<!-- tables from benchmarks/compared.json -->", "<!-- end of tables -->"


def measure(tool: str, python: str, folder: Path, truth: Truth, strangers: bool) -> dict[str, Any]:
    """Run a tool on a set.

    Args:
        tool: one of `TOOLS`.
        python: interpreter that has it installed.
        folder: files of the set.
        truth: what is known about them.
        strangers: whether all pictures are known to be different.

    Returns:
        `version` of the tool, `seconds`, `processor seconds`, `memory` in MB, and the counts of `score`.
    """
    with tempfile.TemporaryDirectory() as name:
        to = Path(name) / "found.json"
        command = [python, str(Path(__file__).with_name("compared_tools.py")), tool, str(folder), str(to)]
        used = run_and_measure(command, Path(name))
        found = json.loads(to.read_text())
    return {
        "version": found["version"],
        "seconds": used["seconds"],
        "processor seconds": used["processor seconds"],
        "memory": used["pss"],
        **score(truth, found, strangers),
    }


def score(truth: Truth, found: dict[str, Any], strangers: bool) -> dict[str, Any]:
    """Hold what a tool reports against the truth.

    Args:
        truth: what is known about the set.
        found: `groups`, `removed` and `listed`, as `compared_tools.py` describes them.
        strangers: whether all pictures are known to be different; then losses are counted by layout.

    Returns:
        `found`: planted copies reported with their originals, by kind. `listed`: planted copies of which none is
        deleted, but which are shown to people with their originals, by kind. `removed`: files that would be deleted.
        `originals`: originals that would be deleted while their planted copy stays. `lost`: pictures of which no file
        would stay. `lost by layout` only for strangers.
    """
    reported, listed = _pairs(truth, found["groups"]), _pairs(truth, found["listed"])
    removed = set(found["removed"])
    left = {number for name, number in truth.picture.items() if name not in removed}
    lost = set(truth.picture.values()) - left
    result: dict[str, Any] = {
        "found": _by_kind(truth, reported),
        "listed": _by_kind(truth, listed - reported),
        "removed": len(removed),
        "originals": sum(truth.original(copy) in removed and copy not in removed for copy in truth.copies),
        "lost": len(lost),
    }
    if strangers:
        layouts = Counter(list(LAYOUTS)[number // PER_LAYOUT] for number in lost)
        result["lost by layout"] = {layout: layouts[layout] for layout in LAYOUTS}
    return result


def _pairs(truth: Truth, groups: list[list[str]]) -> set[str]:
    """The planted copies that are in one group with their original."""
    together = set()
    for group in map(set, groups):
        together |= {name for name in group if name in truth.copies and truth.original(name) in group}
    return together


def _by_kind(truth: Truth, copies: set[str]) -> dict[str, int]:
    """Count planted copies by kind; each kind of the set has a count."""
    counts = Counter(truth.copies[copy] for copy in copies)
    return {kind: counts[kind] for kind in sorted(set(truth.copies.values()))}


def digest(folder: Path) -> str:
    """SHA-256 of the names and contents of all files of a set."""
    total = hashlib.sha256()
    for file in sorted(folder.iterdir()):
        total.update(file.name.encode() + hashlib.sha256(file.read_bytes()).digest())
    return total.hexdigest()


# Tables.


def tables(result: dict[str, Any]) -> str:
    """The tables of docs/compared.md, in Markdown."""
    parts = [_machine(result)]
    for name, about in result["sets"].items():
        parts += [f"### {_heading(name)}", _totals(result, name), _kinds(result, name, about)]
    return "\n\n".join(parts)


def _heading(name: str) -> str:
    return name[0].upper() + name[1:]


def _machine(result: dict[str, Any]) -> str:
    """One row per tool: what was measured, and on what."""
    rows = []
    for tool, about in result["tools"].items():
        version, machine = next(iter(about["sets"].values()))["version"], about["machine"]
        rows.append([TITLES[tool], version, about["python"], f"{machine['processor']}, {machine['processors']} cores"])
    return _table(["tool", "version", "Python", "processor"], rows)


def _totals(result: dict[str, Any], name: str) -> str:
    """One row per tool: copies found, files removed, pictures lost, time and memory."""
    loss = "different pictures lost" if name == "strangers" else "other pictures removed, not judged"
    rows = []
    for tool, about in result["tools"].items():
        one = about["sets"][name]
        listed = sum(one["listed"].values())
        counts = [
            f"{sum(one['found'].values())}" + (f" and {listed} listed" if listed else ""),
            one["removed"],
            one["originals"],
            one["lost"],
        ]
        rows.append([TITLES[tool], *counts, one["seconds"], one["processor seconds"], one["memory"]])
    of = sum(result["sets"][name]["copies"].values())
    head = ["tool", f"copies found, of {of}", "files removed", "originals removed instead of their copies", loss]
    return _table([*head, "seconds", "processor seconds", "memory, MB"], rows)


def _kinds(result: dict[str, Any], name: str, about: dict[str, Any]) -> str:
    """Copies found by kind, one column per tool; for strangers, also the losses by layout."""
    tools = result["tools"]
    rows = []
    for kind, of in about["copies"].items():
        cells = []
        for tool in tools:
            one = tools[tool]["sets"][name]
            listed = one["listed"][kind]
            cells.append(f"{one['found'][kind]}" + (f" + {listed}" if listed else ""))
        rows.append([f"{kind} ({of})", *cells])
    if name == "strangers":
        for layout in LAYOUTS:
            lost = [tools[tool]["sets"][name]["lost by layout"][layout] for tool in tools]
            rows.append([f"lost: {layout} ({PER_LAYOUT})", *lost])
    return _table(["copies found", *(TITLES[tool] for tool in tools)], rows)


def _table(head: list[str], rows: list[list[Any]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(
        "| " + " | ".join(f"{cell:,}" if isinstance(cell, int | float) else str(cell) for cell in line) + " |"
        for line in lines
    )


def write_page(page: Path, result: dict[str, Any]) -> None:
    """Write the tables between the two marks of the page."""
    before, _, rest = page.read_text().partition(BEGIN)
    files.write_text(page, f"{before}{BEGIN}\n\n{tables(result)}\n\n{END}{rest.partition(END)[2]}")


def main() -> None:
    """Measure, merge the results with earlier ones, and write them and the page."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    for name in ("imagenet", "bedrooms", "cifar10"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--python-of", action="append", default=[], metavar="TOOL=PYTHON")
    parser.add_argument("--only", action="append", choices=TOOLS)
    parser.add_argument("--to", type=Path, default=Path(__file__).with_suffix(".json"))
    parser.add_argument("--page", type=Path, default=ROOT / "docs" / "compared.md")
    options = parser.parse_args()
    pythons = {OWN: sys.executable} | dict(given.split("=", 1) for given in options.python_of)
    chosen = [tool for tool in TOOLS if tool in (options.only or pythons)]
    if missing := [tool for tool in chosen if tool not in pythons]:
        parser.error(f"--python-of is needed for {', '.join(missing)}")
    result = json.loads(options.to.read_text()) if options.to.exists() else {"sets": {}, "tools": {}}
    measured: dict[str, Any] = {tool: {} for tool in chosen}
    for name in compared_sets.KINDS:
        with tempfile.TemporaryDirectory() as work:
            folder = Path(work) / "pictures"
            truth = compared_sets.make(name, options.imagenet, options.bedrooms, options.cifar10, folder)
            copies = dict.fromkeys(compared_sets.KINDS[name], PER_KIND[name])
            about = {"files": len(truth.picture), "copies": copies, "sha256": digest(folder)}
            if set(result["tools"]) - set(chosen) and result["sets"].get(name, about) != about:
                raise SystemExit(f"error: the set {name} differs from the earlier one; measure all tools again")
            result["sets"][name] = about
            for tool in chosen:
                print(f"{name}: {tool}", flush=True)
                measured[tool][name] = measure(tool, pythons[tool], folder, truth, name == "strangers")
                print(json.dumps(measured[tool][name]), flush=True)
    for tool in chosen:
        result["tools"][tool] = {
            "python": _python(pythons[tool]),
            "machine": describe("numpy", "numba", "torch", "pillow") if tool == OWN else describe(),
            "sets": measured[tool],
        }
    result["tools"] = {tool: result["tools"][tool] for tool in TOOLS if tool in result["tools"]}
    files.write_text(options.to, json.dumps(result, indent=1) + "\n")
    write_page(options.page, result)


def _python(interpreter: str) -> str:
    """The version of an interpreter."""
    if interpreter == sys.executable:
        return platform.python_version()
    command = [interpreter, "-c", "import platform; print(platform.python_version())"]
    return subprocess.check_output(command, text=True).strip()


if __name__ == "__main__":
    main()
