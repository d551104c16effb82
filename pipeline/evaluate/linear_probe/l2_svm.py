"""A linear SVM with squared hinge loss (L2-SVM), one class against the rest, trained on memory-mapped features.

The objective for each class is that of scikit-learn's `LinearSVC` with its defaults, where y = ±1 and a constant
feature 1 is added, whose weight is penalised like the others:

    ½ |w|² + C Σ max(0, 1 - y w·x)²

All columns (classes, times folds in a cross-validation) are solved at once by L-BFGS (Nocedal and Wright, algorithm
7.4), each with its own history and step. Because the model is linear, one product of features and directions gives the
objective along each direction, so the line search is exact. Each iteration reads the features twice.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

Matrix = npt.NDArray[np.float32]

_HISTORY = 10
_BLOCK_BYTES = 1 << 26
_STEPS = 50  # maximum number of steps of the line search; it usually needs about five


@dataclass(frozen=True)
class Fit:
    """The solution of every column.

    Attributes:
        weights: float32 (features + 1, columns); the last row belongs to the constant feature.
        objective: float64 (columns,).
        iterations: number of iterations.
        converged: bool (columns,).
    """

    weights: torch.Tensor
    objective: torch.Tensor
    iterations: int
    converged: torch.Tensor


class FeatureRows:
    """Features float32 (n, f), read in blocks of rows that stay below 64 MB, with a constant column added.

    Args:
        features: an array or memory map.
        basis: float32 (original features, f), the basis of the coordinates `features`, see `compact`; None if they are
            the original features.
    """

    @classmethod
    def compact(cls, features: Matrix) -> "FeatureRows":
        """An equivalent problem with at most as many features as rows.

        The weights of a solution are a linear combination of the rows. With X Xᵀ = L Lᵀ, the rows of L have the same
        inner products as those of X, so margins and norms of the weights are the same. X = L Bᵀ, with the orthonormal
        basis B = Xᵀ L⁻ᵀ.
        """
        count, width = features.shape
        if width <= count:
            return cls(features)
        rows = torch.from_numpy(features).double()
        products = rows @ rows.T
        # Equal rows make the matrix singular. The added diagonal is below the resolution of float32 features.
        products.diagonal().add_(1e-9 * products.diagonal().mean())
        lower = torch.linalg.cholesky(products)
        basis = torch.linalg.solve_triangular(lower, rows, upper=False).T
        return cls(lower.float().numpy(), basis.float())

    def original(self, weights: torch.Tensor) -> torch.Tensor:
        """Convert weights to weights for the original features: float32 (original features + 1, columns)."""
        return weights if self.basis is None else torch.cat([self.basis @ weights[:-1], weights[-1:]])

    def __init__(self, features: Matrix, basis: torch.Tensor | None = None) -> None:
        self.features = features
        self.basis = basis
        self.shape = (features.shape[0], features.shape[1] + 1)
        self.block = max(1, _BLOCK_BYTES // (4 * features.shape[1]))

    def times(self, weights: torch.Tensor) -> torch.Tensor:
        """Products float32 (n, columns) with float32 (f + 1, columns)."""
        padded = _padded(weights[:-1])
        out = torch.empty(self.shape[0], padded.shape[1])
        for part, rows in self._blocks():
            torch.mm(part, padded, out=out[rows])
        return out[:, : weights.shape[1]] + weights[-1]

    def transposed_times(self, values: torch.Tensor) -> torch.Tensor:
        """Products float32 (f + 1, columns) with float32 (n, columns)."""
        padded = _padded(values)
        out = torch.zeros(self.shape[1], padded.shape[1])
        for part, rows in self._blocks():
            out[:-1].addmm_(part.T, padded[rows])
        out[-1] = padded.sum(dim=0)
        return out[:, : values.shape[1]].contiguous()

    def squares(self, costs: torch.Tensor) -> torch.Tensor:
        """Sums over the rows of cost times squared feature, float32 (f + 1, columns)."""
        out = torch.zeros(self.shape[1], costs.shape[1])
        for part, rows in self._blocks():
            out[:-1].addmm_(part.square().T, costs[rows])
        out[-1] = costs.sum(dim=0)
        return out

    def _blocks(self) -> Iterator[tuple[torch.Tensor, slice]]:
        for start in range(0, self.shape[0], self.block):
            rows = slice(start, min(start + self.block, self.shape[0]))
            yield torch.from_numpy(self.features[rows]), rows


def _padded(values: torch.Tensor) -> torch.Tensor:
    """Add columns of zeros up to a multiple of 16: a product with 10 columns is slower than one with 16."""
    return torch.nn.functional.pad(values, (0, -values.shape[1] % 16))


def solve(
    rows: FeatureRows,
    signs: torch.Tensor,
    costs: torch.Tensor,
    *,
    tolerance: float,
    iterations: int,
    start: torch.Tensor | None = None,
) -> Fit:
    """Solve every column.

    Args:
        signs: float32 (n, columns), 1 for pictures of the class of the column and -1 for all others.
        costs: float32 (n, columns), the cost C of each row; 0 for rows that the column is not trained on.
        tolerance: a column is solved when its objective is at most this share above the minimum. The penalty makes the
            objective strongly convex with modulus 1, so the objective is at most |gradient|² / 2 above the minimum.
        iterations: maximum number of iterations.
        start: initial weights (f + 1, columns), for example those for a smaller C; None for zeros.
    """
    columns = signs.shape[1]
    weights = torch.zeros(rows.shape[1], columns) if start is None else start.clone()
    margins = rows.times(weights).double() if start is not None else torch.zeros(signs.shape, dtype=torch.float64)
    steps: list[torch.Tensor] = []
    changes: list[torch.Tensor] = []
    # Preconditioner: the inverse diagonal of the Hessian with all rows active, for features of different scales.
    diagonal = 1 / (1 + 2 * rows.squares(costs))
    number, gradient = 0, _gradient(rows, weights, margins, signs, costs)
    while True:
        objective = _objective(weights, margins, signs, costs)
        converged = gradient.double().square().sum(dim=0) / 2 <= tolerance * objective
        if number == iterations or bool(converged.all()):
            break
        direction = _direction(gradient, steps, changes, diagonal)
        direction[:, converged] = 0
        along = rows.times(direction).double()
        length = _best_length(weights, direction, margins, along, signs, costs)
        step = direction * length
        weights += step
        margins += along * length
        before, gradient = gradient, _gradient(rows, weights, margins, signs, costs)
        steps, changes = [*steps[1 - _HISTORY :], step], [*changes[1 - _HISTORY :], gradient - before]
        number += 1
    return Fit(weights, objective, number, converged)


def _objective(weights: torch.Tensor, margins: torch.Tensor, signs: torch.Tensor, costs: torch.Tensor) -> torch.Tensor:
    return weights.double().square().sum(dim=0) / 2 + (costs * _slack(margins, signs).square()).sum(dim=0)


def _slack(margins: torch.Tensor, signs: torch.Tensor) -> torch.Tensor:
    return (1 - signs * margins).clamp_(min=0)


def _gradient(
    rows: FeatureRows, weights: torch.Tensor, margins: torch.Tensor, signs: torch.Tensor, costs: torch.Tensor
) -> torch.Tensor:
    return weights + rows.transposed_times((-2 * costs * signs * _slack(margins, signs)).float())


def _direction(
    gradient: torch.Tensor, steps: list[torch.Tensor], changes: list[torch.Tensor], diagonal: torch.Tensor
) -> torch.Tensor:
    """Search directions by the two loops of L-BFGS: minus the approximate inverse Hessian times the gradient.

    Steps in which a column did not move are ignored for that column.
    """
    result = -gradient
    inverse = [_reciprocal((step * change).sum(dim=0)) for step, change in zip(steps, changes, strict=True)]
    shares = []
    for step, change, scale in zip(reversed(steps), reversed(changes), reversed(inverse), strict=True):
        shares.append(scale * (step * result).sum(dim=0))
        result -= shares[-1] * change
    result *= diagonal
    if steps:
        bend = (steps[-1] * changes[-1]).sum(dim=0) * _reciprocal((changes[-1].square() * diagonal).sum(dim=0))
        result *= torch.where(bend > 0, bend, 1.0)
    for step, change, scale, share in zip(steps, changes, inverse, reversed(shares), strict=True):
        result += (share - scale * (change * result).sum(dim=0)) * step
    return result


def _reciprocal(values: torch.Tensor) -> torch.Tensor:
    return torch.where(values > 0, 1 / values.clamp(min=torch.finfo(values.dtype).tiny), 0.0)


def _best_length(
    weights: torch.Tensor,
    direction: torch.Tensor,
    margins: torch.Tensor,
    along: torch.Tensor,
    signs: torch.Tensor,
    costs: torch.Tensor,
) -> torch.Tensor:
    """Step length that minimises each column's objective: Newton's method on its piecewise linear derivative.

    The derivative is monotonic, so its zero can be bracketed. A Newton step that leaves the bracket is replaced by
    bisection.
    """
    first = (weights.double() * direction).sum(dim=0)
    second = direction.double().square().sum(dim=0)
    low, high = torch.zeros_like(first), torch.full_like(first, torch.inf)
    length = torch.zeros_like(first)
    for _ in range(_STEPS):
        slack = _slack(margins + length * along, signs)
        slope = first + length * second - 2 * (costs * signs * along * slack).sum(dim=0)
        bend = second + 2 * (costs * along.square() * (slack > 0)).sum(dim=0)
        low, high = torch.where(slope < 0, length, low), torch.where(slope > 0, length, high)
        following = torch.where(bend > 0, length - slope / bend.clamp(min=1e-300), length)
        outside = (following < low) | (following > high)
        following = torch.where(outside, torch.where(high.isinf(), 2 * low + 1, (low + high) / 2), following)
        still = (following - length).abs() <= 1e-9 * length.abs()
        length = following
        if bool(still.all()):
            break
    return length.float()
