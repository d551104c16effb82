"""Split a picture into bands of frequencies by the cosine transform, and rate how two pictures agree in a band.

Frequencies are in half periods per side, so that they do not depend on the number of pixels.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from pipeline.core.jit import compiled
from pipeline.dedup.scoring.alignment import Plane

Floats = npt.NDArray[np.float64]


def dct_rows(side: int, count: int) -> Floats:
    """Return the first `count` rows of the orthonormal cosine transform (DCT-II): float64 (count, side)."""
    k, n = np.mgrid[0:count, 0:side]
    rows: Floats = np.cos(np.pi * (n + 0.5) * k / side) * np.sqrt(np.where(k == 0, 1, 2) / side)
    return rows.round(12)


def frequency_bands(edges: Sequence[float], count: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Assign each pair of frequencies below `count` to a band.

    Args:
        edges: increasing band edges, as lengths of the frequency vector; one more than the number of bands.
        count: number of frequencies per direction.

    Returns:
        The band of each pair, int64 (count, count), -1 for no band; the number of pairs per band, int64 (bands,).
    """
    length = np.hypot(*np.mgrid[0:count, 0:count])
    bands: npt.NDArray[np.int64] = (np.searchsorted(edges, length.ravel()) - 1).reshape(length.shape)
    bands[bands >= len(edges) - 1] = -1
    return bands, np.bincount(bands[bands >= 0], minlength=len(edges) - 1)


@compiled
def dct_coefficients(plane: Plane, inside: npt.NDArray[np.bool_], rows: Floats) -> Floats:
    """Transform a plane: subtract the mean of the pixels inside, set the rest to 0, apply the cosine transform.

    Args:
        plane: float64 (side, side), 0 outside.
        inside: bool (side, side).
        rows: result of `dct_rows` for that side, float64 (count, side).

    Returns:
        The coefficients of the lowest frequencies, float64 (count, count).
    """
    size, side = rows.shape
    count, total = 0, 0.0
    for y in range(side):
        for x in range(side):
            count += inside[y, x]
            total += plane[y, x]  # the plane is 0 outside
    mean = total / max(count, 1)
    columns, out = np.zeros((size, side)), np.zeros((size, size))
    transposed = np.empty((side, size))  # so that the inner loop reads contiguous memory
    for x in range(side):
        for m in range(size):
            transposed[x, m] = rows[m, x]
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
                out[k, m] += factor * transposed[x, m]
    return out


@compiled
def copy_evidence(correlation: float, energy: float, pairs: float, noise: float, limit: float) -> float:
    """Log likelihood ratio of two hypotheses for one band: noisy copy, and unrelated picture.

    The coefficients are modelled as Gaussian. For a copy, they have a correlation that follows from energy and noise;
    for an unrelated picture, they have none.

    Args:
        correlation: correlation of the coefficients of the two pictures in the band, -1..1.
        energy: mean square of the coefficients, of the picture with less energy.
        pairs: number of coefficients.
        noise: variance that copying adds to a coefficient.
        limit: upper limit of the correlation of copies, below 1.
    """
    r = min(max(energy - noise, 0.0) / max(energy, 1e-9), limit)
    rest = 1 - r * r
    return float(-(pairs / 2) * np.log(rest) - pairs * (r * r - r * correlation) / rest)


@compiled
def fisher_z(correlation: float, limit: float) -> float:
    """Fisher's z of a correlation that is first clipped to ±`limit`."""
    return float(np.arctanh(min(max(correlation, -limit), limit)))


@compiled
def signed_log(value: float) -> float:
    """sign(value) · log(1 + |value|): limits the influence of very large values."""
    return float(np.sign(value) * np.log1p(abs(value)))
