"""Find faces in photographs and crop them: `crop-faces`.

The paper ran OpenCV's face detector over its pictures and kept "sufficiently high resolution" boxes (section 4.2),
without stating the cascade, the minimum size, or the margin. The first author's released code stores faces at 128×128
and trains on their central 64×64 pixels; the generated faces are tightly cropped. Therefore the default adds half the
box's side at each edge and scales to 128, so that the central 64×64 pixels are the detector's box.
"""

import functools
import hashlib
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydantic import Field

from pipeline.core import jit
from pipeline.core.code_dependencies import code_digest
from pipeline.datasets.pictures.raw_folder import locate
from pipeline.imageset.format.image_set import Images, Picture, Skipped
from pipeline.prepare.conversion.chunks import Made
from pipeline.prepare.conversion.sets import make_set
from pipeline.prepare.decode import Problem, decode
from pipeline.prepare.faces.detectors import Box, Detection, check_model, detector
from pipeline.prepare.resize import resize
from pipeline.readers.base import Entry


class FacesConfig(Detection):
    """How faces are detected and cropped: section `prepare.SET`.

    Attributes:
        margin: width added to the box at each edge, in sides of the box.
    """

    margin: float = Field(ge=0, le=4)


def make_faces(
    section: FacesConfig, *, source: Path, archives: Path | None = None, to: Path, workers: int
) -> dict[str, int]:
    """Make the image set `to` of a source of photographs; see `sets.make_set` for arguments and errors.

    Each face becomes a picture with the key `photo#000`, `photo#001`, … from left to right, and its box. The file of
    the detector's network is in the folder of the archive; see `detectors.check_model` for its errors.
    """
    models = locate(source, archives).beside
    check_model(section, models)
    if workers > 1:  # one worker is this process, which needs the memory
        jit.compile_ahead(resize)
    convert = functools.partial(to_faces, section, models)
    return make_set(
        "faces", section, convert, code=code_digest(__name__), source=source, archives=archives, to=to, workers=workers
    )


def to_faces(section: FacesConfig, models: Path, entry: Entry, data: bytes) -> list[Made]:
    """The faces of one photo, uint8 (side, side, 3) each, and the skipped ones; a photo without faces is skipped."""
    decoded = decode(data, max_pixels=section.max_pixels, accept_damage=section.keep_damaged)
    if isinstance(decoded, Problem):
        return [Skipped(entry.key, "bad", decoded.reason, decoded.detail)]
    made: list[Made] = []
    sha256 = hashlib.sha256(data).hexdigest()
    for number, box in enumerate(detector(section, models)(decoded.image)):
        key = f"{entry.key}#{number:03d}"
        if box.side < section.smallest:
            detail = f"{box.side} pixels wide, smallest is {section.smallest}"
            made.append(Skipped(key, "filtered", "too_small", detail))
            continue
        image = crop(decoded.image, box, margin=section.margin, side=section.side)
        picture = Picture(
            key,
            decoded.width,
            decoded.height,
            len(data),
            sha256,
            box,
            entry.label,
            damaged=bool(decoded.damage),
        )
        made.append((image, picture))
    return made or [Skipped(entry.key, "filtered", "no_face", f"none found in {decoded.width}×{decoded.height} pixels")]


def crop(image: Images, box: Box, *, margin: float, side: int) -> Images:
    """Crop the box with its margin, scaled to uint8 (side, side, 3); beyond the picture, edge pixels are repeated."""
    more = round(margin * box.side)
    height, width = image.shape[:2]
    rows = np.clip(np.arange(box.y0 - more, box.y1 + more), 0, height - 1)
    columns = np.clip(np.arange(box.x0 - more, box.x1 + more), 0, width - 1)
    whole: npt.NDArray[np.uint8] = image[rows[:, None], columns]
    return resize(whole, side=side, method="area")
