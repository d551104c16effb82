"""Compare two pictures where they overlap: one of them shows a part of the other one.

The map between them comes from `index.local_features`. Both pictures are cut to the region that both show. The regions
are then compared like whole pictures, so the aligned pixels decide, and scores and thresholds mean the same.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from pipeline.dedup.encoder.encoder_input import SIDE, to_32
from pipeline.dedup.scoring import graphics, pair_scorer, pair_scorer_highres
from pipeline.dedup.scoring.pair_scorer_highres import CompareSide, sides_with_detail
from pipeline.imageset.format.image_set import Images, Rows

Floats = npt.NDArray[np.float64]

_LEAST_SHARES = (0.25, 0.75)
"""Minimum shares of the overlap in the two whole pictures, the lesser one first. A picture with 45 % of both sides cut
off is 0.3 of its original. In a collage of four pictures, or where two pictures share a logo, the lesser share is less;
two shots from a turning camera contain less of each other than the greater share."""

_LEAST_SHARE_OF_SQUARE = 0.2
"""Minimum share of the overlap in each stored square, so that there is enough to compare."""

VERSION = 1
"""Number of this method, with `index.local_features`, in the digest of the detector; changes with the pairs found."""

_UNIT = np.array([0.0, 0.0, 1.0, 1.0])


@dataclass(frozen=True)
class Parts:
    """Pictures of which parts are compared.

    Attributes:
        squares: the stored squares, uint8 (n, side, side, 3).
        frames: the place of each whole picture, float64 (n, 4): left, top, right, bottom, in shares of the side of its
            square, which is (0, 0, 1, 1).
        source_sides: see `pair_scorer_highres.source_sides`, int64 (n,).
        long: numbers of the pictures that have an overview, int64 (k,), increasing.
        overviews: uint8 (k, 32, 32, 3).
    """

    squares: Images
    frames: Floats
    source_sides: Rows
    long: Rows
    overviews: Images

    @classmethod
    def of_squares(cls, squares: Images, sizes: Rows, source_sides: Rows) -> "Parts":
        """Pictures without overviews, of these heights and widths in pixels, int64 (n, 2)."""
        none = np.empty((0, SIDE, SIDE, 3), np.uint8)
        return cls(squares, frames(sizes[:, 1], sizes[:, 0]), source_sides, np.empty(0, np.int64), none)


def frames(width: Rows, height: Rows) -> Floats:
    """The place of whole pictures of these sizes, int64 (n,) each, around their centre squares: see `Parts.frames`."""
    across, down = (size / np.minimum(width, height) for size in (width, height))
    return np.stack([1 - across, 1 - down, 1 + across, 1 + down], axis=1) / 2


def score(left: Parts, right: Parts, maps: Floats, side: CompareSide, least: float) -> Floats:
    """Score whether picture i of `left` and picture i of `right` are copies where they overlap.

    Args:
        left, right: n pictures each.
        maps: float64 (n, 4), from left to right; see `LocalMatches`.
        side: side in pixels at which the regions are compared, if they have the detail; see `pair_scorer_highres`.
        least: threshold for copies.

    Returns:
        Log odds as in `pair_scorer_highres.score`, float64 (n,); -inf if the overlap is too small, or if two graphics
        do not agree in place. With a long picture, the lower one of the scores of the squares and of the overviews.
    """
    scores = np.full(len(maps), -np.inf)
    shares = [_area(one) / _area(part.frames) for one, part in _overlap(left, right, left.frames, right.frames, maps)]
    unit = np.tile(_UNIT, (len(maps), 1))
    in_squares = _overlap(left, right, unit, unit, maps)
    enough = np.minimum(*(_area(boxes) for boxes, _ in in_squares)) >= _LEAST_SHARE_OF_SQUARE
    enough &= (np.sort(shares, axis=0) >= np.array(_LEAST_SHARES)[:, None]).all(axis=0)
    sides = np.minimum(*(_sides(part, boxes, side) for boxes, part in in_squares))
    for at in np.unique(sides[enough]).tolist():
        rows = np.flatnonzero(enough & (sides == at))
        a, b = (_cut(part.squares[rows], boxes[rows], at) for boxes, part in in_squares)
        scores[rows] = pair_scorer_highres.score(a, b, sides[rows], least)
        scores[rows[graphics.differ_in_place(to_32(a), to_32(b))]] = -np.inf
    rows = np.intersect1d(np.union1d(left.long, right.long), np.flatnonzero(np.isfinite(scores)))
    if len(rows):
        known = _overlap(left, right, _known(left), _known(right), maps)
        a, b = (_cut_known(part, boxes, rows) for boxes, part in known)
        scores[rows] = np.minimum(scores[rows], pair_scorer.score(a, b))
    return scores


def _overlap(
    left: Parts, right: Parts, left_boxes: Floats, right_boxes: Floats, maps: Floats
) -> tuple[tuple[Floats, Parts], tuple[Floats, Parts]]:
    """The regions that boxes of the left and of the right pictures share, float64 (n, 4) each, with the pictures."""
    scale, shift = maps[:, [0, 2, 0, 2]], maps[:, [1, 3, 1, 3]]
    moved = scale * left_boxes + shift
    low, high = np.maximum(moved, right_boxes)[:, :2], np.minimum(moved, right_boxes)[:, 2:]
    in_right = np.concatenate([low, np.maximum(low, high)], axis=1)
    return ((in_right - shift) / scale, left), (in_right, right)


def _area(boxes: Floats) -> Floats:
    area: Floats = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    return area


def _sides(part: Parts, boxes: Floats, side: CompareSide) -> Rows:
    """The sides at which the regions can be compared: fewer pixels than in whole pictures."""
    shares = np.minimum(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1])
    pixels = np.minimum(part.source_sides, part.squares.shape[1]) * shares
    return sides_with_detail(pixels.astype(np.int64), side)


def _known(part: Parts) -> Floats:
    """The boxes of which pixels are stored: of a long picture the whole, in its overview, else the square."""
    boxes = np.tile(_UNIT, (len(part.frames), 1))
    boxes[part.long] = part.frames[part.long]
    return boxes


def _cut_known(part: Parts, boxes: Floats, rows: Rows) -> Images:
    """Cut regions of overviews, and of the squares of pictures without overview, to 32×32."""
    regions = _cut(part.squares[rows], boxes[rows].clip(0, 1), SIDE)
    in_rows, in_long = np.flatnonzero(np.isin(rows, part.long)), np.flatnonzero(np.isin(part.long, rows))
    frames = part.frames[part.long[in_long]]
    size = (frames[:, 2:] - frames[:, :2])[:, [0, 1, 0, 1]]
    places = (boxes[part.long[in_long]] - frames[:, [0, 1, 0, 1]]) / size
    regions[in_rows] = _cut(part.overviews[in_long], places, SIDE)
    return regions


def _cut(images: Images, boxes: Floats, side: int) -> Images:
    """Cut a region out of each picture, uint8 (n, any, any, 3), and scale it to `side`, with averaging over areas."""
    regions = np.empty((len(images), side, side, 3), np.uint8)
    for number, (image, box) in enumerate(zip(images, boxes, strict=True)):
        pixels = tuple((box * image.shape[0]).clip(0, image.shape[0]).tolist())
        enlarges = min(pixels[2] - pixels[0], pixels[3] - pixels[1]) < side
        how = Image.Resampling.BILINEAR if enlarges else Image.Resampling.BOX
        regions[number] = np.asarray(Image.fromarray(image).resize((side, side), how, pixels))
    return regions
