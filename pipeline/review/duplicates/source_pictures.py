"""The source pictures behind the rows of an image set, as they can be shown in a browser."""

import contextlib
import hashlib
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow.compute as pc

from pipeline.core.errors import PipelineError
from pipeline.datasets.pictures.raw_folder import open_source
from pipeline.readers.base import Place, Read, UnreadableEntry
from pipeline.review.duplicates.result import Pictures

LARGEST_SIDE = 2048
"""Pixels; a larger source is shown smaller."""


class Sources:
    """Reads sources, one at a time, for several threads.

    Args:
        pictures: those that are asked for.
        raw: raw folders, one for each part of the set; there is no source where there is none.
        archives: as for `open_source`; None where they are not at hand.
    """

    def __init__(self, pictures: Pictures, raw: Sequence[Path], archives: Path | None) -> None:
        self.pictures, self.raw, self.archives = pictures, raw, archives
        self._lock = threading.Lock()
        self._open = contextlib.ExitStack()
        self._opened: dict[Path, tuple[dict[str, Place], Read]] = {}

    @property
    def at_hand(self) -> bool:
        """Whether sources can be shown at all."""
        return bool(self.raw) and self.archives is not None

    def close(self) -> None:
        """Close what reads them."""
        self._open.close()

    def png(self, at: int) -> bytes | None:
        """A source as PNG, of at most `LARGEST_SIDE` pixels a side; of a face, its part of the photo.

        Args:
            at: position among `pictures`.

        Returns:
            None where it cannot be read, or has other bytes than when the image set was made.
        """
        key = self.pictures.keys[at].as_py()
        box = self.pictures.boxes[at].as_py()
        if box:
            key = key.rpartition("#")[0]  # a face is photo#003
        for raw in self.raw:
            data = None
            with contextlib.suppress(PipelineError, UnreadableEntry, OSError), self._lock:
                data = self._read(raw, key)
            if data is not None and hashlib.sha256(data).hexdigest() == self.pictures.sha256(at):
                return show(data, box)
        return None

    def _read(self, raw: Path, key: str) -> bytes | None:
        if self.archives is None:
            return None
        if raw not in self._opened:  # what fails half-way is tried again: a disk may come back
            self._opened[raw] = self._places(raw, self.archives)
        places, read = self._opened[raw]
        return read(places[key]) if key in places else None

    def _places(self, raw: Path, archives: Path) -> tuple[dict[str, Place], Read]:
        source = open_source(raw, archives)
        keys = self.pictures.keys
        photos = pc.replace_substring_regex(keys, pattern="#[0-9]+$", replacement="")
        shown = {*keys.to_pylist(), *photos.to_pylist()}
        places: dict[str, Place] = {}
        for entry in source.entries():
            if entry.key in shown:
                places.setdefault(entry.key, entry.place)  # of several with one key the first was taken
        return places, self._open.enter_context(source.open())


def show(data: bytes, box: list[int] | None = None) -> bytes | None:
    """A source's bytes, or its part within a box (left, top, right, bottom), as PNG; None where it is no picture."""
    from PIL import Image  # these are large, and many a session looks at stored pictures only

    from pipeline.imageset.image_grid import png
    from pipeline.prepare.decode import MOST_PIXELS, Decoded, decode

    # Boxes are in pixels of the whole source, so that must be decoded whole.
    decoded = decode(data, max_pixels=MOST_PIXELS, short_side=None if box else LARGEST_SIDE)
    if not isinstance(decoded, Decoded):
        return None
    image = decoded.image
    if box:
        left, top, right, bottom = (max(0, edge) for edge in box)
        image = image[top:bottom, left:right]
    if not image.size:
        return None
    picture = Image.fromarray(image)
    picture.thumbnail((LARGEST_SIDE, LARGEST_SIDE))
    return png(np.asarray(picture))
