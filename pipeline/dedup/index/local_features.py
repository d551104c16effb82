"""Local features: corners and blobs of a picture, each with a 128-bit code, which survive deep crops and added borders.

The codes of views (`views`) describe whole pictures, so they miss copies that show a part of a picture, or a picture
within a larger one. Such a pair has many equal local features, and all of them agree on one scale and one shift between
the two pictures. Unrelated pictures have a few similar features, but these do not agree.

The features are those of SIFT (Lowe 2004), as implemented by OpenCV. They are upright, because copies are seldom turned
and upright descriptors tell more pictures apart. Each bit of a code tells whether an entry of the descriptor is greater
than the median of its entries: exact search for similar codes is fast (`hamming_index`), and the features of a mirrored
picture follow from those of the picture.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from pipeline.core import engine, progress
from pipeline.core.errors import BadParameters
from pipeline.core.jit import compiled, entry_point
from pipeline.dedup.encoder.codes import BITS, Codes
from pipeline.dedup.index.bands import Words, ones
from pipeline.dedup.index.hamming_index import pairs_between
from pipeline.imageset.format.image_set import Images, Rows

Floats = npt.NDArray[np.float64]

LEAST_SIDE = 64
"""Smallest side in pixels of pictures with enough local features."""

_FEATURES = 100
"""Maximum number of features of a picture: those with the most contrast."""

_CONTRAST = 0.01
"""Least contrast of a feature; a quarter of SIFT's usual limit, because small pictures have few features."""

_RADIUS = 8
"""Maximum Hamming distance of equal features. Of the true matches of copies with 30 to 45 % of a side cut off, 60 % lie
within it, and of pairs of features of unrelated photographs, about one in a million."""

_FEWEST = 3
"""Minimum number of equal features that agree on one map."""

_WIDE_RADIUS, _MARGIN = 24, 2
"""Between two given pictures, two features also match if each is the nearest one of the other, within the wide radius,
and the second nearest one is farther by the margin."""

_TOO_COMMON = 64
"""A feature that equals more features than this is ignored: it belongs to a logo or a pattern."""

_MOST_EQUAL = 1 << 26
"""Maximum number of pairs of equal features; they need a gigabyte and a half."""

_LARGEST_SCALE = 3.0
_TOLERANCE = 0.04
"""Maximum distance, as a share of the side, between the place of a feature and its place under the map."""

_SIZE_TOLERANCE = 0.35
"""Maximum difference of the natural logarithms of the scales of two equal features and of the map."""

_PRIOR = 0.02
"""Weight of the map's common scale when the two scales are fitted: that of two features at ±0.1 of the side."""

_CELLS, _DIRECTIONS = 4, 8

_PAIRS = 4096
"""Pairs of pictures that are matched in one task."""


def _mirrored_bits() -> Rows:
    """For each bit of a mirrored descriptor, the bit of the descriptor: columns and directions in reverse order."""
    bits = np.arange(BITS).reshape(_CELLS, _CELLS, _DIRECTIONS)
    return bits[:, ::-1, (_DIRECTIONS // 2 - np.arange(_DIRECTIONS)) % _DIRECTIONS].reshape(-1)


@dataclass(frozen=True)
class LocalFeatures:
    """The features of n pictures.

    Attributes:
        picture: number of the picture of each feature, int64 (m,), increasing.
        place: x, y and size of each feature as shares of the picture's side, float64 (m, 3).
        codes: uint8 (m, 16).
    """

    picture: Rows
    place: Floats
    codes: Codes

    def mirrored(self) -> "LocalFeatures":
        """The features of the pictures with left and right exchanged."""
        place = self.place.copy()
        place[:, 0] = 1 - place[:, 0]
        bits = np.unpackbits(self.codes, axis=1)[:, _mirrored_bits()]
        return LocalFeatures(self.picture, place, np.packbits(bits, axis=1))


def find_features(images: Images) -> LocalFeatures:
    """Find the local features of pictures.

    Args:
        images: uint8 (n, side, side, 3), side at least 64.
    """
    sift = cv2.SIFT.create(0, contrastThreshold=_CONTRAST)
    numbers, places, codes = [], [], []
    for number, image in enumerate(images):
        luma = np.asarray(cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2GRAY), np.uint8)
        points = _strongest(sift.detect(luma, None))
        if not points:
            continue
        kept, descriptors = sift.compute(luma, points)
        values = np.asarray(descriptors, np.float32)
        codes.append(np.packbits(values > np.median(values, axis=1, keepdims=True), axis=1))
        places.append(np.array([(*point.pt, point.size) for point in kept], np.float64))
        numbers.append(np.full(len(kept), number, np.int64))
    if not numbers:
        return LocalFeatures(np.empty(0, np.int64), np.empty((0, 3)), np.empty((0, BITS // 8), np.uint8))
    # A pixel's centre has integer coordinates in OpenCV.
    place = np.add(np.concatenate(places), (0.5, 0.5, 0)) / images.shape[1]
    return LocalFeatures(np.concatenate(numbers), place, np.concatenate(codes))


def join(parts: Sequence[LocalFeatures], starts: Sequence[int]) -> LocalFeatures:
    """Join the features of consecutive parts of a set; `starts` has the number of the first picture of each part."""
    if not parts:
        return LocalFeatures(np.empty(0, np.int64), np.empty((0, 3)), np.empty((0, BITS // 8), np.uint8))
    return LocalFeatures(
        np.concatenate([part.picture + start for part, start in zip(parts, starts, strict=True)]),
        np.concatenate([part.place for part in parts]),
        np.concatenate([part.codes for part in parts]),
    )


def _strongest(points: Sequence[cv2.KeyPoint]) -> list[cv2.KeyPoint]:
    """The features with the most contrast, upright. SIFT reports a feature once for each of its directions."""
    different = {(point.pt, point.size): point for point in points}
    chosen = sorted(different.values(), key=lambda point: (-point.response, point.pt, point.size))[:_FEATURES]
    for point in chosen:
        point.angle = 0
    return chosen


@dataclass(frozen=True)
class LocalMatches:
    """Pairs of pictures with equal features that agree on one map.

    Attributes:
        left, right: numbers of the pictures, int64 (n,), ordered by left, then right.
        maps: float64 (n, 4), columns sx, tx, sy, ty: a place (x, y) of the left picture is (sx · x + tx, sy · y + ty)
            in the right one, in shares of the side.
    """

    left: Rows
    right: Rows
    maps: Floats


def match(
    left: LocalFeatures, right: LocalFeatures, *, within: bool, title: str = "match features", workers: int = 1
) -> LocalMatches:
    """Find the pairs of pictures that at least three equal features map onto each other.

    Args:
        left, right: the features of two lists of pictures.
        within: whether both lists are the same pictures (the left ones may be turned); then only pairs with
            left < right are returned.
        title: title of the progress bar.
        workers: threads.

    Raises:
        BadParameters: more than 67 million pairs of features are equal.
    """
    a, b = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    uses = [np.zeros(len(features.codes), np.int64) for features in (left, right)]
    equal = pairs_between(left.codes, right.codes, _RADIUS, max_pairs=_MOST_EQUAL, workers=workers)
    with progress.bar(title, len(left.codes), "features") as advance:
        try:
            for pairs in equal:
                for count, numbers in zip(uses, (pairs.left, pairs.right), strict=True):
                    count += np.bincount(numbers, minlength=len(count))
                chosen: slice | npt.NDArray[np.bool_] = slice(None)
                if within:
                    chosen = left.picture[pairs.left] < right.picture[pairs.right]
                a.append(pairs.left[chosen])
                b.append(pairs.right[chosen])
        except BadParameters:
            raise BadParameters(
                f"{title}: more than {_MOST_EQUAL:,} pairs of local features are equal; search without them "
                "(--no-local-features, or local_features: false), or in parts of the set"
            ) from None
        advance(len(left.codes))
    firsts, seconds = np.concatenate(a), np.concatenate(b)
    rare = (uses[0][firsts] <= _TOO_COMMON) & (uses[1][seconds] <= _TOO_COMMON)
    firsts, seconds = firsts[rare], seconds[rare]
    order = np.lexsort((seconds, firsts, right.picture[seconds], left.picture[firsts]))
    return _agreeing(left, right, firsts[order], seconds[order])


def match_given(
    left: LocalFeatures, right: LocalFeatures, lefts: Rows, rights: Rows, *, workers: int = 1
) -> LocalMatches:
    """Find maps between given pairs of pictures, from features that are less similar than those that `match` needs.

    Args:
        left, right: the features of two lists of pictures.
        lefts, rights: numbers of the pictures of each pair, int64 (n,), ordered by left, then right, each pair once.
        workers: threads.

    Returns:
        The pairs that at least three pairs of features map onto each other.
    """
    blocks = [(lefts[start : start + _PAIRS], rights[start : start + _PAIRS]) for start in range(0, len(lefts), _PAIRS)]
    parts = list(engine.map_threads(lambda block: _match_block(left, right, *block), blocks, workers=workers))
    if not parts:
        return LocalMatches(np.empty(0, np.int64), np.empty(0, np.int64), np.empty((0, 4)))
    return LocalMatches(
        *(np.concatenate([getattr(part, name) for part in parts]) for name in ("left", "right", "maps"))
    )


def _match_block(left: LocalFeatures, right: LocalFeatures, lefts: Rows, rights: Rows) -> LocalMatches:
    starts = [np.searchsorted(one.picture, pictures) for one, pictures in ((left, lefts), (right, rights))]
    ends = [np.searchsorted(one.picture, pictures, "right") for one, pictures in ((left, lefts), (right, rights))]
    most = np.minimum(ends[0] - starts[0], ends[1] - starts[1])
    offsets = np.concatenate([[0], np.cumsum(most)]).astype(np.int64)
    firsts, seconds = (np.full(offsets[-1], -1, np.int64) for _ in range(2))
    words = [np.require(one.codes, requirements=["C", "A"]).view(np.uint64) for one in (left, right)]
    _match_mutually(words[0], words[1], starts[0], ends[0], starts[1], ends[1], offsets, firsts, seconds)
    return _agreeing(left, right, firsts[firsts >= 0], seconds[firsts >= 0])


def _agreeing(left: LocalFeatures, right: LocalFeatures, firsts: Rows, seconds: Rows) -> LocalMatches:
    """The pairs of pictures whose equal features agree on one map; the features are ordered by their pictures."""
    pictures = left.picture[firsts], right.picture[seconds]
    new = np.ones(len(firsts), bool)
    new[1:] = (pictures[0][1:] != pictures[0][:-1]) | (pictures[1][1:] != pictures[1][:-1])
    starts = np.flatnonzero(new)
    ends = np.append(starts[1:], len(firsts)).astype(np.int64)
    enough = ends - starts >= _FEWEST
    starts, ends = starts[enough], ends[enough]
    maps, counts = np.empty((len(starts), 4)), np.zeros(len(starts), np.int64)
    _find_maps(left.place, right.place, firsts, seconds, starts, ends, maps, counts)
    found = counts >= _FEWEST
    return LocalMatches(pictures[0][starts[found]], pictures[1][starts[found]], maps[found])


@compiled
def _supports(a: Floats, b: Floats, scale: float, shift_x: float, shift_y: float) -> bool:
    return bool(
        abs(scale * a[0] + shift_x - b[0]) < _TOLERANCE
        and abs(scale * a[1] + shift_y - b[1]) < _TOLERANCE
        and abs(np.log(b[2] / (a[2] * scale))) < _SIZE_TOLERANCE
    )


@compiled
def _fit(
    left: Floats, right: Floats, firsts: Rows, seconds: Rows, scale: float, shift_x: float, shift_y: float, out: Floats
) -> None:
    """Fit scales and shifts to the supporting features by least squares, with a weak preference for the given scale."""
    for axis in range(2):
        n = 0
        sum_a = sum_b = sum_aa = sum_ab = 0.0
        for k in range(len(firsts)):
            a, b = left[firsts[k]], right[seconds[k]]
            if _supports(a, b, scale, shift_x, shift_y):
                n += 1
                sum_a += a[axis]
                sum_b += b[axis]
                sum_aa += a[axis] * a[axis]
                sum_ab += a[axis] * b[axis]
        mean_a, mean_b = sum_a / n, sum_b / n
        spread, together = sum_aa - n * mean_a * mean_a, sum_ab - n * mean_a * mean_b
        fitted = (together + _PRIOR * scale) / (spread + _PRIOR)
        out[2 * axis], out[2 * axis + 1] = fitted, mean_b - fitted * mean_a


@entry_point(
    "(float64[:,::1], float64[:,::1], int64[::1], int64[::1], int64[::1], int64[::1], float64[:,::1], int64[::1])"
)
def _find_maps(
    left: Floats, right: Floats, firsts: Rows, seconds: Rows, starts: Rows, ends: Rows, maps: Floats, counts: Rows
) -> None:
    """For each pair of pictures, find the map that most of its equal features agree on, and their number.

    Each match of two features proposes the map with their ratio of sizes. Of the map with the most support, the
    scales and shifts are fitted to the supporting features.
    """
    for pair in range(len(starts)):
        start, end = starts[pair], ends[pair]
        best = np.int64(0)
        scale = shift_x = shift_y = 0.0
        for proposer in range(start, end):
            a, b = left[firsts[proposer]], right[seconds[proposer]]
            s = b[2] / a[2]
            if not 1 / _LARGEST_SCALE < s < _LARGEST_SCALE:
                continue
            tx, ty = b[0] - s * a[0], b[1] - s * a[1]
            count, last = np.int64(0), np.int64(-1)
            for k in range(start, end):  # a feature counts once, however many features it equals
                if firsts[k] != last and _supports(left[firsts[k]], right[seconds[k]], s, tx, ty):
                    count, last = count + 1, firsts[k]
            if count > best:
                best, scale, shift_x, shift_y = count, s, tx, ty
        counts[pair] = best
        if best >= _FEWEST:
            _fit(left, right, firsts[start:end], seconds[start:end], scale, shift_x, shift_y, maps[pair])


@entry_point(
    "(uint64[:,::1], uint64[:,::1], int64[::1], int64[::1], int64[::1], int64[::1], int64[::1], int64[::1], int64[::1])"
)
def _match_mutually(
    left: Words,
    right: Words,
    left_starts: Rows,
    left_ends: Rows,
    right_starts: Rows,
    right_ends: Rows,
    offsets: Rows,
    firsts: Rows,
    seconds: Rows,
) -> None:
    """Write the matches of each pair of pictures from its offset on; see `_WIDE_RADIUS`."""
    for pair in range(len(left_starts)):
        at = offsets[pair]
        for a in range(left_starts[pair], left_ends[pair]):
            b = _nearest(left[a], right, right_starts[pair], right_ends[pair])
            if b >= 0 and _nearest(right[b], left, left_starts[pair], left_ends[pair]) == a:
                firsts[at], seconds[at] = a, b
                at += 1


@compiled
def _nearest(code: Words, others: Words, start: int, end: int) -> int:
    """The number of the nearest code, if it is within the wide radius and clearly nearer than the others; else -1."""
    best = second = np.int64(BITS + 1)
    number = -1
    for other in range(start, end):
        distance = np.int64(ones(code[0] ^ others[other, 0]) + ones(code[1] ^ others[other, 1]))
        if distance < best:
            best, second, number = distance, best, other
        elif distance < second:
            second = distance
    return number if best <= _WIDE_RADIUS and second - best >= _MARGIN else -1
