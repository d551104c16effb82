"""The usual size of a source's pictures, from the headers of a sample."""

import io
import statistics
import warnings
from pathlib import Path

from PIL import Image

from pipeline.datasets.pictures.raw_folder import locate, open_archive
from pipeline.readers.base import UnreadableEntry

_SAMPLE = 200
"""Number of pictures whose headers are read, evenly spaced in key order."""


def median_short_side(source: Path, archives: Path | None = None) -> int:
    """The median of the short sides of a sample of pictures, in pixels; 0 if none of them can be read.

    Args:
        source, archives: see `raw_folder.locate`, also for errors.
    """
    opened = open_archive(locate(source, archives).path).source
    entries = [entry for entry in opened.entries() if not entry.left_out]
    sides = []
    with opened.open() as read, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about odd metadata
        for entry in entries[:: -(-len(entries) // _SAMPLE) or 1]:
            try:
                with Image.open(io.BytesIO(read(entry.place))) as picture:
                    sides.append(min(picture.size))
            except (OSError, SyntaxError, ValueError, Image.DecompressionBombError, UnreadableEntry):
                continue  # a picture that cannot be decoded is listed when the set is made
    return int(statistics.median_low(sides)) if sides else 0
