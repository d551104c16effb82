"""README.md: its Python example runs, and each of its figures is the one in the JSON file that it names.

A figure is marked by a comment right behind it, which a rendered page does not show:

    `dvc repro` takes 240 s<!-- miniature seconds.repro -->

This names `benchmarks/miniature.json` and a key in it by its path. The figure must be the value, rounded to the digits
that are shown; minutes are compared with seconds, and percentages with shares of 1.
"""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
NUMBER = r"(?<![\w.,-])\d++(?:,\d{3})*+(?:\.\d+)?+"
FIGURE = re.compile(rf"({NUMBER})( ?%| minutes?\b)?[^|\d<]*?<!-- (\w+) ([\w.-]+) -->")
MEASURED = re.compile(rf"({NUMBER})(?: ?%| (?:s|seconds?|minutes?)\b)(?!<!--)")


def value_of(file: str, key: str) -> Any:
    """The value under a dotted key of `benchmarks/FILE.json`."""
    value = json.loads((ROOT / "benchmarks" / f"{file}.json").read_text())
    for part in key.split("."):
        value = value[part]
    return value


def wrong_figures(text: str, value_of: Callable[[str, str], Any]) -> list[str]:
    """Marked figures that are not the value which they name."""
    wrong = []
    for shown, unit, file, key in FIGURE.findall(text):
        value = value_of(file, key) * {"%": 100.0}.get(unit.strip(), 1.0) / (60 if "minute" in unit else 1)
        digits = len(shown.partition(".")[2])
        if abs(value - float(shown.replace(",", ""))) > 0.5001 * 10**-digits:
            wrong.append(f"{shown}{unit}: {file} {key} is {value:,}")
    return wrong


def unmarked_figures(text: str) -> list[str]:
    """Percentages, seconds, minutes, and numbers in tables, that name no file; sizes such as 64×64 are no figures."""
    prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    tables = "\n".join(line for line in prose.splitlines() if line.startswith("| ") and "---" not in line)
    tables = re.sub(r"\d+×\d+|\([^)]*\)\s*(?=\|)", "", tables)
    in_tables = re.findall(rf"({NUMBER})(?![^|\d<]*<!--)", tables)
    return [found[0] for found in MEASURED.finditer(prose)] + in_tables


def test_each_marked_figure_is_its_value() -> None:
    """A measurement that is taken again changes the README with it."""
    assert wrong_figures(README, value_of) == []


@pytest.mark.skipif(not (ROOT / "benchmarks" / "miniature.json").exists(), reason="the miniature is not measured yet")
def test_every_figure_is_marked() -> None:
    """No figure stands in the README that nothing compares with what was measured."""
    assert unmarked_figures(README) == []


def test_wrong_and_unmarked_figures_are_found() -> None:
    """What the two tests above look for, on a text with one of each kind."""
    values = {"seconds": 246.4, "share": 0.4567, "count": 1150}
    text = (
        "It takes 246 s<!-- m seconds -->, 4 minutes<!-- m seconds -->, 45.7 %<!-- m share --> right.\n"
        "| faces | 1,150 faces<!-- m count --> at 64×64 |\n"
    )
    assert wrong_figures(text, lambda _, key: values[key]) == [] == unmarked_figures(text)
    other = text.replace("246 s", "245 s").replace("45.7", "45.8").replace("1,150", "1,151")
    assert len(wrong_figures(other, lambda _, key: values[key])) == 3
    assert unmarked_figures("It takes 5 minutes or 300 s, and 46 % are right.\n| sets | 900 |\n") == [
        *("5 minutes", "300 s", "46 %"),
        "900",
    ]


def test_the_python_example_runs(tmp_path: Path, scenes: Callable[[int, int], np.ndarray]) -> None:
    """The block below "From Python", as it stands, on drawn pictures of which two are copies."""
    block = re.search(r"^## From Python$.*?^```python\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
    assert block
    (tmp_path / "pictures").mkdir()
    drawn = scenes(24, 7)
    for number, picture in enumerate([*drawn, *drawn[:2]]):
        kind = "jpg" if number >= len(drawn) else "png"
        Image.fromarray(picture).save(tmp_path / "pictures" / f"{number:02d}.{kind}")
    done = subprocess.run(
        [sys.executable, "-c", block[1]], cwd=tmp_path, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "24 of 26 pictures kept, 2 removed, 2 groups" in done.stdout
