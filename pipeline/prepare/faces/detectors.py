"""Detect faces in a picture: with OpenCV's Haar cascades, which the paper used, or the CenterFace network.

CenterFace (Xu et al. 2019, arXiv 1911.03599) gives, for each cell of 4×4 pixels, the probability that it holds a
face's centre, the logarithm of the face's height and width in cells, and the offset of the centre in the cell.
"""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
from pydantic import Field

from pipeline.core import files
from pipeline.core.errors import BadParameters, CorruptData, MissingInput, PipelineError
from pipeline.imageset.format.image_set import Images
from pipeline.prepare.conversion.sets import PrepareConfig

CASCADES = Path(cv2.__file__).parent / "data"
"""The folder of the cascades in OpenCV's package."""

_WINDOW = 24
"""Side of the cascades' training pictures in pixels; smaller faces cannot be found."""

_CELL = 4
_OUTPUTS = ("537", "538", "539")
_OVERLAP = 0.3
_ENLARGED = 2.0
"""Maximum factor by which a small photo is enlarged for the network; with more, blurs are detected as faces."""


class Box(NamedTuple):
    """A square around a face, in pixels; x1 and y1 are exclusive. It may reach beyond the picture."""

    x0: int
    y0: int
    x1: int
    y1: int

    @property
    def side(self) -> int:
        return self.x1 - self.x0


Find = Callable[[Images], list[Box]]
"""Boxes of the faces in a picture, uint8 (H, W, 3), from left to right."""


class Detection(PrepareConfig):
    """How faces are detected: a part of the section `prepare.SET`.

    Attributes:
        detector: `haar` (one of OpenCV's cascades) or `centerface` (the network, in a file that you supply).
        model: name of the cascade (`frontalface_default`, `frontalface_alt` or `frontalface_alt2`), or of the ONNX file
            in the folder of the archive.
        model_sha256: SHA-256 of the ONNX file; empty for a cascade.
        scale: for a cascade: factor between two searched sizes; a value nearer to 1 finds more faces, but is slower.
        neighbours: for a cascade: minimum number of overlapping detections for a face; a higher number gives fewer
            false faces.
        score: for a network: minimum probability of a face.
        network_side: for a network: long side in pixels to which a photo is scaled.
        smallest: minimum side of a face's box, in pixels of the photo.
    """

    detector: Literal["haar", "centerface"]
    model: str = Field(pattern=r"^[^/\\.][^/\\]*$")
    model_sha256: str = Field(pattern=r"^([0-9a-f]{64})?$")
    scale: float = Field(gt=1, le=2)
    neighbours: int = Field(ge=0)
    score: float = Field(gt=0, lt=1)
    network_side: int = Field(gt=0, multiple_of=32)
    smallest: int = Field(ge=_WINDOW)


def check_model(section: Detection, models: Path) -> None:
    """Check that the cascade or the network's file of the section is there.

    Raises:
        BadParameters: there is no such cascade, or no checksum for the network's file.
        MissingInput: the network's file does not exist. CorruptData: the file has another checksum.
    """
    if section.detector == "haar":
        names = [
            path.stem.removeprefix("haarcascade_") for path in sorted(CASCADES.glob("haarcascade_frontalface*.xml"))
        ]
        if not names:
            raise PipelineError(
                f"{CASCADES}: OpenCV has no cascades here; reinstall opencv-python-headless below version 5"
            )
        if section.model not in names:
            raise BadParameters(f"model: {section.model!r}: no such cascade, expected one of {', '.join(names)}")
        return
    path = models / section.model
    if not path.is_file():
        raise MissingInput(f"{path}: not there; put the ONNX file there, or write detector: haar")
    found = files.sha256_file(path)
    if found != section.model_sha256:
        raise CorruptData(
            f"{path}: sha256 {found}, model_sha256 says {section.model_sha256 or 'nothing'}; compare them"
        )


@functools.cache
def detector(section: Detection, models: Path) -> Find:
    """The function that finds faces, cached per process: loading a model takes longer than searching a picture."""
    # OpenCV's threads would return the candidates in random order. The work is distributed over processes instead.
    cv2.setNumThreads(1)
    if section.detector == "haar":
        return functools.partial(
            _haar, cv2.CascadeClassifier(str(CASCADES / f"haarcascade_{section.model}.xml")), section
        )
    try:
        network = cv2.dnn.readNetFromONNX(str(models / section.model))
    except cv2.error as error:
        raise CorruptData(f"{models / section.model}: not readable as ONNX ({_first_line(error)})") from None
    return functools.partial(_centerface, network, section)


def _haar(cascade: cv2.CascadeClassifier, section: Detection, image: Images) -> list[Box]:
    """Search faces down to half of `smallest`, so that a face that is too small can be distinguished from no face."""
    smallest = max(_WINDOW, section.smallest // 2)
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    found = cascade.detectMultiScale(grey, section.scale, section.neighbours, minSize=(smallest, smallest))
    return sorted(Box(int(x), int(y), int(x + width), int(y + height)) for x, y, width, height in found)


def _centerface(network: Any, section: Detection, image: Images) -> list[Box]:
    height, width = image.shape[:2]
    side = section.network_side
    scale = min(side / max(height, width), _ENLARGED)
    extent = (max(1, round(width * scale)), max(1, round(height * scale)))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    # The shape is always the same: OpenCV 4.14 gives wrong results if the shape of a network's input changes.
    canvas = np.zeros((side, side, 3), np.uint8)
    canvas[: extent[1], : extent[0]] = cv2.resize(image, extent, interpolation=method)
    network.setInput(cv2.dnn.blobFromImage(canvas))
    try:
        heat, logarithm, offset = network.forward(_OUTPUTS)
    except cv2.error as error:
        raise CorruptData(f"model {section.model}: not CenterFace ({_first_line(error)})") from None
    rows, columns = np.nonzero(heat[0, 0] > section.score)
    scores: npt.NDArray[np.float32] = heat[0, 0, rows, columns]
    middle = np.stack([columns, rows], 1) + offset[0, ::-1, rows, columns] + 0.5
    # A face is a little higher than wide, and the cascades' boxes exclude the chin, so the side is the mean of both.
    sides = np.exp(logarithm[0, :, rows, columns]).mean(axis=1)
    squares = np.concatenate([middle - sides[:, None] / 2, sides[:, None], sides[:, None]], 1) * (_CELL / scale)
    chosen = cv2.dnn.NMSBoxes(squares.tolist(), scores.tolist(), section.score, _OVERLAP)
    boxes = []
    for x, y, wide, _ in squares[np.asarray(chosen, int).ravel()]:
        left, top, whole = round(float(x)), round(float(y)), max(1, round(float(wide)))
        boxes.append(Box(left, top, left + whole, top + whole))
    return sorted(boxes)


def _first_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
