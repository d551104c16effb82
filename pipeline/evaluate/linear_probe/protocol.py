"""The paper's protocols for testing features (sections 5.1 and 5.2): splits, draws of labels, the choice of C, results.

Some training pictures are held out. *Whole*: C is chosen by the accuracy on them after training on all others; then the
classifier is trained on all training pictures and tested once. *Few labels*: the classifier is trained on a draw, that
is, a random set with the same number of pictures of each class, none of them held out. C is chosen on the held-out
pictures, over several draws (as in the code for SVHN that the authors released), or by cross-validation on each draw,
which needs no further labels.
"""

import csv
import io
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from pydantic import Field, field_validator

from pipeline.core import params
from pipeline.core.errors import BadParameters
from pipeline.evaluate.linear_probe import l2_svm
from pipeline.evaluate.linear_probe.features import Norm
from pipeline.imageset.format.image_set import Rows
from pipeline.intervals import binomial_interval, mean_interval
from pipeline.seeding import numpy_rng

Labels = npt.NDArray[np.int64]


class LinearProbeConfig(params.Section):
    """Section `evaluate.BENCHMARK`."""

    norm: Norm = Field(
        description="statistics of batch norm: `running`: those of the training; `own`: of pictures that the network "
        "was trained on; `benchmark`: of the benchmark's training pictures. Untrained networks use `own` for `running`"
    )
    statistics_pictures: int = Field(ge=128, description="number of pictures for those statistics")
    held_out: int = Field(gt=0, description="training pictures that C is chosen on")
    whole: bool = Field(description="whether to also use all training labels")
    per_class: int = Field(gt=0, description="labels of each class in a draw")
    draws: int = Field(gt=1, description="number of draws")
    selection_draws: int = Field(gt=0, description="how many of the draws choose C on the held-out pictures")
    folds: int = Field(ge=0, description="folds of the cross-validation on the labels of a draw; 0 for none")
    grid: list[float] = Field(min_length=2, description="values of C, rising")
    extensions: int = Field(ge=0, description="values that can be added at each end while the best C is the last one")
    untrained: int = Field(ge=0, description="number of untrained networks to test as well")
    tolerance: float = Field(gt=0, lt=1, description="see `l2_svm.solve`")
    iterations: int = Field(gt=0, description="see `l2_svm.solve`")
    threads: int = Field(gt=0, description="threads of torch; they determine the order of sums")

    @field_validator("grid")
    @classmethod
    def _rising(cls, grid: list[float]) -> list[float]:
        if any(not 0 < low < high < math.inf for low, high in pairwise(grid)):
            raise ValueError("expected rising positive numbers")
        return grid

    @field_validator("folds")
    @classmethod
    def _folds(cls, folds: int) -> int:
        if folds == 1:
            raise ValueError("expected 0 or at least 2")
        return folds


@dataclass(frozen=True)
class Split:
    """The training pictures, split into held-out and other ones.

    Attributes:
        rows: int64 (n,), all training pictures, the held-out ones last; features are written in this order.
        labels: int64 (n,), in the same order.
        free: number of pictures that are not held out.
    """

    rows: Rows
    labels: Labels
    free: int


def split(labels: Labels, parameters: LinearProbeConfig, seed: int, name: str) -> Split:
    """Choose the held-out pictures at random, by the seed.

    Raises:
        BadParameters: no picture would be left.
    """
    free = len(labels) - parameters.held_out
    if free <= 0:
        raise BadParameters(
            f"held_out: {parameters.held_out} of {len(labels)} training pictures; choose a smaller number"
        )
    order = numpy_rng(seed, "evaluate", name, "held-out").permutation(len(labels))
    rows = np.concatenate([np.sort(order[:free]), np.sort(order[free:])])
    return Split(rows, labels[rows], free)


def draw(parts: Split, per_class: int, classes: Sequence[str], seed: int, name: str, number: int) -> Rows:
    """A draw: positions in `parts.rows`, `per_class` of each class, in random order, int64 (classes × per_class,).

    Raises:
        BadParameters: a class has fewer pictures.
    """
    rng = numpy_rng(seed, "evaluate", name, "draw", number)
    chosen = []
    for label, title in enumerate(classes):
        available = np.flatnonzero(parts.labels[: parts.free] == label)
        if len(available) < per_class:
            raise BadParameters(
                f"per_class: {per_class}, but class {title} has {len(available)} training pictures left"
            )
        chosen.append(rng.permutation(available)[:per_class])
    return rng.permutation(np.concatenate(chosen))


def signs(labels: Labels, classes: int) -> torch.Tensor:
    """1 for a picture's own class and -1 for the others: float32 (n, classes)."""
    own = labels[:, None] == np.arange(classes)
    return torch.from_numpy(np.where(own, 1, -1).astype(np.float32))


def correct(rows: l2_svm.FeatureRows, weights: torch.Tensor, labels: Labels) -> int:
    """Number of pictures for which the column of their class has the highest output."""
    return int((rows.times(weights).argmax(dim=1).numpy() == labels).sum())


Weights = list[torch.Tensor]

Score = Callable[[float, Weights | None], tuple[float, Weights]]
"""Function from C and initial weights (of another C) to the accuracy, 0..1, and the weights."""


def choose_c(score: Score, parameters: LinearProbeConfig) -> tuple[float, list[tuple[float, float]], bool]:
    """Choose the C with the best score, the smallest if several have it. While it is at an end, extend the grid there.

    Returns:
        C; the pairs (C, score), by increasing C; whether C is still at an end of the grid.
    """
    curve: dict[float, float] = {}
    weights: Weights | None = None
    for c in parameters.grid:
        curve[c], weights = score(c, weights)
    lower, upper = (parameters.grid[0], parameters.grid[1]), (parameters.grid[-2], parameters.grid[-1])
    for _ in range(parameters.extensions):
        best = max(sorted(curve), key=lambda c: curve[c])
        if best == max(curve):
            c = best * upper[1] / upper[0]
            curve[c], weights = score(c, weights)
        elif best == min(curve):
            c = best * lower[0] / lower[1]
            curve[c], _ = score(c, None)
        else:
            break
    best = max(sorted(curve), key=lambda c: curve[c])
    return best, sorted(curve.items()), best in (min(curve), max(curve))


def share_right(right: int, of: int) -> dict[str, Any]:
    """A test accuracy with its exact 95 % interval."""
    low, high = binomial_interval(right, of)
    return {"correct": right, "of": of, "accuracy": right / of, "low": low, "high": high}


def over_draws(accuracies: Sequence[float]) -> dict[str, Any]:
    """Mean over draws, its 95 % interval, and `spread`: 1.96 standard deviations over draws, as the paper's ±."""
    low, high = mean_interval(accuracies)
    return {
        "accuracies": list(accuracies),
        "mean": float(np.mean(accuracies)),
        "spread": 1.96 * float(np.std(accuracies, ddof=1)),
        "mean_low": low,
        "mean_high": high,
    }


def draws_csv(networks: dict[str, Any]) -> str:
    """CSV text with a line per draw and network, and the columns network,selection,draw,c,accuracy."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["network", "selection", "draw", "c", "accuracy"])
    for network, found in networks.items():
        for selection in ("held_out", "cross_validation"):
            entry = found["few"][selection]
            for number, accuracy in enumerate(entry["accuracies"] if entry else ()):
                c = entry["c"][number] if isinstance(entry["c"], list) else entry["c"]
                table.writerow([network, selection, number, f"{c:.6g}", f"{accuracy:.6f}"])
    return text.getvalue()


def accuracies(metrics: dict[str, Any]) -> dict[str, float]:
    """The accuracies (0..1) of an evaluation in a few figures.

    Returns:
        `few_labels` (mean over random subsets with `per_class` labels of each class) and, if it was measured,
        `all_labels`, for the trained network; each with the suffix `_untrained` for the best of the untrained
        networks, if there are any.
    """
    found: dict[str, float] = {}
    for name, value in (("few_labels", _mean_of_few), ("all_labels", _accuracy_of_whole)):
        measured = {network: value(one) for network, one in metrics["networks"].items()}
        trained = measured.pop("trained")
        if trained is not None:
            found[name] = trained
            untrained = [accuracy for accuracy in measured.values() if accuracy is not None]
            found |= {f"{name}_untrained": max(untrained)} if untrained else {}
    return found


def summary_sentence(metrics: dict[str, Any]) -> str:
    """The result in one sentence: the trained network compared with the best untrained one."""
    found = accuracies(metrics)
    labels = {"few_labels": f"{metrics['parameters']['per_class']} labels of each class", "all_labels": "all labels"}
    parts = [
        f"{found[name]:.1%} correct with {what}"
        + (f" (untrained: {found[f'{name}_untrained']:.1%})" if f"{name}_untrained" in found else "")
        for name, what in labels.items()
        if name in found
    ]
    return f"{metrics['features']:,} features for each picture; " + ", ".join(parts)


def _mean_of_few(found: dict[str, Any]) -> float | None:
    return float(found["few"]["held_out"]["mean"])


def _accuracy_of_whole(found: dict[str, Any]) -> float | None:
    return float(found["whole"]["accuracy"]) if found["whole"] else None
