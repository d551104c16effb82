"""Align two pictures whole: find the affine map between them by local features (SIFT) and RANSAC.

Other than `dedup.scoring.alignment`, which refines an identity by gradients, it also finds pictures that take up a part
of the other one: screenshots, frames, crops. OpenCV's RANSAC starts from a fixed seed, so the result is reproducible.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from pipeline.dedup.originals.measures import Image

LONG_SIDE = 512
"""Longest long side in pixels of reduced pictures."""
_MOST_ENLARGED, _SHORTEST_LONG_SIDE = 4, 128
"""Small pictures are enlarged, since features need pixels around them; beyond 4 times, that costs time only."""

_FEATURES = 700
_RATIO = 0.8
"""Greatest ratio between the distances to the nearest and to the second nearest descriptor (Lowe 2004, 7.1)."""
_TOLERANCE = 3.0
_FEWEST_MATCHES = 14
_INLIERS = 0.25
_CORRELATION = 0.85

Affine = npt.NDArray[np.float64]
"""float64 (2, 3): maps (x, y, 1) of a pixel's centre in one picture to (x, y) in the other."""


@dataclass(frozen=True)
class Reduced:
    """A picture with a long side of 128 to `LONG_SIDE` pixels, and its features.

    Attributes:
        colours: uint8 (h, w, 3) RGB.
        luma: uint8 (h, w).
        points: float32 (n, 2), x and y of the features.
        descriptors: float32 (n, 128).
    """

    colours: Image
    luma: Image
    points: npt.NDArray[np.float32]
    descriptors: npt.NDArray[np.float32]


def reduce(image: Image) -> Reduced:
    """Reduce a picture, uint8 (H, W, 3) RGB, and find its features; small pictures are enlarged up to 4 times."""
    height, width = image.shape[:2]
    longest = max(height, width)
    scale = min(LONG_SIDE, max(_SHORTEST_LONG_SIDE, _MOST_ENLARGED * longest)) / longest
    size = max(1, round(width * scale)), max(1, round(height * scale))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return _with_features(np.asarray(cv2.resize(image, size, interpolation=how), np.uint8))


def mirrored(picture: Reduced) -> Reduced:
    """The picture with left and right exchanged, with the features of that."""
    return _with_features(np.ascontiguousarray(picture.colours[:, ::-1]))


def _with_features(colours: Image) -> Reduced:
    luma = np.asarray(cv2.cvtColor(colours, cv2.COLOR_RGB2GRAY), np.uint8)
    found, descriptors = cv2.SIFT.create(_FEATURES, contrastThreshold=0.02).detectAndCompute(luma, None)
    points = np.array([feature.pt for feature in found], np.float32).reshape(-1, 2)
    if descriptors is None:
        descriptors = np.empty((0, 128), np.float32)
    return Reduced(colours, luma, points, np.asarray(descriptors, np.float32))


def align(left: Reduced, right: Reduced) -> Affine | None:
    """Find the map from `left` to `right`; None if the pictures do not show the same."""
    return _by_features(left, right) if _enough(left, right) else _by_shape(left, right)


def _enough(left: Reduced, right: Reduced) -> bool:
    return min(len(left.points), len(right.points)) >= 2 * _FEWEST_MATCHES


def _by_features(left: Reduced, right: Reduced) -> Affine | None:
    matches = cv2.BFMatcher().knnMatch(left.descriptors, right.descriptors, 2)
    good = [first for first, second in matches if first.distance < _RATIO * second.distance]
    if len(good) < _FEWEST_MATCHES:
        return _by_shape(left, right)
    source = left.points[[match.queryIdx for match in good]]
    target = right.points[[match.trainIdx for match in good]]
    found, inliers = cv2.estimateAffine2D(source, target, ransacReprojThreshold=_TOLERANCE, maxIters=2000)
    if found is None or int(np.asarray(inliers).sum()) < max(_FEWEST_MATCHES, _INLIERS * len(good)):
        return _by_shape(left, right)
    affine = np.asarray(found, np.float64)
    return affine if _plausible(affine) else _by_shape(left, right)


def _plausible(affine: Affine) -> bool:
    """Whether the map scales both sides by up to 8, and alike up to a factor of 1.6, with little turn and shear."""
    across, down = affine[0, 0], affine[1, 1]
    if not (1 / 8 < across < 8 and 1 / 8 < down < 8 and 1 / 1.6 < across / down < 1.6):
        return False
    return bool(max(abs(affine[0, 1]), abs(affine[1, 0])) < 0.1 * min(across, down))


def _by_shape(left: Reduced, right: Reduced) -> Affine | None:
    """The map of the whole of one picture onto the whole of the other, if they correlate under it."""
    height, width = right.luma.shape
    resized = cv2.resize(left.luma, (width, height), interpolation=cv2.INTER_AREA)
    small = [
        cv2.resize(plane, (48, 48), interpolation=cv2.INTER_AREA).astype(np.float64) for plane in (resized, right.luma)
    ]
    a, b = (plane - plane.mean() for plane in small)
    scale = float(np.sqrt((a * a).sum() * (b * b).sum()))
    if not scale or float((a * b).sum()) < _CORRELATION * scale:
        return None
    across, down = width / left.luma.shape[1], height / left.luma.shape[0]
    return np.array([[across, 0, (across - 1) / 2], [0, down, (down - 1) / 2]])
