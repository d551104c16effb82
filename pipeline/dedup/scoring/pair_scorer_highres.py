"""A closer look at pairs: by the detail that 64×64 or 128×128 pixels hold and 32×32 do not.

Pairs that are not hopeless at 32×32 (see `comparer`) are laid over each other anew at the larger side, from the map
found at 32×32, and four bands of higher frequencies of light are compared. A copy agrees there, or has lost its detail,
which says little; another shot of a like thing has detail of its own. A logistic regression
(`pair_scorer_highres.json`, fitted by `benchmarks/fit_pair_scorer_highres.py`) weighs this to log odds, which are added
to those at 32×32: two kinds of evidence that do not know of each other.
"""

import functools
import json
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from pipeline.core import files
from pipeline.core.jit import compiled, entry_point
from pipeline.dedup.encoder.encoder_input import SIDE, to_32
from pipeline.dedup.encoder.letterbox import strip_bars, without_bars
from pipeline.dedup.scoring import pair_scorer
from pipeline.dedup.scoring.alignment import Plane, align, smooth, source_of
from pipeline.dedup.scoring.pair_scorer import lay_over, luma_of
from pipeline.dedup.scoring.spectrum import bands_between, cosine_rows, evidence, fisher, frequencies, tamed
from pipeline.imageset.format.image_set import Images, ImageSet
from pipeline.prepare.resize import area_average

Floats = npt.NDArray[np.float64]
Side = Literal[32, 64, 128]

HOPELESS = 6.0
"""How far below the least score of copies a pair at 32×32 may lie to be looked at closely."""

_EDGES = {64: (16.5, 23.5, 31.5, 39.5, 47.5), 128: (16.5, 31.5, 47.5, 71.5, 95.5)}
"""Of the bands, by side, in half periods a side: from where 32×32 has little to three quarters of the most."""

_NOISE = np.array([4.0, 16.0, 64.0, 144.0])
"""Variances of a coefficient, in squared levels, that copying may add."""

_MOST_ALIKE = np.array([0.9, 0.85, 0.75, 0.65])
"""Correlation that copies may be expected to have, by band: what scaling and compression leave of detail."""

_BANDS = len(_MOST_ALIKE)
_MOST_SCORE = 6.0
"""Of the score at 32×32, in a closer look: more agreement there is no reason to overlook detail that disagrees."""

_FILE = Path(__file__).with_suffix(".json")

FEATURES = (
    *(f"correlation in band {band}, as Fisher's z" for band in range(_BANDS)),
    *(f"ratio of energies in band {band}, absolute logarithm" for band in range(_BANDS)),
    *(f"lesser energy in band {band}, logarithm" for band in range(_BANDS)),
    *(f"evidence at noise {noise:g}" for noise in _NOISE),
    "correlation of detail in small cells, as Fisher's z",
)


@functools.cache
def _tables(side: int) -> tuple[Floats, npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The cosine transform's rows, the band of each pair of frequencies, and the pairs in each band."""
    count = int(_EDGES[side][-1]) + 1
    return (cosine_rows(side, count), *bands_between(_EDGES[side], count))


def digest() -> str:
    """Of the weights, 64 hex characters."""
    return files.sha256_file(_FILE)


@functools.cache
def _weights(side: int) -> tuple[Floats, float]:
    table = json.loads(_FILE.read_text())[str(side)]
    return np.array([table["weights"][name] for name in FEATURES]), float(table["intercept"])


def source_sides(images: ImageSet) -> npt.NDArray[np.int64]:
    """Short sides of what the pictures of a set were made of, a face's of its box alone: int64 (n,), by row."""
    columns = (images.index.column(f"source_{name}") for name in ("width", "height"))
    sides: npt.NDArray[np.int64] = np.minimum(*(np.asarray(column, np.int64) for column in columns))
    boxes = images.index.column("box")
    if boxes.null_count < len(boxes):
        for row, box in enumerate(boxes.to_pylist()):
            if box is not None:
                sides[row] = min(box[2] - box[0], box[3] - box[1])
    return sides


def holds(source_sides: npt.NDArray[np.int64], side: int) -> npt.NDArray[np.bool_]:
    """Whether pictures hold the detail that is compared: those that were enlarged from too few pixels do not.

    Args:
        source_sides: short sides of what the pictures were made of, int64 (n,).

    Returns:
        bool (n,).
    """
    enough: npt.NDArray[np.bool_] = 4 * source_sides >= 3 * side  # the bands end at three quarters of the side
    return enough


def score(left: Images, right: Images, side: Side, least: float, detailed: npt.NDArray[np.bool_]) -> Floats:
    """How likely aligned pictures are copies, as log odds to two decimals, compared at 32×32 and then at `side`.

    Args:
        left, right: uint8 (n, stored, stored, 3), of at least `side` pixels.
        side: 32 for no closer look.
        least: score of copies; pairs more than `HOPELESS` below it at 32×32 keep the score that they have there.
        detailed: bool (n,), false for pairs that keep it too, for one of the two has no such detail (see `holds`).

    Returns:
        float64 (n,).
    """
    small = to_32(left), to_32(right)
    scores = pair_scorer.score(*small)
    if side == SIDE:
        return scores
    rows = np.flatnonzero((scores >= least - HOPELESS) & detailed)
    if len(rows):
        large = area_average(left[rows], side), area_average(right[rows], side)
        values = measure(*large, small[0][rows], small[1][rows])
        weights, intercept = _weights(side)
        # In one order, and rounded: see `comparer.score`.
        total = np.zeros(len(rows))
        for weight, column in zip(weights, values.T, strict=True):
            total += weight * column
        scores[rows] = (np.minimum(scores[rows], _MOST_SCORE) + (total + intercept)).round(2)
    return scores


def measure(left: Images, right: Images, small_left: Images, small_right: Images) -> Floats:
    """The measurements that `FEATURES` names, of aligned pictures.

    Args:
        left, right: uint8 (n, side, side, 3), side 64 or 128.
        small_left, small_right: the same at 32×32.

    Returns:
        float64 (n, 17).
    """
    out = np.empty((len(left), len(FEATURES)))
    laid = lay_over(small_left, strip_bars(small_left), small_right, strip_bars(small_right))
    boxes = without_bars(small_left), without_bars(small_right)
    rows, band_of, pairs = _tables(left.shape[1])
    left, right = np.ascontiguousarray(left), np.ascontiguousarray(right)
    _measure_all(left, right, *boxes, laid.stripped, laid.affine, rows, band_of, pairs, out)
    return out


@entry_point(
    "(uint8[:,:,:,::1], uint8[:,:,:,::1], int64[:,::1], int64[:,::1], boolean[::1], "
    "float64[:,::1], float64[:,::1], int64[:,::1], int64[::1], float64[:,::1])"
)
def _measure_all(
    large_left: Images,
    large_right: Images,
    left_boxes: npt.NDArray[np.int64],
    right_boxes: npt.NDArray[np.int64],
    stripped: npt.NDArray[np.bool_],
    affines: Floats,
    rows: Floats,
    band_of: npt.NDArray[np.int64],
    pairs: npt.NDArray[np.int64],
    out: Floats,
) -> None:
    for i in range(len(out)):
        left, right = luma_of(large_left[i]), luma_of(large_right[i])
        if stripped[i]:
            left, right = _cut(left, left_boxes[i]), _cut(right, right_boxes[i])
        _measure(left, right, affines[i], rows, band_of, pairs, out[i])


@compiled
def _measure(
    left: Plane,
    right: Plane,
    affine: Floats,
    rows: Floats,
    band_of: npt.NDArray[np.int64],
    pairs: npt.NDArray[np.int64],
    out: Floats,
) -> None:
    side = right.shape[0]
    start = affine.copy()
    start[4] *= side / 32
    start[5] *= side / 32
    found, _ = align(left, right, start)
    warped, inside = np.empty((side, side)), np.empty((side, side), np.bool_)
    for y in range(side):
        for x in range(side):
            at_y, at_x, inside[y, x] = source_of(found, y, x, side)
            warped[y, x] = _cubic_at(left, at_y, at_x)
    a, b = _fine(warped, inside), _fine(right, inside)
    overlap = 0.0
    for y in range(side):
        for x in range(side):
            overlap += inside[y, x]
    overlap = max(overlap / (side * side), 1e-3)
    bands = len(pairs)
    agreed, energies = np.zeros(bands), np.zeros((2, bands))
    left_waves, right_waves = frequencies(a, inside, rows), frequencies(b, inside, rows)
    for y in range(len(rows)):
        for x in range(len(rows)):
            band = band_of[y, x]
            if band >= 0:
                energies[0, band] += left_waves[y, x] * left_waves[y, x]
                energies[1, band] += right_waves[y, x] * right_waves[y, x]
                agreed[band] += left_waves[y, x] * right_waves[y, x]
    found_at = np.zeros(len(_NOISE))
    for band in range(bands):
        scale = np.sqrt(energies[0, band] * energies[1, band])
        r = agreed[band] / scale if scale > 0 else 0.0
        for which in range(2):
            energies[which, band] /= overlap * pairs[band]
        least = min(energies[0, band], energies[1, band])
        out[band] = fisher(r, 0.995)
        out[bands + band] = abs(np.log((energies[0, band] + 4) / (energies[1, band] + 4)))
        out[2 * bands + band] = np.log1p(least / 16)
        for n in range(len(_NOISE)):
            found_at[n] += evidence(r, least, pairs[band] * overlap, _NOISE[n], _MOST_ALIKE[band])
    for n in range(len(_NOISE)):
        out[3 * bands + n] = tamed(found_at[n] / 50)
    out[3 * bands + len(_NOISE)] = fisher(_by_cell(a, b, inside), 0.995)


@compiled
def _fine(plane: Plane, inside: npt.NDArray[np.bool_]) -> Plane:
    """What smoothing takes away, where inside: else the edge of the overlap would be detail that both have."""
    side = plane.shape[0]
    coarse = plane
    for _ in range(6 * side * side // 4096):
        coarse = smooth(coarse)
    out = np.zeros((side, side))
    for y in range(side):
        for x in range(side):
            if inside[y, x]:
                out[y, x] = plane[y, x] - coarse[y, x]
    return out


@compiled
def _cut(plane: Plane, box: npt.NDArray[np.int64]) -> Plane:
    """A part of a plane (top, left, height, width, in pixels of 32×32), scaled to the plane's side."""
    side = plane.shape[0]
    out = np.empty((side, side))
    for y in range(side):
        at_y = (box[0] * side + (y + 0.5) * box[2]) / 32 - 0.5
        for x in range(side):
            out[y, x] = _cubic_at(plane, at_y, (box[1] * side + (x + 0.5) * box[3]) / 32 - 0.5)
    return out


@compiled
def _cubic_at(plane: Plane, y: float, x: float) -> float:
    """Catmull and Rom's interpolation, which leaves more detail than a linear one; beyond the edge, its value."""
    last = plane.shape[0] - 1
    y, x = min(max(y, 0.0), float(last)), min(max(x, 0.0), float(last))
    y0, x0 = int(y), int(x)
    fy, fx = y - y0, x - x0
    total = 0.0
    for i in range(-1, 3):
        row = min(max(y0 + i, 0), last)
        across = 0.0
        for j in range(-1, 3):
            across += _cubic(j - fx) * plane[row, min(max(x0 + j, 0), last)]
        total += _cubic(i - fy) * across
    return float(total)


@compiled
def _cubic(distance: float) -> float:
    d = abs(distance)
    return 1 + d * d * (1.5 * d - 2.5) if d < 1 else 2 - d * (4 - d * (2.5 - 0.5 * d))


@compiled
def _by_cell(a: Plane, b: Plane, inside: npt.NDArray[np.bool_]) -> float:
    """How well detail correlates in 64 cells, by its strength, held so that no sign put on a corner has all the say."""
    side = a.shape[0]
    wide = side // 8
    weighed = agreed = 0.0
    for cell in range(64):
        n = 0
        sum_aa = sum_bb = sum_ab = 0.0
        for y in range(cell // 8 * wide, (cell // 8 + 1) * wide):
            for x in range(cell % 8 * wide, (cell % 8 + 1) * wide):
                if inside[y, x]:
                    n += 1
                    sum_aa += a[y, x] * a[y, x]
                    sum_bb += b[y, x] * b[y, x]
                    sum_ab += a[y, x] * b[y, x]
        if 2 * n >= wide * wide:
            # 4 and 100 are variances of a pixel's detail: of noise, and of what is strong.
            strength = np.sqrt((sum_aa + 4 * n) * (sum_bb + 4 * n))
            weight = min(strength / n, 100.0)
            weighed += weight
            agreed += weight * sum_ab / strength
    return float(agreed / weighed) if weighed > 0 else 0.0
