"""The table of detector removals: the pictures that the detector removes if no verdict applies.

This table, `detected.parquet`, is written to the folder of the manifest. Samples of pairs for people to judge are taken
from it. This module does not import the search, because the review server imports this module.
"""

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.core import files
from pipeline.core.errors import CorruptData, MissingInput
from pipeline.imageset.format.image_set import ImageSet

REMOVALS = pa.schema(
    [
        ("row", pa.int64()),  # row of the removed picture, increasing
        ("representative", pa.int64()),  # row of the kept picture of its group
        ("reason", pa.string()),
        ("hamming", pa.int16()),  # number of bits in which the two codes differ
        ("similarity", pa.float64()),  # cross-correlation, see `removal.similarity`; null if one has no contrast
    ]
)
"""One row for each picture that the detector removes because of another picture of the set."""


def read_detector_removals(folder: Path, images: ImageSet) -> pa.Table:
    """Read the detector removals, with the schema `REMOVALS`.

    Args:
        folder: the folder of the manifest.
        images: the image set of the manifest.

    Raises:
        MissingInput: `folder` contains no such file.
        CorruptData: the table has rows or columns that do not fit the image set, or is not readable.
    """
    path = folder / "detected.parquet"
    if not path.is_file():
        raise MissingInput(f"--dedup {path}: no such file; run remove-duplicates again")
    table = files.read_table(path, f"--dedup {path}", "run remove-duplicates again")
    if not table.schema.equals(REMOVALS) or (len(table) and pc.max(table.column("row")).as_py() >= len(images)):
        raise CorruptData(f"--dedup {path}: other columns, or rows of another image set; run remove-duplicates again")
    return table
