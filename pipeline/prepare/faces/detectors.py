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
from pipeline.prepare.build.sets import PrepareConfig

CASCADES = Path(cv2.__file__).parent / "data"
"""The folder of the cascades in OpenCV's package."""

_WINDOW = 24
"""Side of the pictures that the cascades were trained on, in pixels: no smaller face can be found."""

_CELL = 4
_OUTPUTS = ("537", "538", "539")
_OVERLAP = 0.3
_ENLARGED = 2.0
"""Largest factor by which a small photo is enlarged for the network; above it, blurs are taken for faces."""


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
    """How faces are found: a part of the section `prepare.SET`.

    Attributes:
        detector: `haar`: a cascade of OpenCV's; `centerface`: a network in a file of your own.
        model: which cascade (`frontalface_default`, `frontalface_alt` or `frontalface_alt2`), or the name of the ONNX
            file in the folder of the archive.
        model_sha256: of the ONNX file; empty for a cascade.
        scale: of a cascade: factor between the sizes that are searched; nearer to 1 finds more faces, slower.
        neighbours: of a cascade: overlapping detections that make a face; a higher number gives fewer false faces.
        score: of a network: least probability of a face.
        network_side: of a network: the long side, in pixels, to which a photo is scaled.
        smallest: least side of a face's box, in pixels of the photo.
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
        MissingInput: the network's file is not there.
        CorruptData: it is another file.
    """
    if section.detector == "haar":
        names = [
            path.stem.removeprefix("haarcascade_") for path in sorted(CASCADES.glob("haarcascade_frontalface*.xml"))
        ]
        if not names:
            raise PipelineError(
                f"{CASCADES}: OpenCV has no cascades here; install opencv-python-headless below version 5 anew"
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
    """The function that finds faces; one a process, for reading a model takes longer than looking at a picture."""
    # OpenCV's threads would hand over the candidates in any order; work is spread over processes instead.
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
    """Faces down to half of `smallest` are looked for, so that one that is too small is told from none."""
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
    # Always one shape: OpenCV 4.14 gives wrong results when a network's input changes its shape.
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
    # A face is a little higher than wide, and the cascades' boxes leave the chin out: the mean, made a square.
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
