"""Tell copies from pictures with a shared layout, by what is left of them without their common part.

Forms, pictures in one template, small things on white and medical pictures of one anatomy agree in large parts, and
`pair_scorer` takes them for copies. As text retrieval discounts words that are in many documents, this module discounts
what a picture has in common with the pictures that are most similar to it. The common part is the median of these
pictures, aligned with the picture. Two pictures are copies if they also agree in what is left: by their partial
correlations given the common part, in the bands of frequencies of `pair_scorer`.

Many copies of one picture have a common part too: that picture. It is told from a layout in two ways. At least two of
the pictures equal it up to the changes that copying makes, or all nearly do once they are aligned; and copying changes
all detail alike, whereas in a layout the places that vary stand out.

Each limit lies between the values measured on clusters of copies (recompressed, scaled, changed by the transforms of
`recall.transforms`, frames of a moving camera) and on shared layouts (forms, templates, things on white, anatomies).
"""

import numpy as np
import numpy.typing as npt

from pipeline.core.jit import compiled, entry_point
from pipeline.dedup.scoring.alignment import Plane, bilinear, source_position
from pipeline.dedup.scoring.pair_scorer import (
    BAND_OF,
    BAND_SIZES,
    MAX_CORRELATIONS,
    ROWS,
    align_pairs,
    fine_detail,
    luma_of,
    warp_to_ycbcr,
)
from pipeline.dedup.scoring.spectrum import copy_evidence, dct_coefficients
from pipeline.imageset.format.image_set import Images

Flags = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

_MIN_EVIDENCE = 200.0
"""Minimum `evidence` of copies with a shared layout, in nats. Of different pictures with a shared layout, 3 of 12,000
pairs had more, all of them very similar; of copies of a picture in a template or of an anatomy, nine of ten."""

_AGREEING_LEVELS = 16
_AGREEING_SHARE = 0.75
_MIN_AGREEING_AREA = 0.2
"""Pictures share a layout only if the luma of this share of them lies within these levels of their median, on at least
this share of the area. Similar photographs agree on 0.00 to 0.02 of the area (0.15 if there are few), pictures with a
shared layout on 0.33 to 1.00."""

_MAX_UNEXPLAINED = 0.03
"""Share of the fine detail of a copy that the common part does not explain: copies of one picture 0.000 to 0.009,
frames 0.02 to 0.03, forms 0.025 or more, other layouts 0.1 or more."""

_MAX_CONTRAST = 15.0
"""How much more the most varying 3 % of the cells may vary than the median cell, relative to their detail, of all cells
and of the more detailed half: copies of one picture at most 14, layouts that the limit above accepts 16 to 300."""

_MAX_UNEXPLAINED_OF_MOVED, _MAX_CONTRAST_OF_MOVED, _MOVED = 0.12, 25.0, 5.0
"""The same limits for pictures that agree only after they were aligned, and how many times more of their detail was
unexplained before, at the median. A layout remains in its place; copies with other crops and frames of a moving camera
do not: 0.03 to 0.1, up to 17, 6 to 20 times (the cars of which CIFAR-10 has two dozen crops each: 0.04 to 0.1, up to
12, 7 to 14 times). Forms that were scanned askew: mostly 0.18 or more, 1 to 4 times."""

_MAX_UNEXPLAINED_OF_PAIR, _MAX_CONTRAST_OF_PAIR = 0.01, 8.0
"""The same for two pictures. They are lower, because a pair says less than a group. No two pictures of 33 layouts had
less, except 1 % of tickets that differ in one number; half of the copies that were scaled and saved again had."""

_NOISE_VARIANCE = 16.0
"""Variance that copying may add to a coefficient, in squared levels: that of JPEGs of medium quality."""


def align_to(pictures: Images, target: Images) -> Images:
    """Align pictures with one picture.

    Args:
        pictures: uint8 (n, 32, 32, 3).
        target: uint8 (32, 32, 3).

    Returns:
        uint8 (n, 32, 32, 3); outside of a picture, its nearest edge pixel.
    """
    targets = np.ascontiguousarray(np.broadcast_to(target, pictures.shape))
    alignments = align_pairs(pictures, pictures, targets, targets)
    out = np.empty(pictures.shape, np.uint8)
    _warp_all(np.ascontiguousarray(pictures), alignments.affine, out)
    return out


def common_part(aligned: Images) -> Images:
    """The median of aligned pictures, uint8 (n, 32, 32, 3), per pixel and channel: uint8 (32, 32, 3)."""
    ordered = np.sort(aligned, axis=0)
    count = len(aligned)
    # Half of the sum of the two middle values, in integers.
    middle: Images = (ordered[(count - 1) // 2].astype(np.uint16) + ordered[count // 2]) // 2
    return middle.astype(np.uint8)


def agree_in_places(pictures: Images) -> bool:
    """Tell whether pictures, uint8 (n, 32, 32, 3), agree in the same places: they share a layout or are copies."""
    weights = np.array([299, 587, 114])
    near = np.abs(pictures @ weights - common_part(pictures) @ weights) <= 1000 * _AGREEING_LEVELS
    agreeing = near.sum(axis=0) >= _AGREEING_SHARE * len(pictures)
    return bool(agreeing.mean() >= _MIN_AGREEING_AREA)


def are_copies(pictures: Images, aligned: Images, common: Images) -> bool:
    """Tell whether the common part of pictures is one picture, of which they are copies, and not a layout.

    Args:
        pictures: before alignment, uint8 (n, 32, 32, 3).
        aligned: the same pictures, aligned with one of them (`align_to`).
        common: the common part of the aligned pictures, uint8 (32, 32, 3).
    """
    unexplained, contrast = differences(aligned, common)
    least_contrast = np.sort(contrast)[len(contrast) // 4]
    if np.sort(unexplained)[1] <= _MAX_UNEXPLAINED and least_contrast <= _MAX_CONTRAST:
        return True
    typical = np.sort(unexplained)[len(unexplained) // 2]
    if typical > _MAX_UNEXPLAINED_OF_MOVED or least_contrast > _MAX_CONTRAST_OF_MOVED:
        return False
    before = np.sort(differences(pictures, common_part(pictures))[0])[len(unexplained) // 2]
    return bool(before >= _MOVED * typical)


def differences(aligned: Images, picture: Images) -> tuple[Floats, Floats]:
    """Compare the fine detail of aligned pictures with that of one picture.

    Args:
        aligned: uint8 (n, 32, 32, 3).
        picture: uint8 (32, 32, 3).

    Returns:
        For each, the share of the energy of its detail that the picture does not explain, 0..1; and how much more the
        most different 3 % of the cells differ than the median cell, relative to their detail. Each float64 (n,).
    """
    unexplained, cells, detail = np.empty(len(aligned)), np.empty((len(aligned), 256)), np.empty(256)
    _compare_detail(np.ascontiguousarray(aligned), np.ascontiguousarray(picture), unexplained, cells, detail)
    # Variances of noise: 16 in proportion to the detail of a cell, and 0.1 for the rounding of levels.
    variation = (cells + 0.1) / (detail + 16)
    most_detailed = np.argsort(-detail, kind="stable")[:128]
    contrast = np.zeros(len(aligned))
    for chosen in (variation, variation[:, most_detailed]):
        ordered = np.sort(chosen, axis=1)
        count = ordered.shape[1]
        contrast = np.maximum(contrast, ordered[:, count * 97 // 100] / ordered[:, count // 2])
    return unexplained, contrast


def are_equal(pictures: Images, target: Images) -> Flags:
    """Tell which pictures, uint8 (n, 32, 32, 3), equal one picture up to the changes that copying makes: bool (n,)."""
    unexplained, contrast = differences(align_to(pictures, target), target)
    equal: Flags = (unexplained <= _MAX_UNEXPLAINED_OF_PAIR) & (contrast <= _MAX_CONTRAST_OF_PAIR)
    return equal


def agree_without(pictures: Images, target: Images, common: Images) -> Flags:
    """Tell which pictures agree with one picture in what is left without the common part.

    Args:
        pictures: uint8 (n, 32, 32, 3).
        target: uint8 (32, 32, 3).
        common: the common part for each picture, aligned with the target, uint8 (n, 32, 32, 3).

    Returns:
        bool (n,).
    """
    agree: Flags = evidence(pictures, np.broadcast_to(target, pictures.shape), common) >= _MIN_EVIDENCE
    return agree


def evidence(left: Images, right: Images, common: Images) -> Floats:
    """Evidence that picture i of `left` and picture i of `right` are copies, from what their common part leaves.

    Args:
        left, right: uint8 (n, 32, 32, 3).
        common: uint8 (n, 32, 32, 3), aligned with `right`.

    Returns:
        Log likelihood ratios of copies and unrelated pictures, rounded to two decimals, float64 (n,); see
        `spectrum.copy_evidence`. Near 0 if no more than noise is left.
    """
    left, right = np.ascontiguousarray(left), np.ascontiguousarray(right)
    alignments = align_pairs(left, left, right, right)
    out = np.empty(len(left))
    _partial_evidence(left, right, np.ascontiguousarray(common), alignments.affine, ROWS, BAND_OF, out)
    return out.round(2)


@entry_point("(uint8[:,:,:,::1], float64[:,::1], uint8[:,:,:,::1])")
def _warp_all(pictures: Images, affines: Floats, out: Images) -> None:
    source = np.empty((3, 32, 32))
    for i in range(len(pictures)):
        for channel in range(3):
            for y in range(32):
                for x in range(32):
                    source[channel, y, x] = pictures[i, y, x, channel]
        for y in range(32):
            for x in range(32):
                at_y, at_x, _ = source_position(affines[i], y, x)
                for channel in range(3):
                    out[i, y, x, channel] = int(bilinear(source[channel], at_y, at_x) + 0.5)


@entry_point("(uint8[:,:,:,::1], uint8[:,:,::1], float64[::1], float64[:,::1], float64[::1])")
def _compare_detail(aligned: Images, common: Images, unexplained: Floats, cells: Floats, detail: Floats) -> None:
    """Compare the fine detail of pictures with that of the common part.

    Args:
        aligned: uint8 (n, 32, 32, 3).
        common: uint8 (32, 32, 3).
        unexplained: float64 (n,), receives the share of the energy that the common part does not explain, 0..1.
        cells: float64 (n, 256), receives the mean energy that is not explained, by cell.
        detail: float64 (256,), receives the mean energy of the common part, by cell.
    """
    shared = fine_detail(luma_of(common))
    _mean_of_cells(shared, detail)
    for i in range(len(aligned)):
        own = fine_detail(luma_of(aligned[i]))
        aa = bb = ab = 0.0
        for y in range(32):
            for x in range(32):
                aa += own[y, x] * own[y, x]
                bb += shared[y, x] * shared[y, x]
                ab += own[y, x] * shared[y, x]
        gain = max(ab, 0.0) / bb if bb > 0 else 0.0
        unexplained[i] = max(1 - gain * ab / aa, 0.0) if aa > 0 else 1.0
        for y in range(32):
            for x in range(32):
                own[y, x] -= gain * shared[y, x]
        _mean_of_cells(own, cells[i])


@compiled
def _mean_of_cells(plane: Plane, out: Floats) -> None:
    """Mean square of a plane in cells of 2×2 pixels, float64 (256,)."""
    out[:] = 0.0
    for y in range(32):
        for x in range(32):
            out[y // 2 * 16 + x // 2] += plane[y, x] * plane[y, x] / 4


@entry_point(
    "(uint8[:,:,:,::1], uint8[:,:,:,::1], uint8[:,:,:,::1], float64[:,::1], float64[:,::1], int64[:,::1], float64[::1])"
)
def _partial_evidence(
    left: Images,
    right: Images,
    common: Images,
    affines: Floats,
    rows: Floats,
    band_of: npt.NDArray[np.int64],
    out: Floats,
) -> None:
    bands = len(MAX_CORRELATIONS)
    identity = np.zeros(6)
    for i in range(len(out)):
        planes, inside = warp_to_ycbcr(left[i], right[i], affines[i])
        shared, _ = warp_to_ycbcr(common[i], common[i], identity)
        size = 0
        for y in range(32):
            for x in range(32):
                size += inside[y, x]
                for channel in range(3):
                    shared[0, channel, y, x] *= inside[y, x]
        overlap = max(size / 1024, 1e-3)
        out[i] = 0.0
        for channel in range(3):
            a = dct_coefficients(planes[0, channel], inside, rows)
            b = dct_coefficients(planes[1, channel], inside, rows)
            c = dct_coefficients(shared[0, channel], inside, rows)
            products = np.zeros((bands, 6))
            for y in range(len(rows)):
                for x in range(len(rows)):
                    if band_of[y, x] >= 0:
                        sums = products[band_of[y, x]]
                        sums[0] += a[y, x] * a[y, x]
                        sums[1] += b[y, x] * b[y, x]
                        sums[2] += c[y, x] * c[y, x]
                        sums[3] += a[y, x] * b[y, x]
                        sums[4] += a[y, x] * c[y, x]
                        sums[5] += b[y, x] * c[y, x]
            for band in range(bands):
                aa, bb, cc, ab, ac, bc = products[band]
                if cc > 0:
                    aa, bb, ab = max(aa - ac * ac / cc, 0.0), max(bb - bc * bc / cc, 0.0), ab - ac * bc / cc
                scale = np.sqrt(aa * bb)
                size_of_band = BAND_SIZES[band] * overlap
                out[i] += copy_evidence(
                    ab / scale if scale > 1e-6 else 0.0,
                    min(aa, bb) / size_of_band,
                    size_of_band,
                    _NOISE_VARIANCE,
                    MAX_CORRELATIONS[band],
                )
