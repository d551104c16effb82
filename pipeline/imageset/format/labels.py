"""The labels of an image set as class numbers."""

import numpy as np

from pipeline.core.errors import BadParameters
from pipeline.imageset.format.image_set import ImageSet, Rows


def class_numbers(images: ImageSet) -> tuple[Rows, list[str]]:
    """The class of each picture.

    Returns:
        The class numbers in row order, int64 (n,), and the names of the classes of the whole set, sorted: the class of
        row r is `names[numbers[r]]`. The digits of MNIST and SVHN are their own numbers.

    Raises:
        BadParameters: a picture has no label.
    """
    labels = images.index.column("label").to_pylist()
    if None in labels:
        raise BadParameters(
            f"labels: row {labels.index(None)} of {images.folder} has no label; give a set whose pictures all have one"
        )
    names = sorted(set(labels))
    number = {name: n for n, name in enumerate(names)}
    return np.array([number[label] for label in labels], np.int64), names
