"""Boxes that people drew around an object on generated samples, as the paper did for windows (Figure 6).

    model,seed,sample,object,left,top,width,height,rater

A line with four empty numbers means that the rater viewed the sample and found no such object.
"""

from collections.abc import Iterable
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from pipeline.core.errors import BadParameters
from pipeline.csv_text import decode_key
from pipeline.review.samples.csv_table import CsvTable, check_name, check_rater, check_sha256, parse_whole_number

MAX_BOXES = 100
"""Boxes on one sample."""

Rectangle = tuple[int, int, int, int]
"""Left, top, width, height, in whole pixels of the generated picture."""


@dataclass(frozen=True, order=True)
class Box:
    """One line of the file.

    Attributes:
        model: SHA-256 of `generator.safetensors`.
        seed, sample: seed and number of the sample; see `model_samples.latents_by_number`.
        object: what the box surrounds, or what was not found.
        left, top, width, height: in pixels of the generated picture; all 0 if the object was not found.
        rater: who drew the box.
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
    def rectangle(self) -> Rectangle | None:
        """The rectangle; None if the sample was viewed and the object not found."""
        return (self.left, self.top, self.width, self.height) if self.width else None


def _parse(row: list[str]) -> Box:
    rectangle = (0, 0, 0, 0)
    if any(row[4:8]):
        left, top, width, height = (
            parse_whole_number(name, text) for name, text in zip(HEADER[4:8], row[4:8], strict=True)
        )
        if not (width and height):
            raise ValueError(f"a box of {width}×{height} pixels, expected at least 1×1, or four empty fields")
        rectangle = (left, top, width, height)
    model, seed, sample = check_sha256(row[0]), parse_whole_number("seed", row[1]), parse_whole_number("sample", row[2])
    return Box(
        model, seed, sample, check_name("object", decode_key(row[3])), *rectangle, check_rater(decode_key(row[8]))
    )


def _fields(box: Box) -> list[object]:
    values: list[object] = [*astuple(box)]
    return values if box.rectangle else [*values[:4], "", "", "", "", values[8]]


HEADER = [field.name for field in fields(Box)]
_TABLE = CsvTable("--boxes", HEADER, _parse, _fields)


def read_boxes(path: Path) -> list[Box]:
    """All lines of a file of boxes, also those without a box. Errors: see `CsvTable.read`."""
    return _TABLE.read(path)


class BoxStore:
    """One rater's boxes around one object on the samples of one model and seed.

    Others may edit the file at the same time: an edit changes only this rater's boxes on one sample.

    Args:
        path: `boxes.csv`; the first edit makes it if it does not exist.
        model, seed, object, rater: as in `Box`.
        side, count: side of the samples in pixels, and their number.

    Raises:
        BadParameters: the name of the object is not allowed.
    """

    def __init__(self, path: Path, model: str, seed: int, object: str, rater: str, *, side: int, count: int) -> None:
        try:
            check_name("--object", object)
        except ValueError as error:
            raise BadParameters(str(error)) from None
        self.path, self.model, self.seed, self.object, self.rater = path, model, seed, object, rater
        self.side, self.count = side, count

    def rectangles(self) -> dict[int, list[Rectangle]]:
        """The boxes on each viewed sample."""
        return self._by_sample(read_boxes(self.path) if self.path.exists() else [])

    def count_hidden(self) -> int:
        """Number of this rater's boxes around the object on samples of other models or seeds; they are not shown."""
        boxes = read_boxes(self.path) if self.path.exists() else []
        wanted = (self.object, self.rater)
        return sum(
            (box.object, box.rater) == wanted and box.rectangle is not None and not self._is_mine(box) for box in boxes
        )

    def edit(self, sample: int, before: list[Rectangle] | None, after: list[Rectangle] | None) -> None:
        """Add the boxes of `after` that are not in `before`; delete the boxes of `before` that are not in `after`.

        So a repeated edit changes nothing more, and boxes drawn on the sample in another page are not lost.

        Args:
            before, after: None for a sample that was not viewed.

        Raises:
            BadParameters: there is no such sample, or a box does not lie in it.
        """
        if not 0 <= sample < self.count:
            raise BadParameters(f"sample {sample}: expected 0 to {self.count - 1}")
        if len(after or []) > MAX_BOXES:
            raise BadParameters(f"{len(after or [])} boxes: expected at most {MAX_BOXES}")
        for left, top, width, height in after or []:
            if min(left, top) < 0 or min(width, height) < 1 or max(left + width, top + height) > self.side:
                raise BadParameters(
                    f"box {left},{top},{width},{height}: expected a box inside {self.side}×{self.side} pixels"
                )
        deleted, added = set(before or []) - set(after or []), set(after or []) - set(before or [])

        def change(boxes: list[Box]) -> Iterable[Box]:
            rectangles = (set(self._by_sample(boxes).get(sample, [])) - deleted) | added
            found: Iterable[Rectangle] = rectangles or ([(0, 0, 0, 0)] if after is not None else [])
            others = (box for box in boxes if not (self._is_mine(box) and box.sample == sample))
            mine = (Box(self.model, self.seed, sample, self.object, *rectangle, self.rater) for rectangle in found)
            return [*others, *mine]

        _TABLE.edit(self.path, change)

    def _by_sample(self, boxes: list[Box]) -> dict[int, list[Rectangle]]:
        found: dict[int, list[Rectangle]] = {}
        for box in filter(self._is_mine, boxes):
            found.setdefault(box.sample, []).extend([box.rectangle] if box.rectangle else [])
        return found

    def _is_mine(self, box: Box) -> bool:
        return (box.model, box.seed, box.object, box.rater) == (self.model, self.seed, self.object, self.rater)
