"""Boxes that people drew around an object on generated samples, as the paper did for windows (Figure 6).

    model,seed,sample,object,left,top,width,height,rater

A line without numbers says that the rater has looked at the sample and found none of the object.
"""

from collections.abc import Iterable
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from pipeline.core.errors import BadParameters
from pipeline.csv_text import decode_key
from pipeline.review.samples.csv_table import Table, named, rated, sha256, whole

MOST_BOXES = 100
"""On one sample."""

Place = tuple[int, int, int, int]
"""Left, top, width, height, in whole pixels of the generated picture."""


@dataclass(frozen=True, order=True)
class Box:
    """One line.

    Attributes:
        model: SHA-256 of `generator.safetensors`.
        seed, sample: of the sample, see `samples.judged_latents`.
        object: what is in the box, or was looked for.
        left, top, width, height: in pixels of the generated picture; all 0 where nothing was found.
        rater: who drew it.
    """

    model: str
    seed: int
    sample: int
    object: str
    left: int
    top: int
    width: int
    height: int
    rater: str

    @property
    def place(self) -> Place | None:
        """Where it is; None where the sample was looked at and nothing found."""
        return (self.left, self.top, self.width, self.height) if self.width else None


def _parse(row: list[str]) -> Box:
    place = (0, 0, 0, 0)
    if any(row[4:8]):
        left, top, width, height = (whole(name, text) for name, text in zip(HEADER[4:8], row[4:8], strict=True))
        if not (width and height):
            raise ValueError(f"a box of {width}×{height} pixels, expected at least 1×1, or four empty fields")
        place = (left, top, width, height)
    model, seed, sample = sha256(row[0]), whole("seed", row[1]), whole("sample", row[2])
    return Box(model, seed, sample, named("object", decode_key(row[3])), *place, rated(decode_key(row[8])))


def _fields(box: Box) -> list[object]:
    values: list[object] = [*astuple(box)]
    return values if box.place else [*values[:4], "", "", "", "", values[8]]


HEADER = [field.name for field in fields(Box)]
_TABLE = Table("--boxes", HEADER, _parse, _fields)


def read_boxes(path: Path) -> list[Box]:
    """All lines of a file of boxes, those without a box too; see `Table.read` for what is raised."""
    return _TABLE.read(path)


class BoxStore:
    """One rater's boxes around one object on the samples of one model and seed.

    Others may edit the file at the same time: no edit touches anything but what it is about.

    Args:
        path: `boxes.csv`; made at the first edit, if there is none.
        model, seed, object, rater: as in `Box`.
        side, count: of the samples: pixels, and how many there are.

    Raises:
        BadParameters: the object is no name.
    """

    def __init__(self, path: Path, model: str, seed: int, object: str, rater: str, *, side: int, count: int) -> None:
        try:
            named("--object", object)
        except ValueError as error:
            raise BadParameters(str(error)) from None
        self.path, self.model, self.seed, self.object, self.rater = path, model, seed, object, rater
        self.side, self.count = side, count

    def said(self) -> dict[int, list[Place]]:
        """The boxes on each sample that was looked at."""
        return self._said(read_boxes(self.path) if self.path.exists() else [])

    def elsewhere(self) -> int:
        """How many boxes around the object are on samples of other models or seeds, which are not shown."""
        boxes = read_boxes(self.path) if self.path.exists() else []
        of_these = (self.object, self.rater)
        return sum(
            (box.object, box.rater) == of_these and box.place is not None and not self._is_mine(box) for box in boxes
        )

    def edit(self, sample: int, before: list[Place] | None, after: list[Place] | None) -> None:
        """Add the boxes of `after` that are not in `before`, and drop those of `before` that are not in `after`.

        So the same edit again changes nothing more, and what another page has drawn on the sample stays.

        Args:
            before, after: None for a sample that was not looked at.

        Raises:
            BadParameters: there is no such sample, or a box does not lie in it.
        """
        if not 0 <= sample < self.count:
            raise BadParameters(f"sample {sample}: expected 0 to {self.count - 1}")
        if len(after or []) > MOST_BOXES:
            raise BadParameters(f"{len(after or [])} boxes: expected at most {MOST_BOXES}")
        for left, top, width, height in after or []:
            if min(left, top) < 0 or min(width, height) < 1 or max(left + width, top + height) > self.side:
                raise BadParameters(f"box {left},{top},{width},{height}: expected one within {self.side} pixels")
        gone, come = set(before or []) - set(after or []), set(after or []) - set(before or [])

        def change(boxes: list[Box]) -> Iterable[Box]:
            places = (set(self._said(boxes).get(sample, [])) - gone) | come
            found: Iterable[Place] = places or ([(0, 0, 0, 0)] if after is not None else [])
            others = (box for box in boxes if not (self._is_mine(box) and box.sample == sample))
            mine = (Box(self.model, self.seed, sample, self.object, *place, self.rater) for place in found)
            return [*others, *mine]

        _TABLE.edit(self.path, change)

    def _said(self, boxes: list[Box]) -> dict[int, list[Place]]:
        said: dict[int, list[Place]] = {}
        for box in filter(self._is_mine, boxes):
            said.setdefault(box.sample, []).extend([box.place] if box.place else [])
        return said

    def _is_mine(self, box: Box) -> bool:
        return (box.model, box.seed, box.object, box.rater) == (self.model, self.seed, self.object, self.rater)
