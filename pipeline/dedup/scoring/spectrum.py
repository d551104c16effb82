"""Bands of frequencies of a picture, by the cosine transform, and what their agreement says of two pictures.

Frequencies are counted in half periods a side, so that they mean the same at any side.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from pipeline.core.jit import compiled
from pipeline.dedup.scoring.alignment import Plane

Floats = npt.NDArray[np.float64]


def cosine_rows(side: int, count: int) -> Floats:
    """The first `count` rows of the orthonormal cosine transform: float64 (count, side)."""
    k, n = np.mgrid[0:count, 0:side]
    rows: Floats = np.cos(np.pi * (n + 0.5) * k / side) * np.sqrt(np.where(k == 0, 1, 2) / side)
    return rows.round(12)


def bands_between(edges: Sequence[float], count: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The band of each pair of frequencies below `count`, and how many pairs each band has.

    Args:
        edges: of the bands, rising, as lengths of the vector of frequencies; one more than there are bands.

    Returns:
        int64 (count, count), -1 for pairs in no band; int64 (bands,).
    """
    length = np.hypot(*np.mgrid[0:count, 0:count])
    bands: npt.NDArray[np.int64] = (np.searchsorted(edges, length.ravel()) - 1).reshape(length.shape)
    bands[bands >= len(edges) - 1] = -1
    return bands, np.bincount(bands[bands >= 0], minlength=len(edges) - 1)


@compiled
def frequencies(plane: Plane, inside: npt.NDArray[np.bool_], rows: Floats) -> Floats:
    """The cosine transform of a plane less its mean, 0 outside: the lowest frequencies.

    Args:
        plane: float64 (side, side), 0 where it is not inside.
        rows: as `cosine_rows` makes them for that side.

    Returns:
        float64 (count, count).
    """
    size, side = rows.shape
    count, total = 0, 0.0
    for y in range(side):
        for x in range(side):
            count += inside[y, x]
            total += plane[y, x]  # it is 0 outside
    mean = total / max(count, 1)
    columns, out = np.zeros((size, side)), np.zeros((size, size))
    turned = np.empty((side, size))  # the rows as columns, to read memory in order
    for x in range(side):
        for m in range(size):
            turned[x, m] = rows[m, x]
    centred = np.empty(side)
    for y in range(side):
        for x in range(side):
            centred[x] = plane[y, x] - mean if inside[y, x] else 0.0
        for k in range(size):
            factor = rows[k, y]
            for x in range(side):
                columns[k, x] += factor * centred[x]
    for x in range(side):
        for k in range(size):
            factor = columns[k, x]
            for m in range(size):
                out[k, m] += factor * turned[x, m]
    return out


@compiled
def evidence(correlation: float, energy: float, pairs: float, noise: float, most: float) -> float:
    """Log likelihood ratio of a noisy copy to a stranger: Gaussian coefficients of correlation r, or of none.

    Args:
        correlation: of the coefficients of a band.
        energy: the lesser of the two pictures', a coefficient.
        pairs: how many coefficients.
        noise: variance that copying may have added to each.
        most: correlation that copies may be expected to have.
    """
    r = min(max(energy - noise, 0.0) / max(energy, 1e-9), most)
    rest = 1 - r * r
    return float(-(pairs / 2) * np.log(rest) - pairs * (r * r - r * correlation) / rest)


@compiled
def fisher(correlation: float, most: float) -> float:
    """Fisher's z of a correlation, which is held below `most`."""
    return float(np.arctanh(min(max(correlation, -most), most)))


@compiled
def tamed(value: float) -> float:
    """Symmetric logarithm: what is overwhelming counts little more than what is strong."""
    return float(np.sign(value) * np.log1p(abs(value)))
