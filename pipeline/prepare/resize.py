"""The one resize: short side to `side`, centre crop, in one call and in whole numbers.

A careless resize changes what networks see and what metrics say, so nothing here is left to a library's default, and
the result does not depend on processor or library version in the last bit.
"""

from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]
Sums = npt.NDArray[np.int64]
Method = Literal["area", "cv2-bilinear"]


def resize(image: Image, *, side: int, method: Method) -> Image:
    """The largest centred square of a picture, scaled to `side`.

    Args:
        image: uint8 (H, W, 3).
        side: height and width of the result.
        method: `area` gives each pixel the exact mean of the part of the source that it covers (antialiased; rounded
            half up). `cv2-bilinear` follows the paper's released code: OpenCV's bilinear sampling without antialiasing
            to short side `side`, the long side rounded, then a crop whose offset is rounded, halves upwards.

    Returns:
        uint8 (side, side, 3).
    """
    return _area(image, side) if method == "area" else _bilinear(image, side)


def _area(image: Image, side: int) -> Image:
    """Means over squares, from the summed-area table.

    The integral of a picture made of flat unit squares is bilinear within each, so the table, interpolated at the
    corners of the covered parts, gives their sums exactly. With corners counted in units of 1/(2·side) pixel all is in
    whole numbers: the crop starts at (H - short)/2, an output pixel is short/side wide.
    """
    height, width = image.shape[:2]
    short = min(height, width)
    top, left = (height - short) // 2, (width - short) // 2  # half a pixel more may remain; the corners know
    kept = image[top : height - top, left : width - left]
    # Sums up to 255·H·W are exact in doubles in any order.
    table = np.asarray(cv2.integral(np.ascontiguousarray(kept), sdepth=cv2.CV_64F), np.float64)
    corners = 2 * short * np.arange(side + 1, dtype=np.int64)
    rows = _between(table, corners + (kept.shape[0] - short) * side, 2 * side)
    both = _between(rows.transpose(1, 0, 2), corners + (kept.shape[1] - short) * side, 2 * side).transpose(1, 0, 2)
    whole = 4 * short * short
    return np.asarray((both + whole // 2) // whole, np.uint8)


def _between(table: npt.NDArray[np.float64] | Sums, corners: Sums, unit: int) -> Sums:
    """`unit` times the differences of `table`, along its first axis, between corners at `corners / unit`."""
    whole, part = np.divmod(corners, unit)
    part = part.reshape(-1, *(1,) * (table.ndim - 1))
    following = np.minimum(whole + 1, len(table) - 1)
    at = table[whole].astype(np.int64) * (unit - part) + table[following].astype(np.int64) * part
    return np.asarray(np.diff(at, axis=0), np.int64)


def _bilinear(image: Image, side: int) -> Image:
    height, width = image.shape[:2]
    short = min(height, width)
    if short != side:
        scaled = [(2 * extent * side + short) // (2 * short) for extent in (width, height)]
        image = np.asarray(cv2.resize(image, scaled, interpolation=cv2.INTER_LINEAR), np.uint8)
    top, left = ((extent - side + 1) // 2 for extent in image.shape[:2])
    return np.ascontiguousarray(image[top : top + side, left : left + side])
