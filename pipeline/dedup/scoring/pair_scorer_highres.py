"""Score whether two pictures are copies by detail that is visible at 64×64 or 128×128 pixels, but not at 32×32.

If the score of a pair at 32×32 (`pair_scorer`) is not far below the threshold, the pair is aligned again at the larger
side, starting from the map found at 32×32. Then the luma is compared in four bands of higher frequencies. A copy agrees
there or has lost its detail, which is weak evidence; another photograph of a similar scene has different detail. A
logistic regression (`pair_scorer_highres.json`, fitted by `benchmarks/fit_pair_scorer_highres.py`) turns the
measurements into log odds. These are added to the log odds at 32×32, as independent evidence.
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
from pipeline.dedup.encoder.letterbox import content_boxes, strip_bars
from pipeline.dedup.scoring import pair_scorer
from pipeline.dedup.scoring.alignment import Plane, align, smooth, source_position
from pipeline.dedup.scoring.pair_scorer import align_pairs, luma_of
from pipeline.dedup.scoring.spectrum import (
    copy_evidence,
    dct_coefficients,
    dct_rows,
    fisher_z,
    frequency_bands,
    signed_log,
)
from pipeline.imageset.format.image_set import Images, ImageSet
from pipeline.prepare.resize import area_average

Floats = npt.NDArray[np.float64]
CompareSide = Literal[32, 64, 128, "auto"]
"""A side in pixels at which pictures are compared; auto: for each pair the largest one at which both have detail."""

HIGHRES_MARGIN = 6.0
"""A pair is compared at the larger side if its score at 32×32 is at most this far below the threshold."""

_BAND_EDGES = {64: (16.5, 23.5, 31.5, 39.5, 47.5), 128: (16.5, 31.5, 47.5, 71.5, 95.5)}
"""Band edges by side, in half periods per side, from where 32×32 pixels have little detail to 3/4 of the side."""

_NOISE_VARIANCES = np.array([4.0, 16.0, 64.0, 144.0])
"""Variances that copying may add to a coefficient, in squared levels."""

_MAX_CORRELATIONS = np.array([0.9, 0.85, 0.75, 0.65])
"""Upper limit of the correlation expected of copies, by band: scaling and compression remove detail."""

_BANDS = len(_MAX_CORRELATIONS)
_MAX_SCORE_AT_32 = 6.0
"""Upper limit of the score at 32×32 in the sum, so that agreement there does not outweigh different detail."""

_FILE = Path(__file__).with_suffix(".json")

FEATURES = (
    *(f"correlation in band {band}, as Fisher's z" for band in range(_BANDS)),
    *(f"ratio of energies in band {band}, absolute logarithm" for band in range(_BANDS)),
    *(f"lesser energy in band {band}, logarithm" for band in range(_BANDS)),
    *(f"evidence at noise {noise:g}" for noise in _NOISE_VARIANCES),
    "correlation of detail in small cells, as Fisher's z",
)


@functools.cache
def _tables(side: int) -> tuple[Floats, npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the rows of the cosine transform, the band of each pair of frequencies, and the pairs per band."""
    count = int(_BAND_EDGES[side][-1]) + 1
    return (dct_rows(side, count), *frequency_bands(_BAND_EDGES[side], count))


def digest() -> str:
    """Return the SHA-256 of the weights file: 64 hex characters."""
    return files.sha256_file(_FILE)


@functools.cache
def _weights(side: int) -> tuple[Floats, float]:
    table = json.loads(_FILE.read_text())[str(side)]
    return np.array([table["weights"][name] for name in FEATURES]), float(table["intercept"])


def source_sides(images: ImageSet) -> npt.NDArray[np.int64]:
    """Return the short side of each source (for a face, of its box) in pixels: int64 (n,), in row order."""
    columns = (images.index.column(f"source_{name}") for name in ("width", "height"))
    sides: npt.NDArray[np.int64] = np.minimum(*(np.asarray(column, np.int64) for column in columns))
    boxes = images.index.column("box")
    if boxes.null_count < len(boxes):
        for row, box in enumerate(boxes.to_pylist()):
            if box is not None:
                sides[row] = min(box[2] - box[0], box[3] - box[1])
    return sides


def sides_with_detail(pixels: npt.NDArray[np.int64], side: CompareSide) -> npt.NDArray[np.int64]:
    """The side at which each picture is compared; pictures enlarged from too few pixels have no more detail at it.

    Args:
        pixels: short side of what is compared, in pixels of the source and not more than are stored: int64 (n,).
        side: the side if a picture has the detail that is compared at it; `auto`: the largest such side.

    Returns:
        32, 64 or 128 for each picture, int64 (n,).
    """
    sides = np.full(len(pixels), SIDE, np.int64)
    for wanted in (64, 128) if side == "auto" else (side,):
        sides[4 * pixels >= 3 * wanted] = wanted  # the highest band ends at three quarters of the side
    return sides


def score(left: Images, right: Images, sides: npt.NDArray[np.int64], least: float) -> Floats:
    """Score whether picture i of `left` and picture i of `right` are copies, at 32×32 and then at a larger side.

    Args:
        left, right: uint8 (n, stored, stored, 3), of at least the largest side in pixels.
        sides: int64 (n,): 64 or 128; or 32 for pairs that keep their score at 32×32; see `sides_with_detail`.
        least: threshold for copies; a pair more than `HIGHRES_MARGIN` below it at 32×32 keeps its score.

    Returns:
        Log odds, rounded to two decimals, float64 (n,).
    """
    small = to_32(left), to_32(right)
    scores = pair_scorer.score(*small)
    likely = scores >= least - HIGHRES_MARGIN
    for side in np.unique(sides[likely & (sides > SIDE)]).tolist():
        rows = np.flatnonzero(likely & (sides == side))
        large = area_average(left[rows], side), area_average(right[rows], side)
        values = measure(*large, small[0][rows], small[1][rows])
        weights, intercept = _weights(side)
        # In a fixed order, then rounded: see `pair_scorer.score`.
        total = np.zeros(len(rows))
        for weight, column in zip(weights, values.T, strict=True):
            total += weight * column
        scores[rows] = (np.minimum(scores[rows], _MAX_SCORE_AT_32) + (total + intercept)).round(2)
    return scores


def measure(left: Images, right: Images, small_left: Images, small_right: Images) -> Floats:
    """Compute the measurements in `FEATURES` for picture i of `left` and picture i of `right`.

    Args:
        left, right: uint8 (n, side, side, 3), side 64 or 128.
        small_left, small_right: the same pictures at 32×32.

    Returns:
        float64 (n, 17).
    """
    out = np.empty((len(left), len(FEATURES)))
    alignments = align_pairs(small_left, strip_bars(small_left), small_right, strip_bars(small_right))
    boxes = content_boxes(small_left), content_boxes(small_right)
    rows, band_of, pairs = _tables(left.shape[1])
    left, right = np.ascontiguousarray(left), np.ascontiguousarray(right)
    _measure_all(left, right, *boxes, alignments.bare, alignments.affine, rows, band_of, pairs, out)
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
    bare: npt.NDArray[np.bool_],
    affines: Floats,
    rows: Floats,
    band_of: npt.NDArray[np.int64],
    pairs: npt.NDArray[np.int64],
    out: Floats,
) -> None:
    for i in range(len(out)):
        left, right = luma_of(large_left[i]), luma_of(large_right[i])
        if bare[i]:
            left, right = _crop(left, left_boxes[i]), _crop(right, right_boxes[i])
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
    refined, _ = align(left, right, start)
    warped, inside = np.empty((side, side)), np.empty((side, side), np.bool_)
    for y in range(side):
        for x in range(side):
            at_y, at_x, inside[y, x] = source_position(refined, y, x, side)
            warped[y, x] = _bicubic(left, at_y, at_x)
    a, b = _fine_detail(warped, inside), _fine_detail(right, inside)
    overlap = 0.0
    for y in range(side):
        for x in range(side):
            overlap += inside[y, x]
    overlap = max(overlap / (side * side), 1e-3)
    bands = len(pairs)
    agreed, energies = np.zeros(bands), np.zeros((2, bands))
    left_waves, right_waves = dct_coefficients(a, inside, rows), dct_coefficients(b, inside, rows)
    for y in range(len(rows)):
        for x in range(len(rows)):
            band = band_of[y, x]
            if band >= 0:
                energies[0, band] += left_waves[y, x] * left_waves[y, x]
                energies[1, band] += right_waves[y, x] * right_waves[y, x]
                agreed[band] += left_waves[y, x] * right_waves[y, x]
    evidence_at = np.zeros(len(_NOISE_VARIANCES))
    for band in range(bands):
        scale = np.sqrt(energies[0, band] * energies[1, band])
        r = agreed[band] / scale if scale > 0 else 0.0
        for which in range(2):
            energies[which, band] /= overlap * pairs[band]
        least = min(energies[0, band], energies[1, band])
        out[band] = fisher_z(r, 0.995)
        out[bands + band] = abs(np.log((energies[0, band] + 4) / (energies[1, band] + 4)))
        out[2 * bands + band] = np.log1p(least / 16)
        for n in range(len(_NOISE_VARIANCES)):
            evidence_at[n] += copy_evidence(
                r, least, pairs[band] * overlap, _NOISE_VARIANCES[n], _MAX_CORRELATIONS[band]
            )
    for n in range(len(_NOISE_VARIANCES)):
        out[3 * bands + n] = signed_log(evidence_at[n] / 50)
    out[3 * bands + len(_NOISE_VARIANCES)] = fisher_z(_compare_cells(a, b, inside), 0.995)


@compiled
def _fine_detail(plane: Plane, inside: npt.NDArray[np.bool_]) -> Plane:
    """Return a plane minus its smoothed version; 0 outside the overlap, so that its edge is not taken for detail."""
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
def _crop(plane: Plane, box: npt.NDArray[np.int64]) -> Plane:
    """Cut a box (top, left, height, width, in pixels of 32×32) out of a plane and scale it to the plane's side."""
    side = plane.shape[0]
    out = np.empty((side, side))
    for y in range(side):
        at_y = (box[0] * side + (y + 0.5) * box[2]) / 32 - 0.5
        for x in range(side):
            out[y, x] = _bicubic(plane, at_y, (box[1] * side + (x + 0.5) * box[3]) / 32 - 0.5)
    return out


@compiled
def _bicubic(plane: Plane, y: float, x: float) -> float:
    """Interpolate a plane at a position in pixels by Catmull-Rom, which keeps more detail than linear interpolation.

    Outside the plane, the nearest edge value is used.
    """
    last = plane.shape[0] - 1
    y, x = min(max(y, 0.0), float(last)), min(max(x, 0.0), float(last))
    y0, x0 = int(y), int(x)
    fy, fx = y - y0, x - x0
    total = 0.0
    for i in range(-1, 3):
        row = min(max(y0 + i, 0), last)
        across = 0.0
        for j in range(-1, 3):
            across += _cubic_weight(j - fx) * plane[row, min(max(x0 + j, 0), last)]
        total += _cubic_weight(i - fy) * across
    return float(total)


@compiled
def _cubic_weight(distance: float) -> float:
    """The weight of a pixel at a distance, in pixels, in Catmull-Rom interpolation."""
    d = abs(distance)
    return 1 + d * d * (1.5 * d - 2.5) if d < 1 else 2 - d * (4 - d * (2.5 - 0.5 * d))


@compiled
def _compare_cells(a: Plane, b: Plane, inside: npt.NDArray[np.bool_]) -> float:
    """Mean correlation of detail in 64 cells, weighted by strength; weights are limited, so a logo cannot dominate."""
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
            # Variances of a pixel's detail: 4 for noise, 100 for strong detail, which limits the weight.
            strength = np.sqrt((sum_aa + 4 * n) * (sum_bb + 4 * n))
            weight = min(strength / n, 100.0)
            weighed += weight
            agreed += weight * sum_ab / strength
    return float(agreed / weighed) if weighed > 0 else 0.0
