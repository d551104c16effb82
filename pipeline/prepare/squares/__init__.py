"""Crop pictures to squares: `crop-scenes` and `downsample-imagenet`, which differ only in labels and parameters.

The short side is resized to `side`, then the centre is cropped. For ImageNet the paper says "32 × 32 min-resized center
crops" (section 4.3). For LSUN it says nothing; the same method is used.
"""

import functools
import hashlib
from pathlib import Path
from typing import Literal

from pipeline.core import jit
from pipeline.core.code_dependencies import code_digest
from pipeline.datasets.pictures.raw_folder import DataSet
from pipeline.imageset.format.image_set import OVERVIEW_SIDE, Images, Picture, Skipped
from pipeline.prepare.conversion.chunks import Made
from pipeline.prepare.conversion.sets import PrepareConfig, make_set
from pipeline.prepare.decode import Problem, decode
from pipeline.prepare.resize import resize, squeeze
from pipeline.readers.base import Entry


class SquaresConfig(PrepareConfig):
    """How a set's pictures are cropped to squares: section `prepare.SET`.

    Attributes:
        resize: `area` averages over areas of a JPEG that is decoded at the smallest scale with a short side of at least
            twice `side`; `exact` averages over areas of the whole picture; `cv2-bilinear` follows the DCGAN authors'
            released code. See `resize.resize`.
    """

    resize: Literal["area", "exact", "cv2-bilinear"]


def make_squares(
    data_set: DataSet, section: SquaresConfig, *, source: Path, archives: Path | None = None, to: Path, workers: int
) -> dict[str, int]:
    """Make the image set `to` of a source; see `sets.make_set`."""
    if section.resize != "cv2-bilinear" and workers > 1:  # one worker is this process, which needs the memory
        jit.compile_ahead(resize)
    convert = functools.partial(to_square, section)
    return make_set(
        data_set, section, convert, code=code_digest(__name__), source=source, archives=archives, to=to, workers=workers
    )


def to_square(section: SquaresConfig, entry: Entry, data: bytes) -> list[Made]:
    """Decode, resize and crop one picture, uint8 (side, side, 3)."""
    short_side = 2 * section.side if section.resize == "area" else None
    decoded = decode(data, max_pixels=section.max_pixels, short_side=short_side, accept_damage=section.keep_damaged)
    if isinstance(decoded, Problem):
        return [Skipped(entry.key, "bad", decoded.reason, decoded.detail)]
    image = resize(decoded.image, side=section.side, method="area" if section.resize == "exact" else section.resize)
    picture = Picture(
        entry.key,
        decoded.width,
        decoded.height,
        len(data),
        hashlib.sha256(data).hexdigest(),
        label=entry.label,
        frames=decoded.frames,
        damaged=bool(decoded.damage),
        overview=_overview(decoded.image),
    )
    return [(image, picture)]


def _overview(image: Images) -> bytes | None:
    """The whole picture, squeezed to a small square, if the stored square shows at most half of it."""
    height, width = image.shape[:2]
    if max(height, width) < 2 * min(height, width):
        return None
    return squeeze(image, OVERVIEW_SIDE).tobytes()
