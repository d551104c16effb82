"""Whole pictures to squares: `crop-scenes` for LSUN and `downsample-imagenet`, which differ in labels and numbers only.

Short side to `side`, centre crop: the paper says "32 × 32 min-resized center crops" for ImageNet (section 4.3) and
nothing for LSUN, where the same is done.
"""

import functools
import hashlib
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import PIL
from pydantic import Field

from pipeline import files, params, progress
from pipeline.datasets import imagenet, lsun
from pipeline.datasets.raw import PUBLISHED, DataSet, Description, open_source
from pipeline.datasets.readers import Entry, Folder, Source
from pipeline.imageset import Images, Picture, Skipped
from pipeline.prepare.chunks import make_image_set
from pipeline.prepare.decode import MOST_PIXELS, Problem, decode
from pipeline.prepare.resize import resize

_ENTRIES = {"lsun": lsun.entries, "imagenet": imagenet.entries}


class Prepare(params.Section):
    """How a set's pictures are cut to squares.

    Attributes:
        side: height and width, in pixels.
        resize: see `resize.resize`.
        chunk_keys: source keys in a chunk, the unit of work and of resume.
        max_bad: largest share of sources that may be unreadable.
        max_pixels: sources with more are refused before they are decoded.
    """

    side: int = Field(gt=0, le=1024)
    resize: Literal["area", "cv2-bilinear"]
    chunk_keys: int = Field(gt=0)
    max_bad: float = Field(ge=0, le=1)
    max_pixels: int = Field(gt=0, le=MOST_PIXELS)


def make_squares(
    data_set: DataSet, section: Prepare, *, raw: Path, archives: Path, to: Path, workers: int
) -> dict[str, int]:
    """Make the image set `to` of a raw folder; see `chunks.make_image_set` for results and errors.

    Args:
        raw: the raw folder that the download made.
        archives: the set's folder of archives, for pictures that are read in place.
    """
    source, described = open_source(raw, archives)
    entries = _ENTRIES[data_set](source)
    _compare_count(described, len(entries))
    return make_image_set(
        source,
        entries,
        functools.partial(to_square, section),
        side=section.side,
        chunk_keys=section.chunk_keys,
        max_bad=section.max_bad,
        work_digest=_work_digest(data_set, section, source, described),
        to=to,
        workers=workers,
    )


def to_square(section: Prepare, entry: Entry, data: bytes) -> tuple[Images, Picture] | Skipped:
    """Decode, resize and crop one picture, uint8 (side, side, 3)."""
    # Twice the side leaves enough for the mean over squares; the released code's sampling wants the whole picture.
    short_side = 2 * section.side if section.resize == "area" else None
    decoded = decode(data, max_pixels=section.max_pixels, short_side=short_side)
    if isinstance(decoded, Problem):
        return Skipped(entry.key, "bad", decoded.reason, decoded.detail)
    image = resize(decoded.image, side=section.side, method=section.resize)
    sha256 = hashlib.sha256(data).hexdigest()
    return image, Picture(entry.key, decoded.width, decoded.height, len(data), sha256, label=entry.label)


def _work_digest(data_set: DataSet, section: Prepare, source: Source, described: Description) -> str:
    """Digest of all that decides a chunk's bytes: sources, parameters, code, and the libraries that decode and scale.

    `described` knows the files of a folder by their lengths alone, so the times of their last changes count as well.
    """
    return files.digest(
        {
            "code": files.code_digest("prepare", "datasets", "imageset.py"),
            "libraries": [PIL.__version__, cv2.__version__, np.__version__],
            "set": data_set,
            "sha256": described.sha256,
            "changed": [file.changed for file in source.files()] if isinstance(source, Folder) else [],
            **section.model_dump(exclude={"max_bad"}),  # a higher limit must not cost the finished chunks
        }
    )


def _compare_count(described: Description, found: int) -> None:
    """Warn when upstream's own archive, known by its checksum, does not give the number of pictures it is known for."""
    known = PUBLISHED.get(described.archive)
    if described.upstream and known and known.entries and known.entries != found:
        progress.warn(f"{described.archive}: {found:,} pictures, but upstream's archive is known for {known.entries:,}")
