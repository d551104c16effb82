"""Prior decisions are read for the pictures they were made for, and refused for others."""

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
    """A result of three pictures: the second was removed for the first, and the third for a picture of another set."""
    images = ImageSet(make_imageset(pictures(3), name="old"))
    row = {"row": [1], "representative": [0], "reason": ["near_code"], "hamming": [2], "similarity": [0.9]}
    removals = pa.table(row, schema=manifest.REMOVALS)
    others = Matches(np.array([2]), ["elsewhere"], ["f" * 64], [5])
    table = manifest.build(images, np.zeros((3, 16), np.uint8), removals, removals, others)
    header = {"schema_version": manifest.SCHEMA_VERSION, "mode": "near", "images": images.digest}
    (tmp_path / "dedup").mkdir()
    manifest.write(tmp_path / "dedup", table, removals, [], manifest.summarise(table), header, images)
    return tmp_path / "dedup"


def pictures(count: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (8, 32, 32, 3), np.uint8)[:count]


def test_prior_decisions_are_read(result: Path, make_imageset: Make) -> None:
    """Added pictures are new; the rows removed because of another set are listed."""
    prior = load_prior_decisions(result, ImageSet(make_imageset(pictures(5))), "near")
    assert prior.representatives.tolist() == [0, 0, 2, NEW, NEW] == prior.detector_only.tolist()
    assert (prior.others.rows.tolist(), prior.others.keys, prior.others.hamming) == ([2], ["elsewhere"], [5])
    found = Matches(np.array([0, 4]), ["x", "y"], ["0" * 64, "1" * 64], [1, 2])
    joined = prior.with_matches(found)
    assert (joined.rows.tolist(), joined.keys, joined.hamming) == ([2, 4], ["elsewhere", "y"], [5, 2])


def test_other_pictures_and_modes_are_refused(result: Path, make_imageset: Make, tmp_path: Path) -> None:
    """Each error is one line and contains what was found."""
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


def test_verdicts_release_pictures_from_their_representative() -> None:
    """Exactly the pictures that a verdict separates from their representative are released."""
    decided, contents = np.array([0, 0, 0, 3, NEW]), np.array([7, 8, 9, 5, 6])
    assert release(decided, contents, {8: {7}, 7: {8}, 5: {6}}).tolist() == [0, NEW, 0, 3, NEW]
    assert decided.tolist() == [0, 0, 0, 3, NEW]
    assert isinstance(no_prior_decisions(2), PriorDecisions) and no_prior_decisions(2).representatives.tolist() == [
        NEW,
        NEW,
    ]
