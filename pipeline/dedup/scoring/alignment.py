"""Align two pictures: find the affine map under which their luma agrees best, by Gauss-Newton steps.

    source = centre + (1 + A)(target - centre) + t        six parameters: A row by row, then t = (x, y) in pixels

All arithmetic is in double precision and in a fixed order, without matrix products of a library, so that every CPU
computes the same numbers.
"""

import numpy as np
import numpy.typing as npt

from pipeline.core.jit import compiled

Plane = npt.NDArray[np.float64]
"""Luma, float64 (side, side), 0..255; the side is 32, 64 or 128."""

_MAX_STEPS = 10
_MIN_OVERLAP = 500
_MAX_STRETCH, _MAX_SHIFT = 0.2, 5.0
_MAX_STRETCH_STEP, _MAX_SHIFT_STEP = 0.04, 1.0
"""Limits at 32×32 pixels: iterations; minimum overlap in pixels; entries of A and of t; their changes in one step.

At a side r times as large, the overlap is multiplied by r² and the entries of t by r; the change of A in one step is
divided by r. The change of t in one step remains one pixel."""

_DERIVATIVES = np.array([(0, 1), (0, 2), (1, 1), (1, 2), (0, 0), (1, 0)])
"""Factors of the derivative of the luma by each parameter: gradient in x (0) or y (1); 1 (0), dx (1) or dy (2)."""

_PRODUCTS = np.array([(0, 1, 2), (1, 3, 4), (2, 4, 5)])
"""For two of (1, dx, dy), the index of their product in (1, dx, dy, dx², dx dy, dy²)."""


@compiled
def bilinear(plane: Plane, y: float, x: float) -> float:
    """Interpolate a plane bilinearly at a position in pixels; outside the plane, return the nearest edge value."""
    last = plane.shape[0] - 1
    y, x = min(max(y, 0.0), float(last)), min(max(x, 0.0), float(last))
    y0, x0 = min(int(y), last - 1), min(int(x), last - 1)
    fy, fx = y - y0, x - x0
    above = plane[y0, x0] * (1 - fx) + plane[y0, x0 + 1] * fx
    below = plane[y0 + 1, x0] * (1 - fx) + plane[y0 + 1, x0 + 1] * fx
    return float(above * (1 - fy) + below * fy)


@compiled
def smooth(plane: Plane) -> Plane:
    """Smooth a plane with the weights (1, 2, 1) / 4 in both directions; the edge pixels are repeated outside."""
    side = plane.shape[0]
    rows, out = np.empty((side, side)), np.empty((side, side))
    for y in range(side):
        for x in range(side):
            rows[y, x] = 0.25 * plane[y, max(x - 1, 0)] + 0.5 * plane[y, x] + 0.25 * plane[y, min(x + 1, side - 1)]
    for y in range(side):
        for x in range(side):
            out[y, x] = 0.25 * rows[max(y - 1, 0), x] + 0.5 * rows[y, x] + 0.25 * rows[min(y + 1, side - 1), x]
    return out


@compiled
def source_position(affine: npt.NDArray[np.float64], y: int, x: int, side: int = 32) -> tuple[float, float, bool]:
    """Map a target pixel into the source: its position y and x there, and whether that lies inside the source.

    Args:
        affine: float64 (6,).
        y, x: the target pixel.
        side: side of both planes, in pixels.
    """
    centre = (side - 1) / 2
    dy, dx = y - centre, x - centre
    at_x = x + dx * affine[0] + dy * affine[1] + affine[4]
    at_y = y + dx * affine[2] + dy * affine[3] + affine[5]
    return at_y, at_x, -0.5 <= at_x <= side - 0.5 and -0.5 <= at_y <= side - 0.5


@compiled
def align(source: Plane, target: Plane, start: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.float64], float]:
    """Find the affine map that aligns a source with a target, independent of their brightness and contrast.

    Each entry of A is limited to ±0.2 and each shift to ±5/32 of the side.

    Args:
        source, target: float64 (side, side).
        start: the initial map, float64 (6,); zeros for the identity.

    Returns:
        The best map found, float64 (6,), and the normalised cross-correlation of the smoothed planes where they
        overlap under it: -1..1, or -2 if one plane has no contrast or the initial overlap is too small.
    """
    side = target.shape[0]
    a, b = smooth(source), smooth(target)
    affine, best = start.copy(), start.copy()
    highest = -2.0
    warped, inside = np.empty((side, side)), np.empty((side, side), np.bool_)
    least = _MIN_OVERLAP * side * side // 1024
    last = _MAX_STEPS
    step = 0
    while step <= last:
        n = 0
        sum_a = sum_b = sum_aa = sum_bb = sum_ab = 0.0
        for y in range(side):
            for x in range(side):
                at_y, at_x, inside[y, x] = source_position(affine, y, x, side)
                warped[y, x] = value = bilinear(a, at_y, at_x)
                if inside[y, x]:
                    n += 1
                    sum_a += value
                    sum_b += b[y, x]
                    sum_aa += value * value
                    sum_bb += b[y, x] * b[y, x]
                    sum_ab += value * b[y, x]
        if n < least:
            break
        var_a, var_b = sum_aa - sum_a * sum_a / n, sum_bb - sum_b * sum_b / n
        if var_a <= 1 or var_b <= 1:
            break
        correlation = (sum_ab - sum_a * sum_b / n) / np.sqrt(var_a * var_b)
        if correlation > highest:
            highest = correlation
            best = affine.copy()
        elif step > 3 and correlation < highest - 0.02:
            break
        if (
            step < last
            and _gauss_newton_step(affine, warped, b, inside, sum_a / n, sum_b / n, np.sqrt(var_b / var_a))
            and step
        ):
            last = step + 1
        step += 1
    return best, highest


@compiled
def _gauss_newton_step(
    affine: npt.NDArray[np.float64],
    warped: Plane,
    target: Plane,
    inside: npt.NDArray[np.bool_],
    mean_warped: float,
    mean_target: float,
    gain: float,
) -> bool:
    """Change `affine` by one damped Gauss-Newton step; return whether it moves no edge pixel by 0.01 pixels or more."""
    side = target.shape[0]
    centre, times = (side - 1) / 2, side / 32
    # Products of two derivatives are products of gradients (xx, xy, yy) times 1, dx, dy, dx², dx dy or dy².
    products, errors = np.zeros((3, 6)), np.zeros((2, 3))
    for y in range(side):
        row, row_errors = np.zeros((3, 3)), np.zeros((2, 2))
        up, down = max(y - 1, 0), min(y + 1, side - 1)
        for x in range(side):
            if not inside[y, x]:
                continue
            left, right = max(x - 1, 0), min(x + 1, side - 1)
            gx = (warped[y, right] - warped[y, left]) / (right - left) * gain
            gy = (warped[down, x] - warped[up, x]) / (down - up) * gain
            error = (target[y, x] - mean_target) - gain * (warped[y, x] - mean_warped)
            dx = x - centre
            for k, value in enumerate((gx * gx, gx * gy, gy * gy)):
                row[k, 0] += value
                row[k, 1] += value * dx
                row[k, 2] += value * dx * dx
            for k, value in enumerate((gx * error, gy * error)):
                row_errors[k, 0] += value
                row_errors[k, 1] += value * dx
        dy = y - centre
        for k in range(3):
            for m, value in enumerate((row[k, 0], row[k, 1], dy * row[k, 0], row[k, 2], dy * row[k, 1])):
                products[k, m] += value
            products[k, 5] += dy * dy * row[k, 0]
        for k in range(2):
            for m, value in enumerate((row_errors[k, 0], row_errors[k, 1], dy * row_errors[k, 0])):
                errors[k, m] += value
    normal, slope = np.empty((6, 6)), np.empty(6)
    for k in range(6):
        across, by = _DERIVATIVES[k]
        slope[k] = errors[across, by]
        for m in range(k + 1):
            across_too, by_too = _DERIVATIVES[m]
            normal[k, m] = products[across + across_too, _PRODUCTS[by, by_too]]
    # Copies are often shifted and seldom stretched: damp the stretch.
    for k in range(4):
        normal[k, k] += 2 * times * times * (normal[4, 4] + normal[5, 5]) + 1e-3
    for k in range(6):
        normal[k, k] = normal[k, k] * 1.001 + 1e-9
    _solve_cholesky(normal, slope)
    largest = 0.0
    for k in range(6):
        most, bound, reach = _MAX_SHIFT_STEP, _MAX_SHIFT * times, 1.0
        if k < 4:
            most, bound, reach = _MAX_STRETCH_STEP / times, _MAX_STRETCH, 16 * times
        by = min(max(slope[k], -most), most)
        affine[k] = min(max(affine[k] + by, -bound), bound)
        largest = max(largest, abs(by) * reach)
    return largest < 0.01


@compiled
def _solve_cholesky(matrix: npt.NDArray[np.float64], vector: npt.NDArray[np.float64]) -> None:
    """Solve six linear equations in place by Cholesky decomposition.

    Args:
        matrix: float64 (6, 6), positive definite; only the lower triangle is read, and it is overwritten.
        vector: float64 (6,), the right-hand side; replaced by the solution.
    """
    for i in range(6):
        for k in range(i + 1):
            value = matrix[i, k]
            for m in range(k):
                value -= matrix[i, m] * matrix[k, m]
            matrix[i, k] = np.sqrt(max(value, 1e-12)) if i == k else value / matrix[k, k]
    for i in range(6):
        for m in range(i):
            vector[i] -= matrix[i, m] * vector[m]
        vector[i] /= matrix[i, i]
    for i in range(5, -1, -1):
        for m in range(i + 1, 6):
            vector[i] -= matrix[m, i] * vector[m]
        vector[i] /= matrix[i, i]
