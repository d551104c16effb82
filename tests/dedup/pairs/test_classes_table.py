"""The table of classes is read back as written, and refused if damaged, of another version or of other pictures."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.errors import CorruptData, MissingInput
from pipeline.dedup.pairs.classes_table import SCHEMA, class_ids, load_classes
from pipeline.dedup.pairs.pairs_table import load_pairs
from pipeline.imageset.format.image_set import Images, ImageSet


@given(st.lists(st.tuples(st.integers(-1, 2), st.integers(-1, 1)), min_size=1, max_size=30))
def test_an_id_is_the_first_row_of_its_class(rows: list[tuple[int, int]]) -> None:
    """The id of a row is the first equal row, for any integers."""
    assert class_ids(np.array(rows)).tolist() == [rows.index(row) for row in rows]


@pytest.fixture
def found(make_set: Callable[..., Path], paired: Callable[..., Path], blobs: Callable[[int], Images]) -> Path:
    """Pairs of four pictures, of which the last one equals the second."""
    return paired(make_set(blobs(4)[[0, 1, 2, 1]]))


def test_classes_are_read_back(found: Path, tmp_path: Path) -> None:
    """The ids of all kinds are read back, one row for each picture."""
    classes = load_classes(found, ImageSet(tmp_path / "set"))
    assert classes.pixels.tolist() == [0, 1, 2, 1] and classes.bytes.tolist() == [0, 1, 2, 3]
    assert classes.codes is not None and classes.codes.tolist() == [0, 1, 2, 1] and classes.searched.all()
    assert classes.squares.tolist() == [0, 1, 2, 1]
    assert classes.reasons(np.array([3]), np.array([1]), "other") == ["same_pixels"]
    table = pq.read_table(found / "classes.parquet")
    assert table.schema.equals(SCHEMA) and classes.table().equals(table)


def test_results_of_version_1_are_refused_by_name(found: Path, tmp_path: Path) -> None:
    """Results of version 1 have no classes: both readers say what to do."""
    about = json.loads((found / "pairs.json").read_text())
    (found / "pairs.json").write_text(json.dumps(about | {"schema_version": 1}))
    (found / "classes.parquet").unlink()
    for load in (load_pairs, load_classes):
        with pytest.raises(CorruptData, match=r"pairs.json: schema version 1, expected 4; run find-pairs again"):
            load(found, ImageSet(tmp_path / "set"))


def test_damaged_classes_are_refused(found: Path, tmp_path: Path, make_set: Callable[..., Path]) -> None:
    """A missing, truncated or foreign table, or one with other columns, too few rows or wrong ids, is refused."""
    images, path = ImageSet(tmp_path / "set"), found / "classes.parquet"
    whole, table = path.read_bytes(), pq.read_table(path)

    def replaced(name: str, values: list[int | None]) -> pa.Table:
        return table.set_column(SCHEMA.get_field_index(name), SCHEMA.field(name), pa.array(values, pa.int64()))

    for wrong, message in (
        (table.drop_columns(["exact_only"]), "other columns"),
        (replaced("pixels", [0, 1, 2, None]), "other columns"),
        (table.slice(0, 3), "3 rows, expected one for each of 4 pictures"),
        (replaced("row", [0, 1, 3, 2]), "4 rows, expected one for each of 4 pictures"),
        (replaced("bytes", [0, 1, 3, 3]), "not the first row of its class"),
        (replaced("pixels", [0, 0, 1, 3]), "not the first row of its class"),
        (replaced("codes", [0, 1, 2, -1]), "not the first row of its class"),
        (replaced("codes", [None] * 4), "not the first row of its class"),
        (replaced("squares", [0, 0, 1, 3]), "not the first row of its class"),
        (table.set_column(5, SCHEMA.field("exact_only"), pa.array(["", "", "odd", ""])), "exact_only is not one of"),
    ):
        pq.write_table(wrong, path)
        with pytest.raises(CorruptData, match=rf"classes.parquet: .*{message}.*; run find-pairs again"):
            load_classes(found, images)
    path.write_bytes(whole[:-9])
    with pytest.raises(CorruptData, match="not readable"):
        load_classes(found, images)
    path.unlink()
    with pytest.raises(CorruptData, match="not readable"):
        load_classes(found, images)
    path.write_bytes(whole)
    other = ImageSet(make_set(images.read(np.arange(3)), "other"))
    with pytest.raises(CorruptData, match="pairs of another image set"):
        load_classes(found, other)
    with pytest.raises(MissingInput, match="run find-pairs first"):
        load_classes(tmp_path / "nowhere", images)
