"""An earlier result is taken for pictures that it was made of, and for nothing else."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.core.errors import BadParameters, CorruptData, MissingInput
from pipeline.dedup.decision import manifest
from pipeline.dedup.decision.prior_decisions import (
    NEW,
    PriorDecisions,
    load_prior_decisions,
    no_prior_decisions,
    release,
)
from pipeline.dedup.pairs.matches_table import Matches
from pipeline.imageset.format.image_set import ImageSet

Make = Callable[..., Path]


@pytest.fixture
def result(make_imageset: Make, tmp_path: Path) -> Path:
    """Three pictures, of which the second was removed for the first, and the third for one of another set."""
    images = ImageSet(make_imageset(pictures(3), name="old"))
    row = {"row": [1], "representative": [0], "reason": ["near_code"], "hamming": [2], "similarity": [0.9]}
    removals = pa.table(row, schema=manifest.REMOVALS)
    others = Matches(np.array([2]), ["elsewhere"], ["f" * 64], [5])
    table = manifest.build(images, np.zeros((3, 16), np.uint8), removals, removals, others)
    header = {"schema_version": manifest.SCHEMA_VERSION, "mode": "near", "images": images.digest}
    (tmp_path / "dedup").mkdir()
    manifest.write(tmp_path / "dedup", table, removals, manifest.summarise(table), header, images)
    return tmp_path / "dedup"


def pictures(count: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (8, 32, 32, 3), np.uint8)[:count]


def test_what_stands_is_read_by_rows(result: Path, make_imageset: Make) -> None:
    """Pictures that came later are new; of those that stand in another set the rows are named."""
    standing = load_prior_decisions(result, ImageSet(make_imageset(pictures(5))), "near")
    assert standing.keepers.tolist() == [0, 0, 2, NEW, NEW] == standing.alone.tolist()
    assert (standing.others.rows.tolist(), standing.others.keys, standing.others.hamming) == ([2], ["elsewhere"], [5])
    found = Matches(np.array([0, 4]), ["x", "y"], ["0" * 64, "1" * 64], [1, 2])
    joined = standing.with_matches(found)
    assert (joined.rows.tolist(), joined.keys, joined.hamming) == ([2, 4], ["elsewhere", "y"], [5, 2])


def test_other_pictures_and_modes_are_refused(result: Path, make_imageset: Make, tmp_path: Path) -> None:
    """One line each, with what was found."""
    for name, images in (("fewer", pictures(2)), ("others", pictures(5)[::-1])):
        with pytest.raises(CorruptData, match=r"its 3 pictures are not the first ones"):
            load_prior_decisions(result, ImageSet(make_imageset(images, name=name)), "near")
    images = ImageSet(make_imageset(pictures(4)))
    with pytest.raises(BadParameters, match="--mode exact: the earlier result was made with near"):
        load_prior_decisions(result, images, "exact")
    pq.write_table(pq.read_table(result / "manifest.parquet").drop_columns("code"), result / "manifest.parquet")
    with pytest.raises(CorruptData, match="expected schema version"):
        load_prior_decisions(result, images, "near")
    with pytest.raises(MissingInput, match="no such file"):
        load_prior_decisions(tmp_path / "nothing", images, "near")


def test_whoever_is_judged_apart_from_its_keeper_is_let_go() -> None:
    """And nobody else; nothing is settled where nothing was decided."""
    settled, contents = np.array([0, 0, 0, 3, NEW]), np.array([7, 8, 9, 5, 6])
    assert release(settled, contents, {8: {7}, 7: {8}, 5: {6}}).tolist() == [0, NEW, 0, 3, NEW]
    assert settled.tolist() == [0, 0, 0, 3, NEW]
    assert isinstance(no_prior_decisions(2), PriorDecisions) and no_prior_decisions(2).keepers.tolist() == [NEW, NEW]
