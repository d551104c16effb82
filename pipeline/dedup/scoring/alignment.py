"""Lay one picture over another: the affine map under which their light agrees best, found by Gauss-Newton steps.

    source = centre + (1 + A)(target - centre) + t        six numbers: A row by row, then t = (x, y) in pixels

Everything runs in double precision, operation by operation in a fixed order, without a library's matrix products: the
same numbers on every processor.
"""

import numpy as np
import numpy.typing as npt

from pipeline.core.jit import compiled

Plane = npt.NDArray[np.float64]
"""side×side values, 0..255; 32 a side, or more for a closer look."""

_STEPS = 10
_LEAST_PIXELS = 500
_MOST_STRETCH, _MOST_SHIFT = 0.2, 5.0
_STEP_STRETCH, _STEP_SHIFT = 0.04, 1.0
"""Pixels and shifts are those of 32×32; at a larger side they grow with it, but for the shift of a step."""

_SLOPES = np.array([(0, 1), (0, 2), (1, 1), (1, 2), (0, 0), (1, 0)])
"""Of each of the six numbers: with it light changes as across (0) or down (1), times 1 (0), dx (1) or dy (2)."""

_TIMES = np.array([(0, 1, 2), (1, 3, 4), (2, 4, 5)])
"""Which of 1, dx, dy, dx², dx dy, dy² is the product of two of the first three."""


@compiled
def value_at(plane: Plane, y: float, x: float) -> float:
    """Linear interpolation; beyond the edge, the edge's value."""
    last = plane.shape[0] - 1
    y, x = min(max(y, 0.0), float(last)), min(max(x, 0.0), float(last))
    y0, x0 = min(int(y), last - 1), min(int(x), last - 1)
    fy, fx = y - y0, x - x0
    above = plane[y0, x0] * (1 - fx) + plane[y0, x0 + 1] * fx
    below = plane[y0 + 1, x0] * (1 - fx) + plane[y0 + 1, x0 + 1] * fx
    return float(above * (1 - fy) + below * fy)


@compiled
def smooth(plane: Plane) -> Plane:
    """The average with weights 1, 2, 1 down and across; the edge is repeated."""
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
def source_of(affine: npt.NDArray[np.float64], y: int, x: int, side: int = 32) -> tuple[float, float, bool]:
    """Where a target pixel lies in the source, (y, x), and whether that is inside of it; both are side×side."""
    centre = (side - 1) / 2
    dy, dx = y - centre, x - centre
    at_x = x + dx * affine[0] + dy * affine[1] + affine[4]
    at_y = y + dx * affine[2] + dy * affine[3] + affine[5]
    return at_y, at_x, -0.5 <= at_x <= side - 0.5 and -0.5 <= at_y <= side - 0.5


@compiled
def align(source: Plane, target: Plane, start: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.float64], float]:
    """The map that lays a source's light over a target's, whatever brightness and contrast of the two.

    Stretch and turn are held below 0.2 and shifts below 5 pixels of 32.

    Args:
        source, target: both side×side.
        start: the map to start from, float64 (6,); zeros where nothing is known of it.

    Returns:
        float64 (6,), and the normalised cross-correlation of the two, smoothed, where they overlap: -1..1, and -2 where
        one of them is even.
    """
    side = target.shape[0]
    a, b = smooth(source), smooth(target)
    affine, best = start.copy(), start.copy()
    highest = -2.0
    warped, inside = np.empty((side, side)), np.empty((side, side), np.bool_)
    least = _LEAST_PIXELS * side * side // 1024
    last = _STEPS
    step = 0
    while step <= last:
        n = 0
        sum_a = sum_b = sum_aa = sum_bb = sum_ab = 0.0
        for y in range(side):
            for x in range(side):
                at_y, at_x, inside[y, x] = source_of(affine, y, x, side)
                warped[y, x] = value = value_at(a, at_y, at_x)
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
        if step < last and _move(affine, warped, b, inside, sum_a / n, sum_b / n, np.sqrt(var_b / var_a)) and step:
            last = step + 1
        step += 1
    return best, highest


@compiled
def _move(
    affine: npt.NDArray[np.float64],
    warped: Plane,
    target: Plane,
    inside: npt.NDArray[np.bool_],
    mean_warped: float,
    mean_target: float,
    gain: float,
) -> bool:
    """One damped Gauss-Newton step on `affine`; whether it was too small for another."""
    side = target.shape[0]
    centre, times = (side - 1) / 2, side / 32
    # The products of the six slopes of a pixel are those of its gradient (xx, xy, yy) times 1, dx, dy, dx², dx dy, dy².
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
        across, by = _SLOPES[k]
        slope[k] = errors[across, by]
        for m in range(k + 1):
            across_too, by_too = _SLOPES[m]
            normal[k, m] = products[across + across_too, _TIMES[by, by_too]]
    # A copy is mostly moved, seldom stretched: the stretch is held back.
    for k in range(4):
        normal[k, k] += 2 * times * times * (normal[4, 4] + normal[5, 5]) + 1e-3
    for k in range(6):
        normal[k, k] = normal[k, k] * 1.001 + 1e-9
    _solve(normal, slope)
    largest = 0.0
    for k in range(6):
        most, bound, reach = _STEP_SHIFT, _MOST_SHIFT * times, 1.0
        if k < 4:
            most, bound, reach = _STEP_STRETCH / times, _MOST_STRETCH, 16 * times
        by = min(max(slope[k], -most), most)
        affine[k] = min(max(affine[k] + by, -bound), bound)
        largest = max(largest, abs(by) * reach)
    return largest < 0.01


@compiled
def _solve(matrix: npt.NDArray[np.float64], vector: npt.NDArray[np.float64]) -> None:
    """Cholesky's method, in place: the lower half of a positive definite matrix; `vector` becomes the solution."""
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
