"""The list of kept rows: only what deduplication can have written for this very set is taken."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.core.errors import CorruptData, MissingInput
from pipeline.imageset.format.kept_rows import load_kept


@pytest.mark.parametrize(
    ("rows", "found"),
    [
        (np.array([1.0, 2.0]), "float64"),
        (np.array([1, 2], np.int32), "int32"),
        (np.array([[1, 2]]), r"shape \(1, 2\)"),
        (np.array(7), r"shape \(\)"),
        (np.array([2, 1]), "not rising"),
        (np.array([1, 1]), "not rising"),
        (np.array([-1, 1]), "rows -1 to 1, but --images has 70"),
        (np.array([1, 70]), "rows 1 to 70, but --images has 70"),
    ],
)
def test_kept_that_does_not_fit_is_refused(tmp_path: Path, rows: np.ndarray, found: str) -> None:
    """A list of another type, order or image set is named as such before the first step."""
    np.save(tmp_path / "kept.npy", rows)
    with pytest.raises(CorruptData, match=f"kept.npy: .*{found}"):
        load_kept(tmp_path / "kept.npy", 70)


def test_kept_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    """Missing, empty, cut off, not an array, several arrays, or pickled objects: one clear error each."""
    path = tmp_path / "kept.npy"
    with pytest.raises(MissingInput, match="run remove-duplicates first"):
        load_kept(path, 70)
    np.save(path, np.arange(50))
    whole = path.read_bytes()
    np.save(path, np.array([{"a": 1}]), allow_pickle=True)
    pickled = path.read_bytes()
    np.savez(tmp_path / "several.npz", a=np.arange(3))
    for data in (b"", whole[:9], whole[:200], b"not an array at all", pickled, (tmp_path / "several.npz").read_bytes()):
        path.write_bytes(data)
        with pytest.raises(CorruptData, match="not readable as an array"):
            load_kept(path, 70)
