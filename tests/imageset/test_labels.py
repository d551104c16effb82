"""Class numbers of the labels of an image set."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pipeline.core.errors import BadParameters
from pipeline.imageset.format.image_set import ImageSet
from pipeline.imageset.format.labels import class_numbers
from tests.evaluate.linear_probe.conftest import write_set


def test_classes_are_numbered_in_the_order_of_their_names(tmp_path: Path) -> None:
    """The digits of MNIST are their own numbers."""
    images = np.zeros((30, 8, 8, 3), np.uint8)
    digits = np.random.default_rng(1).permutation(np.arange(30) % 10)
    numbers, names = class_numbers(ImageSet(write_set(tmp_path / "set", images, [str(digit) for digit in digits])))
    assert numbers.dtype == np.int64 and np.array_equal(numbers, digits)
    assert names == [str(digit) for digit in range(10)]


def test_a_set_without_labels(make_imageset: Callable[..., Path]) -> None:
    """The error names the first row that has none."""
    with pytest.raises(BadParameters, match=r"row 0 of .* has no label; give a set"):
        class_numbers(ImageSet(make_imageset(np.zeros((3, 8, 8, 3), np.uint8))))
