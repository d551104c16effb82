"""docs/compared.md: its tables are those of benchmarks/compared.json, and what the benchmark counts is right."""

import importlib
import json
import sys
from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pipeline.prepare.decode import Decoded, decode

ROOT = Path(__file__).parents[1]
RESULT = json.loads((ROOT / "benchmarks" / "compared.json").read_text())


def module(name: str) -> ModuleType:
    """A module of benchmarks/."""
    folder = str(ROOT / "benchmarks")
    sys.path.insert(0, folder)
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(folder)


@pytest.fixture(scope="module")
def compared() -> ModuleType:
    """benchmarks/compared.py."""
    return module("compared")


@pytest.fixture(scope="module")
def sets() -> ModuleType:
    """benchmarks/compared_sets.py."""
    return module("compared_sets")


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory, scenes: Any) -> Path:
    """A folder of 130 drawn pictures, enough for one planted copy of each."""
    folder = tmp_path_factory.mktemp("photographs")
    for number, pixels in enumerate(scenes(130, 3)):
        Image.fromarray(pixels).save(folder / f"{number:03d}.jpg", quality=95)
    return folder


def test_the_page_has_the_measured_tables(compared: ModuleType, tmp_path: Path) -> None:
    """A new measurement changes the page with it, and writing the page again changes nothing else."""
    text = (ROOT / "docs" / "compared.md").read_text()
    (tmp_path / "page.md").write_text(text)
    compared.write_page(tmp_path / "page.md", RESULT)
    assert (tmp_path / "page.md").read_text() == text
    assert compared.tables(RESULT) in text


def test_all_tools_searched_the_same_sets(compared: ModuleType, sets: ModuleType) -> None:
    """Every tool has counts for every set and every kind of copy."""
    assert list(RESULT["tools"]) == list(compared.TITLES)
    for name, kinds in sets.KINDS.items():
        assert RESULT["sets"][name]["copies"] == dict.fromkeys(kinds, sets.PER_KIND[name])
        for about in RESULT["tools"].values():
            assert set(about["sets"][name]["found"]) == set(kinds) == set(about["sets"][name]["listed"])


def test_counts(compared: ModuleType, sets: ModuleType) -> None:
    """A copy counts as found if it is in one group with its original; a picture is lost if no file shows it."""
    truth = sets.Truth(
        {"a": 0, "a2": 0, "b": 1, "b2": 1, "c": 2, "c2": 2, "d": 3, "e": 60},
        {"a2": "grey", "b2": "grey", "c2": "mark"},
    )
    found = {
        "groups": [["a", "a2"], ["b", "d"], ["b2", "d"], ["e", "c"]],
        "removed": ["a", "b", "b2", "e"],
        "listed": [["c2", "c"], ["a", "a2"]],
    }
    counts = compared.score(truth, found, strangers=True)
    assert counts["found"] == {"grey": 1, "mark": 0}, "b and b2 were each taken for d, not for one another"
    assert counts["listed"] == {"grey": 0, "mark": 1}, "a and a2 are already reported"
    assert counts["removed"] == 4
    assert counts["originals"] == 1, "a was removed instead of a2"
    assert counts["lost"] == 2, "b with both of its files, and e"
    assert counts["lost by layout"] == {"forms": 1, "templates": 1, "icons": 0, "things in a frame": 0}
    assert "lost by layout" not in compared.score(truth, found, strangers=False)


def test_planted_copies(sets: ModuleType, photographs: Path, tmp_path: Path) -> None:
    """Of each kind as many copies as stated, each of another picture; the same sources give the same files."""
    originals = sets.read(photographs, None)
    content = [*sets.number(originals), *sets.plant("photographs", originals)]
    truth = sets.write(content, tmp_path / "set", "photographs")
    assert Counter(truth.copies.values()) == dict.fromkeys(sets.KINDS["photographs"], sets.PER_KIND["photographs"])
    assert len({truth.original(copy) for copy in truth.copies}) == len(truth.copies)
    assert sorted(file.name for file in (tmp_path / "set").iterdir()) == sorted(truth.picture)
    assert sets.plant("photographs", originals) == content[len(originals) :]
    sizes = {}
    for name, kind in truth.copies.items():
        with Image.open(tmp_path / "set" / name) as copy, Image.open(tmp_path / "set" / truth.original(name)) as source:
            sizes[kind] = copy.width * copy.height / (source.width * source.height)
            assert copy.format == ("PNG" if kind == "screenshot with border" else "JPEG")
    assert sizes["half the size"] == 0.25
    assert sizes["45 % cut off one side"] == pytest.approx(0.55, abs=0.01)
    assert sizes["caption bar"] > 1.1 and sizes["screenshot with border"] > 1.1


@pytest.mark.parametrize("share", [0.15, 0.3, 0.45])
def test_a_cut_takes_one_side_only(sets: ModuleType, share: float) -> None:
    """What is left is a part of the picture that touches three of its sides, at its own scale."""
    image = np.arange(40 * 60 * 3, dtype=np.uint32).reshape(40, 60, 3)
    sides = set()
    for seed in range(30):
        left = sets.cut(share)(image, np.random.default_rng(seed))
        rows, columns = np.flatnonzero(np.isin(image[:, :, 0], left[:, :, 0]).any(axis=1)), left.shape[1]
        top = int(rows[0])
        start = int(np.flatnonzero(image[top, :, 0] == left[0, 0, 0])[0])
        assert np.array_equal(image[top : top + len(left), start : start + columns], left)
        assert left.shape[:2] in {(40 - round(40 * share), 60), (40, 60 - round(60 * share))}
        sides.add((left.shape[:2], top, start))
    assert len(sides) == 4


def test_strangers_are_different_pictures_in_shared_layouts(sets: ModuleType, photographs: Path) -> None:
    """Each layout has its number of pictures, no two of them equal, and none is blank."""
    drawn = sets.draw(photographs)
    assert len(drawn) == len(sets.LAYOUTS) * sets.PER_LAYOUT
    for start in range(0, len(drawn), sets.PER_LAYOUT):
        layout = []
        for data, _ in drawn[start : start + sets.PER_LAYOUT]:
            decoded = decode(data, max_pixels=10**7)
            assert isinstance(decoded, Decoded)
            layout.append(decoded.image[::4, ::4].astype(np.int16))  # every fourth pixel: comparing all takes minutes
        shown = np.stack(layout)
        for place, image in enumerate(shown[:-1]):
            changed = (np.abs(shown[place + 1 :] - image).max(axis=3) > 64).mean(axis=(1, 2))
            assert changed.min() > 0.002, "two strangers nearly equal each other"
