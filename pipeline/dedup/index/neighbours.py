"""Exact nearest neighbours of feature vectors, in blocks of bounded memory."""

import numpy as np
import numpy.typing as npt

from pipeline.core import progress
from pipeline.dedup.index.efficientnet import Features
from pipeline.imageset.format.image_set import Rows

_ROWS, _COLUMNS = 1024, 8192
"""Vectors in a block of the left and of the right list; the products of two blocks take 32 MB."""

_NONE = -np.inf


def nearest(left: Features, right: Features, count: int, *, within: bool, title: str = "find neighbours") -> Rows:
    """Find the right vectors whose products with each left vector are the highest.

    Args:
        left, right: int16 (n, d) and (m, d); no product of two vectors exceeds 2**24. Such products are exact, so the
            result does not depend on the CPU or on the number of threads.
        count: number of neighbours, at least 1.
        within: whether both lists describe the same pictures; a picture is then no neighbour of itself.
        title: title of the progress bar.

    Returns:
        Numbers of right vectors, int64 (n, min(count, m), or one less if `within`), the nearest first; of equally near
        ones, the lower number first.
    """
    count = min(count, len(right) - 1 if within else len(right))
    found = np.empty((len(left), max(count, 0)), np.int64)
    if count < 1:
        return found
    with progress.bar(title, len(left)) as advance:
        for start in range(0, len(left), _ROWS):
            rows = left[start : start + _ROWS].astype(np.float32)
            best, numbers = np.empty((len(rows), 0), np.float32), np.empty((len(rows), 0), np.int64)
            for first in range(0, len(right), _COLUMNS):
                products = rows @ right[first : first + _COLUMNS].astype(np.float32).T
                if within:
                    own = np.arange(start, start + len(rows)) - first
                    inside = np.flatnonzero((own >= 0) & (own < products.shape[1]))
                    products[inside, own[inside]] = _NONE
                values, places = _highest(products, count)
                best = np.concatenate([best, values], axis=1)
                numbers = np.concatenate([numbers, places + first], axis=1)
                best, places = _highest(best, count)
                numbers = np.take_along_axis(numbers, places, axis=1)
            found[start : start + len(rows)] = numbers
            advance(len(rows))
    return found


def _highest(values: npt.NDArray[np.float32], count: int) -> tuple[npt.NDArray[np.float32], Rows]:
    """The highest values of each row with their places, in order; of equal values the first. `values` is changed."""
    count = min(count, values.shape[1])
    highest = np.empty((len(values), count), np.float32)
    places = np.empty((len(values), count), np.int64)
    rows = np.arange(len(values))
    for number in range(count):  # a few passes are faster than sorting the rows
        place = values.argmax(axis=1)
        places[:, number], highest[:, number] = place, values[rows, place]
        values[rows, place] = _NONE
    return highest, places
