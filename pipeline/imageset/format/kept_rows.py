"""The rows that deduplication kept: the only part of its result that training and evaluation read."""

from pathlib import Path

import numpy as np

from pipeline.core.errors import CorruptData, MissingInput
from pipeline.imageset.format.image_set import Rows


def load_kept(path: str | Path, pictures: int) -> Rows:
    """Read the row numbers that deduplication kept: int64 (n,), increasing.

    Args:
        path: `kept.npy`.
        pictures: number of pictures in the image set.

    Raises:
        MissingInput: the file does not exist.
        CorruptData: the file is not a list of rows, or does not fit the image set.
    """
    path = Path(path)
    again = "run remove-duplicates again"
    try:
        with path.open("rb") as file:
            rows: Rows = np.lib.format.read_array(file, allow_pickle=False)
    except FileNotFoundError:
        raise MissingInput(f"--kept {path}: no such file; run remove-duplicates first") from None
    except (OSError, ValueError) as error:
        raise CorruptData(f"--kept {path}: not readable as an array ({error}); {again}") from None
    if rows.dtype != np.int64 or rows.ndim != 1:
        raise CorruptData(f"--kept {path}: {rows.dtype} of shape {rows.shape}, expected a list of int64; {again}")
    if (np.diff(rows) <= 0).any():
        raise CorruptData(f"--kept {path}: rows are not in increasing order; {again}")
    if len(rows) and not 0 <= rows[0] <= rows[-1] < pictures:
        raise CorruptData(
            f"--kept {path}: rows {rows[0]} to {rows[-1]}, but --images has {pictures} pictures; {again} on this set"
        )
    return rows
