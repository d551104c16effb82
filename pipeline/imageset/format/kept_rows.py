"""The rows that deduplication kept: all that training, and what looks at a trained network, reads of its result."""

from pathlib import Path

import numpy as np

from pipeline.core.errors import CorruptData, MissingInput
from pipeline.imageset.format.image_set import Rows


def load_kept(path: str | Path, pictures: int) -> Rows:
    """The row numbers that deduplication kept: int64 (n,), rising.

    Args:
        path: `kept.npy`.
        pictures: how many the image set has.

    Raises:
        MissingInput: there is no such file.
        CorruptData: it is not such a list, or not one of this image set.
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
        raise CorruptData(f"--kept {path}: rows are not rising, so some stand twice or out of order; {again}")
    if len(rows) and not 0 <= rows[0] <= rows[-1] < pictures:
        raise CorruptData(
            f"--kept {path}: rows {rows[0]} to {rows[-1]}, but --images has {pictures} pictures; {again} on this set"
        )
    return rows
