"""Find what tells two aligned pictures apart: bars, frames and marks that were added, and sides that were cut off.

Beyond the common part, a strip of a single colour, or a small one behind a straight edge along the whole side, was
added; anything else was cut off the other picture, or is the other half of a collage, which must not be lost either.
Within the common part, regions that differ after the tones were made equal are compared: the picture that has the edges
of the region, or a single colour where the other one has texture, has the mark.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from pipeline.dedup.originals.alignment import Affine, Reduced
from pipeline.dedup.originals.measures import Image, Plane, measure_chroma, medians

Mask = npt.NDArray[np.bool_]
Box = tuple[float, float, float, float]
"""Left, top, right and bottom edge in pixels; the first pixel reaches from 0 to 1."""

_NARROWEST = 0.012
"""Strips that are narrower, as a share of the side, may come from rounding."""
_PLAIN, _PARTLY_PLAIN, _SAME_TONE = 0.85, 0.45, 1
"""A strip is plain if this share of it has one tone: all of a frame, 0.9 of a bar with text. 0.5 of a window with a
title has one tone, and up to 0.35 of the sky in a photograph, or 0.7 of its night."""
_CONTINUED, _ABOUT_SAME = 0.6, 6
"""If so many of the pixels inside the line have about its tone, the strip may be the picture's own background."""
_EDGE, _EDGE_OF_STRONG = 3.0, 2.0
"""An edge along the whole side is this many times as strong as the median line of the picture, and as the line that a
tenth of the others exceed."""
_LARGEST_ADDED = 0.3
"""A strip with content behind an edge is not an addition if it is larger than this share of the common part."""
_BLUR = 0.8
_SAMPLED = 5
"""One pixel of this many is used to find the tones."""
_FEWEST_OF_RANGE = 20
_SCATTERED = 8.0
"""Median deviation in levels from which a range counts as scattered."""
_LEAST_DIFFERENCE, _DEVIATIONS = 16.0, 5.0
_LARGEST_CHANGED = 0.4
"""If a larger share of the common part differs, the pictures differ as a whole, and no region is a mark."""
_SMALLEST_REGION = 12
_CLEARLY_MORE, _FAINT = 1.35, 8.0


@dataclass(frozen=True)
class Differences:
    """What tells two pictures apart.

    Attributes:
        added: (left, right), frames, bars and marks, in thousandths of the area that both show.
        cut_off: (left, right), what the picture lacks at its sides, in the same unit.
        chroma: (left, right), of what both show; see `measure_chroma`.
        scale: pixels of the left source per pixel of the right one along a side, in thousandths.
    """

    added: tuple[int, int]
    cut_off: tuple[int, int]
    chroma: tuple[int, int]
    scale: int


def find_differences(left: Reduced, right: Reduced, affine: Affine, sizes: tuple[int, int]) -> Differences | None:
    """Compare two pictures under the map from `left` to `right`.

    Args:
        sizes: the long sides of the two sources, in pixels.

    Returns:
        None if they have too little in common.
    """
    inverse = np.asarray(cv2.invertAffineTransform(affine), np.float64)
    in_right, in_left = (
        _clip(_mapped(_whole(one.luma), matrix), other.luma)
        for one, other, matrix in ((left, right, affine), (right, left, inverse))
    )
    if min(_area(in_right) / right.luma.size, _area(in_left) / left.luma.size) < 0.05:
        return None
    beyond_left, beyond_right = _beyond(left.luma, in_left), _beyond(right.luma, in_right)
    scale = float(np.sqrt(abs(np.linalg.det(affine[:, :2]))))  # reduced pixels of the right per one of the left
    per_reduced = [size / max(one.luma.shape) for size, one in zip(sizes, (left, right), strict=True)]
    pitch = max(scale / per_reduced[0], 1 / per_reduced[1])
    mark_left, mark_right = _marks(left, right, affine, max(1.0, pitch))
    return Differences(
        (
            _thousandths(beyond_left[0] / _area(in_left) + mark_left),
            _thousandths(beyond_right[0] / _area(in_right) + mark_right),
        ),
        (_thousandths(beyond_right[1] / _area(in_right)), _thousandths(beyond_left[1] / _area(in_left))),
        (measure_chroma(_inside(left.colours, in_left)), measure_chroma(_inside(right.colours, in_right))),
        _thousandths(per_reduced[0] / (scale * per_reduced[1])),
    )


def _thousandths(share: float) -> int:
    return round(1000 * share)


def _whole(plane: Image) -> Box:
    return 0.0, 0.0, float(plane.shape[1]), float(plane.shape[0])


def _mapped(box: Box, affine: Affine) -> Box:
    """The smallest upright box around a mapped box."""
    corners = np.array([(x - 0.5, y - 0.5) for x in box[::2] for y in box[1::2]])  # affine maps centres of pixels
    mapped = corners @ affine[:, :2].T + affine[:, 2] + 0.5
    left, top, right, bottom = (float(value) for edge in (mapped.min(axis=0), mapped.max(axis=0)) for value in edge)
    return left, top, right, bottom


def _clip(box: Box, plane: Image) -> Box:
    height, width = plane.shape
    return max(0.0, box[0]), max(0.0, box[1]), min(float(width), box[2]), min(float(height), box[3])


def _inside(colours: Image, box: Box) -> Image:
    """The part of a picture inside a box, without the pixels at its edges, where the other picture may begin."""
    left, top, right, bottom = (round(edge) for edge in box)
    part = colours[top + 2 : bottom - 2, left + 2 : right - 2]
    return part if part.size else colours


def _area(box: Box) -> float:
    return max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1])


def _beyond(plane: Image, box: Box) -> tuple[float, float]:
    """Area in pixels of what was added beyond the box, and of what belongs to the picture beyond it.

    Args:
        plane: uint8 (h, w).
        box: the part that the other picture shows.
    """
    added = natural = 0.0
    for turns in range(4):  # with each quarter turn, another side is at the top
        turned, (left, top, right, bottom) = np.rot90(plane, turns), _turned(box, plane, turns)
        height, width = turned.shape
        if top < max(2.0, _NARROWEST * height) or bottom - top < 16 or right - left < 16:
            continue
        whole = turns % 2 == 0  # the corners belong to the strips above and below
        columns = slice(0, width) if whole else slice(round(left), round(right))
        area = top * (width if whole else right - left)
        line = round(top)
        kind = _kind(turned[:, columns], turned[:, round(left) : round(right)], line, round(bottom))
        if kind == "framed":
            kind = "natural" if area > _LARGEST_ADDED * _area(box) else "added"
        added += area if kind == "added" else 0.0
        natural += area if kind == "natural" else 0.0
    return added, natural


def _turned(box: Box, plane: Image, turns: int) -> Box:
    """A box after quarter turns as of `np.rot90`, counter-clockwise."""
    height, width = plane.shape
    left, top, right, bottom = box
    for turn in range(turns):
        side = width if turn % 2 == 0 else height
        left, top, right, bottom = top, side - right, bottom, side - left
    return left, top, right, bottom


def _kind(strip_columns: Image, inner: Image, line: int, bottom: int) -> str:
    """Whether the strip above a line was `added`, is a `natural` part of the picture, or may be `either`.

    A strip with content behind a straight edge is `framed`: a decorated border, or another picture.

    Args:
        strip_columns: the columns of the strip, uint8 (h, w).
        inner: the columns that both pictures show, uint8 (h, w).
        line: the row where the common part begins.
        bottom: the row where it ends.
    """
    strip = strip_columns[: max(1, line - 1)]
    counts = np.bincount(strip.ravel(), minlength=256)
    near = np.convolve(counts, np.ones(2 * _SAME_TONE + 1, np.int64), "same")
    tone = int(near.argmax())
    plain = near[tone] / strip.size
    below = inner[line + 2 : line + 5].astype(np.int16)
    if plain >= _PARTLY_PLAIN and float((np.abs(below - tone) <= _ABOUT_SAME).mean()) >= _CONTINUED:
        return "either"
    if plain >= _PLAIN:
        return "added"
    edge = _edge(inner, line)
    lines = [_edge(inner, row) for row in range(line + 8, bottom - 4, max(1, (bottom - line) // 24))]
    middle, strong = (max(2.0, float(value)) for value in np.percentile(lines or [255], (50, 90)))
    if plain >= _PARTLY_PLAIN:
        return "added" if edge > middle else "natural"
    return "framed" if edge > max(_EDGE * middle, _EDGE_OF_STRONG * strong) else "natural"


def _edge(plane: Image, row: int) -> float:
    """Mean difference between the rows on both sides of a row, two pixels apart."""
    row = min(max(row, 2), len(plane) - 3)
    above, below = plane[row - 2].astype(np.int16), plane[row + 1].astype(np.int16)
    return float(np.abs(above - below).mean())


def _marks(left: Reduced, right: Reduced, affine: Affine, pitch: float) -> tuple[float, float]:
    """Shares of the common part that are marks in the left and in the right picture.

    Args:
        pitch: pixels of the reduced right picture per pixel of the coarser source. Both are blurred to it, so that
            detail which only one of them has is no mark.
    """
    height, width = right.luma.shape
    common = cv2.warpAffine(np.full(left.luma.shape, 255, np.uint8), affine, (width, height)) > 250
    common = cv2.erode(common.astype(np.uint8), np.ones((7, 7), np.uint8), borderValue=0) > 0
    if common.sum() < 1000:
        return 0.0, 0.0
    # A change of tones may explain the difference in either direction: detail that became white has no inverse.
    # It may do so in luma or in green: a change of saturation keeps luma, and each channel is clipped for itself.
    toned: list[tuple[Plane, Plane]] = []
    for source, target in ((left.luma, right.luma), (left.colours[..., 1], right.colours[..., 1])):
        a = _blurred(_warped(source, affine, width, height), pitch)
        b = _blurred(target.astype(np.float32), pitch)
        toned += [(_with_tones_of(a, b, common), b), (a, _with_tones_of(b, a, common))]
    around = np.ones((2 * round(1 + pitch) + 1,) * 2, np.uint8)
    excess = np.minimum.reduce([np.maximum(_excess(a, b, around), _excess(b, a, around)) for a, b in toned])
    excess[~common] = 0
    typical = min(float(np.median(np.abs(a - b)[common])) for a, b in toned)
    changed = excess > max(_LEAST_DIFFERENCE, _DEVIATIONS * typical)
    regions = cv2.dilate(changed.astype(np.uint8), np.ones((7, 7), np.uint8)).astype(bool) & common
    if not changed.any() or regions.sum() > _LARGEST_CHANGED * common.sum():
        return 0.0, 0.0
    gradients = [_gradient(toned[0][side]) + _gradient(toned[1][side]) for side in (0, 1)]
    count, labels, statistics, _ = cv2.connectedComponentsWithStats(regions.astype(np.uint8))
    marks = [0, 0]
    for number in range(1, count):
        left_edge, top, across, down, area = (int(value) for value in statistics[number])
        window = slice(top, top + down), slice(left_edge, left_edge + across)
        region = changed[window] & (labels[window] == number)
        if region.sum() >= _SMALLEST_REGION:
            marked = _marked([plane[window] for plane in gradients], region)
            if marked is not None:
                marks[marked] += area
    return marks[0] / float(common.sum()), marks[1] / float(common.sum())


def _warped(plane: Image, affine: Affine, width: int, height: int) -> Plane:
    """A plane under a map, float32 (height, width); it is blurred first where the map reduces it."""
    scale = float(np.sqrt(abs(np.linalg.det(affine[:, :2]))))
    source = cv2.GaussianBlur(plane, (0, 0), 0.45 / scale) if scale < 0.8 else plane
    return np.asarray(cv2.warpAffine(source, affine, (width, height), flags=cv2.INTER_LINEAR), np.float32)


def _blurred(plane: Plane, pitch: float) -> Plane:
    return np.asarray(cv2.GaussianBlur(plane, (0, 0), _BLUR * pitch), np.float32)


def _with_tones_of(plane: Plane, target: Plane, common: Mask) -> Plane:
    """Change the tones of a plane so that its common pixels agree with the target's: by medians of 32 ranges.

    Ranges in which the target's tones are scattered are left out: they show a mark, not a tone.
    """
    values, wanted = plane[common][::_SAMPLED], target[common][::_SAMPLED]
    ranges = np.clip(values / 8, 0, 31).astype(np.int64)
    tones, counts = medians(wanted, ranges, 32)
    scatter, _ = medians(np.abs(wanted - tones[ranges]), ranges, 32)
    at, _ = medians(values, ranges, 32)
    found = counts >= _FEWEST_OF_RANGE
    if not found.any():
        return plane
    found &= scatter <= max(_SCATTERED, 3 * float(np.median(scatter[found])))
    return np.asarray(np.interp(plane, at[found], tones[found]), np.float32)


def _excess(plane: Plane, other: Plane, around: Image) -> Plane:
    """How far each pixel lies outside the range of the other picture's pixels around it."""
    above, below = plane - cv2.dilate(other, around), cv2.erode(other, around) - plane
    return np.asarray(np.maximum(np.maximum(above, below), 0), np.float32)


def _marked(gradients: Sequence[Plane], changed: Mask) -> int | None:
    """Which of two pictures has a mark where they differ: 0, 1, or None if that is not clear.

    A mark, also one of a single colour, has an edge all along its outline. The picture below has edges there by chance.
    """
    near = np.ones((3, 3), np.uint8)
    whole = changed.astype(np.uint8)
    outline = cv2.dilate(whole, near) > cv2.erode(whole, near)
    edges = [float(np.median(plane[outline])) + _FAINT for plane in gradients]
    return int(edges[1] > edges[0]) if max(edges) > _CLEARLY_MORE * min(edges) else None


def _gradient(plane: Plane) -> Plane:
    return np.hypot(cv2.Sobel(plane, cv2.CV_32F, 1, 0), cv2.Sobel(plane, cv2.CV_32F, 0, 1)).astype(np.float32)
