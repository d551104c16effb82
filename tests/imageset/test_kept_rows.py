"""Lists of kept rows are accepted only if deduplication can have written them for this set."""

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
        (np.array([2, 1]), "not in increasing order"),
        (np.array([1, 1]), "not in increasing order"),
        (np.array([-1, 1]), "rows -1 to 1, but --images has 70"),
        (np.array([1, 70]), "rows 1 to 70, but --images has 70"),
    ],
)
def test_rows_that_do_not_fit_are_refused(tmp_path: Path, rows: np.ndarray, found: str) -> None:
    """A list of another type, order or image set is refused before the first training step."""
    np.save(tmp_path / "kept.npy", rows)
    with pytest.raises(CorruptData, match=f"kept.npy: .*{found}"):
        load_kept(tmp_path / "kept.npy", 70)


def test_unreadable_files_are_refused(tmp_path: Path) -> None:
    """A missing, empty or truncated file, no array, several arrays and pickled objects each raise one clear error."""
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
