"""Samples of a model: a grid and single files; a second run gives the same bytes."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.core.errors import BadParameters
from pipeline.core.workspace import MARK
from pipeline.figures import samples
from pipeline.figures.samples import SamplesConfig
from tests.models.untrained import save_untrained


def settings(**changes: object) -> SamplesConfig:
    values = {"count": 10, "singles": 3, "batch_statistics": False, "threads": 1}
    return SamplesConfig.model_validate(values | changes)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A model folder with an untrained generator whose pictures differ."""
    return save_untrained(tmp_path / "model")


@pytest.mark.parametrize("batch_statistics", [False, True])
def test_files_repeat_to_the_byte(saved: Path, tmp_path: Path, batch_statistics: bool) -> None:
    """The grid, the single files and the record; a second run gives the same bytes."""
    parameters = settings(batch_statistics=batch_statistics)
    trees = []
    for to in (tmp_path / "one", tmp_path / "two"):
        record = samples.sample(saved, parameters, name="set", seed=1, to=to)
        trees.append({str(path.relative_to(to)): path.read_bytes() for path in to.rglob("*") if path.is_file()})
    assert trees[0] == trees[1]
    assert set(trees[0]) == {MARK, "grid.png", "samples.json", *(f"singles/{number:03d}.png" for number in range(3))}
    with Image.open(tmp_path / "one" / "grid.png") as sheet, Image.open(tmp_path / "one/singles/001.png") as single:
        assert sheet.size == (4 * 32, 3 * 32)
        assert np.array_equal(np.asarray(sheet)[:32, 32:64], np.asarray(single))
    assert record == json.loads(trees[0]["samples.json"])
    assert record["model_sha256"] == hashlib.sha256((saved / "generator.safetensors").read_bytes()).hexdigest()
    assert record["seed"] == 1 and record["family"] == "dcgan"


def test_seed_and_name_choose_the_pictures(saved: Path, tmp_path: Path) -> None:
    """Another seed or another name of the set gives other pictures."""
    grids = set()
    for name, seed in (("one", 1), ("one", 2), ("two", 1)):
        samples.sample(saved, settings(), name=name, seed=seed, to=tmp_path / f"{name}{seed}")
        grids.add((tmp_path / f"{name}{seed}" / "grid.png").read_bytes())
    assert len(grids) == 3


def test_more_singles_than_pictures_is_an_error(saved: Path, tmp_path: Path) -> None:
    """The error names the key and the limit."""
    with pytest.raises(BadParameters, match="singles: 11, expected at most count, which is 10"):
        samples.sample(saved, settings(singles=11), name="set", seed=1, to=tmp_path / "out")


def test_a_batch_of_one_has_no_statistics(saved: Path, tmp_path: Path) -> None:
    """The error names the key and what it needs, instead of a traceback from torch."""
    with pytest.raises(BadParameters, match="batch_statistics: true needs a count of at least 2"):
        parameters = settings(count=1, singles=0, batch_statistics=True)
        samples.sample(saved, parameters, name="set", seed=1, to=tmp_path / "out")
    assert not (tmp_path / "out").exists()
