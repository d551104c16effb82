"""Read the sources of an image set's pictures and encode them for a browser."""

import contextlib
import hashlib
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow.compute as pc

from pipeline.core.errors import PipelineError
from pipeline.datasets.pictures.raw_folder import can_open, open_source
from pipeline.readers.base import Place, Read, UnreadableEntry, only_pictures
from pipeline.review.duplicates.dedup_result import PictureTable

MAX_SIDE = 2048
"""Pixels; larger sources are scaled down."""


class SourcePictures:
    """Reads sources; safe to use from several threads, which read one after the other.

    Args:
        pictures: the pictures whose sources can be read.
        raw: raw folders, one for each part of the set; without them no source can be read.
        archives: as for `open_source`; None for the places that the raw folders remember.
    """

    def __init__(self, pictures: PictureTable, raw: Sequence[Path], archives: Path | None) -> None:
        self.pictures, self.raw, self.archives = pictures, raw, archives
        self._lock = threading.Lock()
        self._open = contextlib.ExitStack()
        self._opened: dict[Path, tuple[dict[str, Place], Read]] = {}

    @property
    def available(self) -> bool:
        """Whether a source can be read at all."""
        return any(can_open(raw, self.archives) for raw in self.raw)

    def close(self) -> None:
        """Close the opened sources."""
        self._open.close()

    def png(self, position: int) -> bytes | None:
        """A source as PNG with sides of at most `MAX_SIDE` pixels; for a face, its part of the photo.

        Args:
            position: position in `pictures`.

        Returns:
            None if the source cannot be read, or if its bytes have changed since the image set was made.
        """
        key = self.pictures.keys[position].as_py()
        box = self.pictures.boxes[position].as_py()
        if box:
            key = key.rpartition("#")[0]  # the key of a face is PHOTO#003
        for raw in self.raw:
            data = None
            with contextlib.suppress(PipelineError, UnreadableEntry, OSError), self._lock:
                data = self._read(raw, key)
            if data is not None and hashlib.sha256(data).hexdigest() == self.pictures.sha256(position):
                return source_png(data, box)
        return None

    def _read(self, raw: Path, key: str) -> bytes | None:
        if raw not in self._opened:  # set only on success, so a failed attempt is repeated at the next request
            self._opened[raw] = self._places(raw, self.archives)
        places, read = self._opened[raw]
        return read(places[key]) if key in places else None

    def _places(self, raw: Path, archives: Path | None) -> tuple[dict[str, Place], Read]:
        source = open_source(raw, archives)
        keys = self.pictures.keys
        photos = pc.replace_substring_regex(keys, pattern="#[0-9]+$", replacement="")
        wanted = {*keys.to_pylist(), *photos.to_pylist()}
        places: dict[str, Place] = {}
        for entry in only_pictures(source.entries()):
            if entry.key in wanted:
                places.setdefault(entry.key, entry.place)  # the image set has the first of several entries with one key
        return places, self._open.enter_context(source.open())


def source_png(data: bytes, box: list[int] | None = None) -> bytes | None:
    """An encoded picture, or its part within a box (left, top, right, bottom), as PNG; None if it is not a picture."""
    from PIL import Image  # imported late: slow to import, and not needed while only stored pictures are shown

    from pipeline.imageset.image_grid import png
    from pipeline.prepare.decode import MOST_PIXELS, Decoded, decode

    # Boxes are in pixels of the full size, so the source must be decoded at full size.
    decoded = decode(data, max_pixels=MOST_PIXELS, short_side=None if box else MAX_SIDE)
    if not isinstance(decoded, Decoded):
        return None
    image = decoded.image
    if box:
        left, top, right, bottom = (max(0, edge) for edge in box)
        image = image[top:bottom, left:right]
    if not image.size:
        return None
    picture = Image.fromarray(image)
    picture.thumbnail((MAX_SIDE, MAX_SIDE))
    return png(np.asarray(picture))
