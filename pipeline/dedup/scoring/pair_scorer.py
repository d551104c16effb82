"""Score whether two pictures are copies of each other from their 32×32 pixels, in log odds.

The pictures are aligned (`alignment`); then the luma and both colour differences of each are split into six bands of
frequencies by the cosine transform (`spectrum`). Copies agree in every band in which both have more energy than noise;
pictures that are only similar agree in the lowest bands alone. A logistic regression (`pair_scorer.json`) combines 38
such measurements. `benchmarks/fit_pair_scorer.py` fitted it to copies made by the known transforms, and to decoys:
pairs of different pictures with similar codes, one of them mirrored.
"""

import functools
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.core import files
from pipeline.core.jit import compiled, entry_point
from pipeline.dedup.encoder.letterbox import strip_bars
from pipeline.dedup.scoring.alignment import Plane, align, bilinear, smooth, source_position
from pipeline.dedup.scoring.spectrum import (
    copy_evidence,
    dct_coefficients,
    dct_rows,
    fisher_z,
    frequency_bands,
    signed_log,
)
from pipeline.imageset.format.image_set import Images

Floats = npt.NDArray[np.float64]

_FREQUENCIES = 24
_BAND_EDGES = (0.5, 2.5, 4.5, 7.5, 11.5, 16.5, 23.5)
"""Band edges, as lengths of the frequency vector, in half periods per side."""

_NOISE_VARIANCES = np.array([4.0, 16.0, 64.0, 144.0])
"""Variances that copying may add to a coefficient, in squared levels, for JPEGs of high to low quality."""

MAX_CORRELATIONS = np.array([0.998, 0.995, 0.98, 0.92, 0.8, 0.6])
"""Upper limit of the correlation expected of copies, by band; below 1, because copies are scaled and compressed."""

_BANDS = len(MAX_CORRELATIONS)
_FILE = Path(__file__).with_suffix(".json")

FEATURES = (
    *(f"correlation of luma in band {band}, as Fisher's z" for band in range(_BANDS)),
    *(f"ratio of luma energy in band {band}, absolute logarithm" for band in range(_BANDS)),
    *(f"lesser luma energy in band {band}, logarithm" for band in range(_BANDS)),
    *(f"evidence of {what} at noise {noise:g}" for what in ("all", "luma", "colour") for noise in _NOISE_VARIANCES),
    *("correlation after alignment", "correlation after alignment, as Fisher's z"),
    "spread of detail over the picture, logarithm",
    *("correlation of small cells", "correlation of small cells, as Fisher's z"),
    *("overlap", "stretch and turn", "shift"),
)


ROWS = dct_rows(32, _FREQUENCIES)
BAND_OF, BAND_SIZES = frequency_bands(_BAND_EDGES, _FREQUENCIES)


def digest() -> str:
    """Return the SHA-256 of the weights file: 64 hex characters."""
    return files.sha256_file(_FILE)


@functools.cache
def _weights() -> tuple[Floats, float]:
    table = json.loads(_FILE.read_text())
    return np.array([table["weights"][name] for name in FEATURES]), float(table["intercept"])


def score(left: Images, right: Images) -> Floats:
    """Score whether picture i of `left` and picture i of `right` are copies.

    Args:
        left, right: uint8 (n, 32, 32, 3).

    Returns:
        Log odds, rounded to two decimals, float64 (n,): positive for copies, near 0 if undecided.
    """
    weights, intercept = _weights()
    # Logarithms may differ in the last bit between CPUs: add in a fixed order, then round.
    total = np.zeros(len(left))
    for weight, column in zip(weights, measure(left, right).T, strict=True):
        total += weight * column
    return (total + intercept).round(2)


def measure(left: Images, right: Images) -> Floats:
    """Compute the measurements in `FEATURES` for picture i of `left` and picture i of `right`.

    Args:
        left, right: uint8 (n, 32, 32, 3).

    Returns:
        float64 (n, 38).
    """
    bare_left, bare_right = strip_bars(left), strip_bars(right)
    alignments = align_pairs(left, bare_left, right, bare_right)
    bare = alignments.bare[:, None, None, None]
    pictures = np.where(bare, bare_left, left), np.where(bare, bare_right, right)
    out = np.empty((len(left), len(FEATURES)))
    _measure_all(*pictures, alignments.affine, alignments.correlation, ROWS, BAND_OF, out)
    return out


@dataclass(frozen=True)
class Alignments:
    """How the pictures of n pairs are aligned.

    Attributes:
        bare: whether the pictures are compared without bars, bool (n,).
        affine: the map that aligns left (source) with right (target), float64 (n, 6); see `alignment`.
        correlation: normalised cross-correlation under that map, float64 (n,); see `align`.
    """

    bare: npt.NDArray[np.bool_]
    affine: Floats
    correlation: Floats


def align_pairs(left: Images, bare_left: Images, right: Images, bare_right: Images) -> Alignments:
    """Align picture i of `left` with picture i of `right`, with their bars or without, depending on which agree better.

    If both pictures have bars, they are aligned without bars; if only one has, the higher correlation decides.

    Args:
        left, right: uint8 (n, 32, 32, 3).
        bare_left, bare_right: the same without bars (`letterbox.strip_bars`).
    """
    count = len(left)
    out = Alignments(np.empty(count, np.bool_), np.empty((count, 6)), np.empty(count))
    left, bare_left = np.ascontiguousarray(left), np.ascontiguousarray(bare_left)
    right, bare_right = np.ascontiguousarray(right), np.ascontiguousarray(bare_right)
    _align_pairs(left, bare_left, right, bare_right, out.bare, out.affine, out.correlation)
    return out


MIN_DETAIL = 1.5
"""Minimum `detail` of a picture in a pair, in levels, because smooth gradients correlate by chance."""


def detail(pictures: Images) -> Floats:
    """Measure fine detail: the root mean square of the luma minus the luma smoothed three times.

    The three outermost pixels on each side are ignored. The result is about 0.3 for smooth gradients; for photographs
    at 32×32 it is seldom below 4, or below 2 after a strong blur.

    Args:
        pictures: uint8 (n, 32, 32, 3).

    Returns:
        Levels, float64 (n,).
    """
    out = np.empty(len(pictures))
    _detail_all(np.ascontiguousarray(pictures), out)
    return out


@entry_point("(uint8[:,:,:,::1], float64[::1])")
def _detail_all(pictures: Images, out: Floats) -> None:
    for i in range(len(pictures)):
        fine = fine_detail(luma_of(pictures[i]))
        total = 0.0
        for y in range(3, 29):
            for x in range(3, 29):
                total += fine[y, x] * fine[y, x]
        out[i] = np.sqrt(total / 676)


@compiled
def fine_detail(plane: Plane) -> Plane:
    """Return a plane minus the plane smoothed three times."""
    coarse = plane
    for _ in range(3):
        coarse = smooth(coarse)
    out = np.empty(plane.shape)
    for y in range(plane.shape[0]):
        for x in range(plane.shape[1]):
            out[y, x] = plane[y, x] - coarse[y, x]
    return out


@entry_point(
    "(uint8[:,:,:,::1], uint8[:,:,:,::1], uint8[:,:,:,::1], uint8[:,:,:,::1], "
    "boolean[::1], float64[:,::1], float64[::1])"
)
def _align_pairs(
    left: Images,
    bare_left: Images,
    right: Images,
    bare_right: Images,
    without_bars: npt.NDArray[np.bool_],
    affines: Floats,
    correlations: Floats,
) -> None:
    start = np.zeros(6)
    for i in range(len(left)):
        barred_left, barred_right = _differ(left[i], bare_left[i]), _differ(right[i], bare_right[i])
        # If one picture has bars, they were added to it, or both have them and they were detected in one only.
        for bare in range(barred_left and barred_right, 1 + (barred_left or barred_right)):
            a, b = (bare_left[i], bare_right[i]) if bare else (left[i], right[i])
            affine, correlation = align(luma_of(a), luma_of(b), start)
            if bare and not (barred_left and barred_right) and correlation <= correlations[i]:
                continue
            without_bars[i], correlations[i] = bare == 1, correlation
            for k in range(6):
                affines[i, k] = affine[k]


@compiled
def _differ(a: Images, b: Images) -> bool:
    """Tell whether two pictures of the same shape differ in any value."""
    for y in range(a.shape[0]):
        for x in range(a.shape[1]):
            for c in range(a.shape[2]):
                if a[y, x, c] != b[y, x, c]:
                    return True
    return False


@compiled
def luma_of(picture: Images) -> Plane:
    """Return the luma (ITU-R BT.601) of a picture uint8 (side, side, 3): float64 (side, side), 0..255."""
    side = picture.shape[0]
    out = np.empty((side, side))
    for y in range(side):
        for x in range(side):
            out[y, x] = 0.299 * picture[y, x, 0] + 0.587 * picture[y, x, 1] + 0.114 * picture[y, x, 2]
    return out


@entry_point(
    "(uint8[:,:,:,::1], uint8[:,:,:,::1], float64[:,::1], float64[::1], float64[:,::1], int64[:,::1], float64[:,::1])"
)
def _measure_all(
    left: Images,
    right: Images,
    affines: Floats,
    aligned: Floats,
    rows: Floats,
    band_of: npt.NDArray[np.int64],
    out: Floats,
) -> None:
    for i in range(len(left)):
        _measure(left[i], right[i], affines[i], aligned[i], rows, band_of, out[i])


@compiled
def _measure(
    left: Images,
    right: Images,
    affine: Floats,
    correlation: float,
    rows: Floats,
    band_of: npt.NDArray[np.int64],
    out: Floats,
) -> None:
    planes, inside = warp_to_ycbcr(left, right, affine)
    overlap = 0.0
    for y in range(32):
        for x in range(32):
            overlap += inside[y, x]
    overlap /= 1024
    correlations, energies = np.zeros((3, 6)), np.zeros((2, 3, 6))
    for channel in range(3):
        a, b = dct_coefficients(planes[0, channel], inside, rows), dct_coefficients(planes[1, channel], inside, rows)
        for y in range(a.shape[0]):
            for x in range(a.shape[0]):
                band = band_of[y, x]
                if band >= 0:
                    energies[0, channel, band] += a[y, x] * a[y, x]
                    energies[1, channel, band] += b[y, x] * b[y, x]
                    correlations[channel, band] += a[y, x] * b[y, x]
    for channel in range(3):
        for band in range(6):
            scale = np.sqrt(energies[0, channel, band] * energies[1, channel, band])
            correlations[channel, band] = correlations[channel, band] / scale if scale > 0 else 0.0
            for side in range(2):
                energies[side, channel, band] /= max(overlap, 1e-3) * BAND_SIZES[band]
    for band in range(6):
        least = min(energies[0, 0, band], energies[1, 0, band])
        out[band] = fisher_z(correlations[0, band], 0.9995)
        out[6 + band] = abs(np.log((energies[0, 0, band] + 4) / (energies[1, 0, band] + 4)))
        out[12 + band] = np.log1p(least / 16)
    for n in range(4):
        light = colour = 0.0
        for channel in range(3):
            for band in range(6):
                least = min(energies[0, channel, band], energies[1, channel, band])
                ratio = copy_evidence(
                    correlations[channel, band],
                    least,
                    BAND_SIZES[band] * overlap,
                    _NOISE_VARIANCES[n],
                    MAX_CORRELATIONS[band],
                )
                if channel == 0:
                    light += ratio
                else:
                    colour += ratio
        out[18 + n] = signed_log((light + colour) / 50)
        out[22 + n] = signed_log(light / 50)
        out[26 + n] = signed_log(colour / 50)
    spread, cells = _compare_cells(planes[0, 0], planes[1, 0], inside)
    out[30], out[31] = correlation, fisher_z(correlation, 0.9999)
    out[32] = np.log(spread + 0.01)
    out[33], out[34] = cells, fisher_z(cells, 0.995)
    out[35] = overlap
    out[36] = abs(affine[0]) + abs(affine[1]) + abs(affine[2]) + abs(affine[3])
    out[37] = np.sqrt(affine[4] * affine[4] + affine[5] * affine[5])


@compiled
def warp_to_ycbcr(left: Images, right: Images, affine: Floats) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Warp `left` onto `right` and convert both to luma and colour differences (ITU-R BT.601).

    Returns:
        float64 (2, 3, 32, 32), 0 outside the overlap; and the overlap, bool (32, 32).
    """
    planes, inside = np.zeros((2, 3, 32, 32)), np.zeros((32, 32), np.bool_)
    source = np.empty((3, 32, 32))
    for channel in range(3):
        for y in range(32):
            for x in range(32):
                source[channel, y, x] = left[y, x, channel]
    rgb = np.empty(3)
    for y in range(32):
        for x in range(32):
            at_y, at_x, inside[y, x] = source_position(affine, y, x)
            if inside[y, x]:
                for side in range(2):
                    for channel in range(3):
                        rgb[channel] = bilinear(source[channel], at_y, at_x) if side == 0 else right[y, x, channel]
                    luma = 0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2]
                    planes[side, 0, y, x] = luma
                    planes[side, 1, y, x] = (rgb[2] - luma) * 0.564
                    planes[side, 2, y, x] = (rgb[0] - luma) * 0.713
    return planes, inside


@compiled
def _compare_cells(a: Plane, b: Plane, inside: npt.NDArray[np.bool_]) -> tuple[float, float]:
    """Compare two planes in 64 cells of 4×4 pixels.

    Returns:
        First, how evenly detail is spread over the cells: 1 if all have the same amount, 1/64 if one has all of it,
        0 without detail; a picture with detail in only one place, such as an aeroplane in the sky, is hard to
        recognise. Second, the mean correlation within the cells, weighted by their contrast.
    """
    fine_a, fine_b = fine_detail(a), fine_detail(b)
    total = squares = weighed = agreed = 0.0
    for cell in range(64):
        n = 0
        detail_a = detail_b = sum_a = sum_b = sum_aa = sum_bb = sum_ab = 0.0
        for y in range(cell // 8 * 4, cell // 8 * 4 + 4):
            for x in range(cell % 8 * 4, cell % 8 * 4 + 4):
                if inside[y, x]:
                    n += 1
                    detail_a += fine_a[y, x] * fine_a[y, x]
                    detail_b += fine_b[y, x] * fine_b[y, x]
                    sum_a += a[y, x]
                    sum_b += b[y, x]
                    sum_aa += a[y, x] * a[y, x]
                    sum_bb += b[y, x] * b[y, x]
                    sum_ab += a[y, x] * b[y, x]
        detail = np.sqrt(detail_a * detail_b)
        total += detail
        squares += detail * detail
        if n >= 12:
            # 64 is the noise energy of a cell; it reduces the correlation of cells with less contrast.
            contrast = np.sqrt((sum_aa - sum_a * sum_a / n + 64) * (sum_bb - sum_b * sum_b / n + 64))
            weight = min(contrast, 1600.0)
            weighed += weight
            agreed += weight * (sum_ab - sum_a * sum_b / n) / contrast
    spread = total * total / (64 * squares) if squares > 0 else 0.0
    return spread, agreed / weighed if weighed > 0 else 0.0
