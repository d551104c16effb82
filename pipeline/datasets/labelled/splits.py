"""One split of a labelled benchmark: small square pictures of one size, and the names of their classes."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.core.errors import CorruptData

DIGITS = tuple("0123456789")

MOST_PICTURES = 1_000_000
"""Maximum number of pictures read from a file; the largest published file holds 531,131."""


@dataclass(frozen=True)
class LabelledSplit:
    """The pictures of one split, in the published order.

    Attributes:
        images: uint8 (n, side, side, 3) RGB; may be read-only and not contiguous in memory.
        labels: class name of each picture.
        classes: all class names, in the order of the class numbers.
    """

    images: npt.NDArray[np.uint8]
    labels: list[str]
    classes: tuple[str, ...]


def label(
    images: npt.NDArray[np.uint8], numbers: npt.NDArray[np.int64], classes: Sequence[str], where: Path | str
) -> LabelledSplit:
    """Combine pictures with the names of their classes.

    Args:
        numbers: int64 (n,), class numbers.
        where: name of the file of labels, for messages.

    Raises:
        CorruptData: the numbers of labels and pictures differ, there are none, or a class number is out of range.
    """
    if len(numbers) != len(images):
        raise CorruptData(f"{where}: {len(numbers):,} labels for {len(images):,} pictures; get both files again")
    if not len(numbers):
        raise CorruptData(f"{where}: holds no pictures; get it again")
    low, high = int(numbers.min()), int(numbers.max())
    if low < 0 or high >= len(classes):
        raise CorruptData(
            f"{where}: labels of {low} to {high}, expected 0 to {len(classes) - 1}; download or copy it again"
        )
    return LabelledSplit(images, [classes[number] for number in numbers.tolist()], tuple(classes))
