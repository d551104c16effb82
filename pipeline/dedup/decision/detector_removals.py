"""What the detector alone removes, before verdicts act: what draws to be judged are made from.

`detected.parquet` lies beside the manifest. This module loads no search, for a server reads it too.
"""

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.core import files
from pipeline.core.errors import CorruptData, MissingInput
from pipeline.imageset.format.image_set import ImageSet

REMOVALS = pa.schema(
    [
        ("row", pa.int64()),  # of the removed picture, rising
        ("keeper", pa.int64()),  # row of the one that stands for it
        ("reason", pa.string()),
        ("hamming", pa.int16()),  # bits in which the codes of the two differ
        ("similarity", pa.float64()),  # normalised cross-correlation at 32×32, grey; null where one has no contrast
    ]
)
"""A row for each picture that the detector alone removes within the set."""


def read_detector_removals(folder: Path, images: ImageSet) -> pa.Table:
    """What the detector alone removes, as `REMOVALS`.

    Args:
        folder: with the manifest.
        images: the set that it is of.

    Raises:
        MissingInput: there is no such file in `folder`.
        CorruptData: it is of other pictures, or not readable.
    """
    path = folder / "detected.parquet"
    if not path.is_file():
        raise MissingInput(f"--dedup {path}: no such file; run remove-duplicates again")
    table = files.read_table(path, f"--dedup {path}", "run remove-duplicates again")
    if not table.schema.equals(REMOVALS) or (len(table) and pc.max(table.column("row")).as_py() >= len(images)):
        raise CorruptData(f"--dedup {path}: not of this image set; run remove-duplicates again")
    return table
