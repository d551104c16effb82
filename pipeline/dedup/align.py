"""Lay one picture over another: the affine map under which their light agrees best, found by Gauss-Newton steps.

    source = centre + (1 + A)(target - centre) + t        six numbers: A row by row, then t = (x, y) in pixels

Everything runs in double precision, operation by operation in a fixed order, without a library's matrix products: the
same numbers on every processor.
"""

import numpy as np
import numpy.typing as npt

from pipeline.compiled import compiled

Plane = npt.NDArray[np.float64]
"""32×32 values, 0..255."""

_CENTRE = 15.5
_STEPS = 10
_LEAST_PIXELS = 500
_MOST_STRETCH, _MOST_SHIFT = 0.2, 5.0
_STEP_STRETCH, _STEP_SHIFT = 0.04, 1.0


@compiled
def value_at(plane: Plane, y: float, x: float) -> float:
    """Linear interpolation; beyond the edge, the edge's value."""
    y, x = min(max(y, 0.0), 31.0), min(max(x, 0.0), 31.0)
    y0, x0 = min(int(y), 30), min(int(x), 30)
    fy, fx = y - y0, x - x0
    above = plane[y0, x0] * (1 - fx) + plane[y0, x0 + 1] * fx
    below = plane[y0 + 1, x0] * (1 - fx) + plane[y0 + 1, x0 + 1] * fx
    return float(above * (1 - fy) + below * fy)


@compiled
def smooth(plane: Plane) -> Plane:
    """The average with weights 1, 2, 1 down and across; the edge is repeated."""
    rows, out = np.empty((32, 32)), np.empty((32, 32))
    for y in range(32):
        for x in range(32):
            rows[y, x] = 0.25 * plane[y, max(x - 1, 0)] + 0.5 * plane[y, x] + 0.25 * plane[y, min(x + 1, 31)]
    for y in range(32):
        for x in range(32):
            out[y, x] = 0.25 * rows[max(y - 1, 0), x] + 0.5 * rows[y, x] + 0.25 * rows[min(y + 1, 31), x]
    return out


@compiled
def source_of(affine: npt.NDArray[np.float64], y: int, x: int) -> tuple[float, float, bool]:
    """Where a target pixel lies in the source, (y, x), and whether that is inside of it."""
    dy, dx = y - _CENTRE, x - _CENTRE
    at_x = x + dx * affine[0] + dy * affine[1] + affine[4]
    at_y = y + dx * affine[2] + dy * affine[3] + affine[5]
    return at_y, at_x, -0.5 <= at_x <= 31.5 and -0.5 <= at_y <= 31.5


@compiled
def align(source: Plane, target: Plane) -> tuple[npt.NDArray[np.float64], float]:
    """The map that lays a source's light over a target's, whatever brightness and contrast of the two.

    Stretch and turn are held below 0.2 and shifts below 5 pixels.

    Returns:
        float64 (6,), and the normalised cross-correlation of the two, smoothed, where they overlap: -1..1, and -2 where
        one of them is even.
    """
    a, b = smooth(source), smooth(target)
    affine, best = np.zeros(6), np.zeros(6)
    highest = -2.0
    warped, inside = np.empty((32, 32)), np.empty((32, 32), np.bool_)
    last = _STEPS
    step = 0
    while step <= last:
        n = 0
        sum_a = sum_b = sum_aa = sum_bb = sum_ab = 0.0
        for y in range(32):
            for x in range(32):
                at_y, at_x, inside[y, x] = source_of(affine, y, x)
                warped[y, x] = value = value_at(a, at_y, at_x)
                if inside[y, x]:
                    n += 1
                    sum_a += value
                    sum_b += b[y, x]
                    sum_aa += value * value
                    sum_bb += b[y, x] * b[y, x]
                    sum_ab += value * b[y, x]
        if n < _LEAST_PIXELS:
            break
        var_a, var_b = sum_aa - sum_a * sum_a / n, sum_bb - sum_b * sum_b / n
        if var_a <= 1 or var_b <= 1:
            break
        correlation = (sum_ab - sum_a * sum_b / n) / np.sqrt(var_a * var_b)
        if correlation > highest:
            highest = correlation
            best[:] = affine
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
    normal, slope, j = np.zeros((6, 6)), np.zeros(6), np.empty(6)
    for y in range(32):
        for x in range(32):
            if not inside[y, x]:
                continue
            left, right, up, down = max(x - 1, 0), min(x + 1, 31), max(y - 1, 0), min(y + 1, 31)
            gx = (warped[y, right] - warped[y, left]) / (right - left) * gain
            gy = (warped[down, x] - warped[up, x]) / (down - up) * gain
            error = (target[y, x] - mean_target) - gain * (warped[y, x] - mean_warped)
            dx, dy = x - _CENTRE, y - _CENTRE
            j[0], j[1], j[2], j[3], j[4], j[5] = gx * dx, gx * dy, gy * dx, gy * dy, gx, gy
            for k in range(6):
                slope[k] += j[k] * error
                for m in range(k + 1):
                    normal[k, m] += j[k] * j[m]
    # A copy is mostly moved, seldom stretched: the stretch is held back.
    for k in range(4):
        normal[k, k] += 2 * (normal[4, 4] + normal[5, 5]) + 1e-3
    for k in range(6):
        normal[k, k] = normal[k, k] * 1.001 + 1e-9
    _solve(normal, slope)
    largest = 0.0
    for k in range(6):
        most, bound, reach = (_STEP_STRETCH, _MOST_STRETCH, 16) if k < 4 else (_STEP_SHIFT, _MOST_SHIFT, 1)
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
