"""The paper's ways to test features (sections 5.1 and 5.2): how C is chosen, which labels are used, what is reported.

Some training pictures are held out. *Whole*: C is the one that does best on them after training on all others; then
all training pictures are used, and the test set is looked at once. *Few labels*: draws of as many pictures a class
from those not held out; C is chosen on the held-out pictures, over several draws (as the authors' released code does
for SVHN), or by cross-validation on each draw's own labels alone, which needs no further labels.
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
        description="statistics of batch norm: `running`: as training left them; `own`: of pictures that the network "
        "learned from; `benchmark`: of the benchmark's training pictures. An untrained network has none to run on, and "
        "takes `own` for `running`"
    )
    statistics_pictures: int = Field(ge=128, description="how many pictures those statistics are taken of")
    held_out: int = Field(gt=0, description="training pictures that C is chosen on")
    whole: bool = Field(description="whether all training labels are used as well")
    per_class: int = Field(gt=0, description="labels a class of a draw")
    draws: int = Field(gt=1, description="draws that are tested")
    selection_draws: int = Field(
        gt=0, description="draws, the first ones, that C is chosen by on the held-out pictures"
    )
    folds: int = Field(ge=0, description="of the cross-validation on a draw's own labels; 0 for none")
    grid: list[float] = Field(min_length=2, description="values of C, rising")
    extensions: int = Field(ge=0, description="values that may be added at each end while the best is the last one")
    untrained: int = Field(ge=0, description="initialisations of the same network that are tested beside it")
    tolerance: float = Field(gt=0, lt=1, description="see `svm.solve`")
    iterations: int = Field(gt=0, description="see `svm.solve`")
    threads: int = Field(gt=0, description="of torch; decides the order of sums")

    @field_validator("grid")
    @classmethod
    def _rising(cls, grid: list[float]) -> list[float]:
        if any(not 0 < low < high < math.inf for low, high in pairwise(grid)):
            raise ValueError("expected positive numbers that rise")
        return grid

    @field_validator("folds")
    @classmethod
    def _folds(cls, folds: int) -> int:
        if folds == 1:
            raise ValueError("expected 0 or at least 2")
        return folds


@dataclass(frozen=True)
class Split:
    """Which training pictures are for what.

    Attributes:
        rows: int64 (n,), all training pictures, those held out last; features are written in this order.
        labels: int64 (n,), in the same order.
        free: how many are not held out.
    """

    rows: Rows
    labels: Labels
    free: int


def split(labels: Labels, parameters: LinearProbeConfig, seed: int, name: str) -> Split:
    """Hold pictures out by a seeded draw.

    Raises:
        BadParameters: too few pictures would be left.
    """
    free = len(labels) - parameters.held_out
    if free <= 0:
        raise BadParameters(f"held_out: {parameters.held_out} of {len(labels)} training pictures; hold fewer out")
    order = numpy_rng(seed, "evaluate", name, "held-out").permutation(len(labels))
    rows = np.concatenate([np.sort(order[:free]), np.sort(order[free:])])
    return Split(rows, labels[rows], free)


def draw(parts: Split, per_class: int, classes: Sequence[str], seed: int, name: str, number: int) -> Rows:
    """Positions in `parts.rows` of one draw, uniform over the classes, in a random order: int64 (classes × per_class,).

    Raises:
        BadParameters: a class has fewer pictures.
    """
    rng = numpy_rng(seed, "evaluate", name, "draw", number)
    chosen = []
    for label, title in enumerate(classes):
        there = np.flatnonzero(parts.labels[: parts.free] == label)
        if len(there) < per_class:
            raise BadParameters(
                f"per_class: {per_class}, but class {title} has {len(there)} training pictures that are not held out"
            )
        chosen.append(rng.permutation(there)[:per_class])
    return rng.permutation(np.concatenate(chosen))


def signs(labels: Labels, classes: int) -> torch.Tensor:
    """1 for a picture's own class and -1 for the others: float32 (n, classes)."""
    own = labels[:, None] == np.arange(classes)
    return torch.from_numpy(np.where(own, 1, -1).astype(np.float32))


def correct(rows: l2_svm.FeatureRows, weights: torch.Tensor, labels: Labels) -> int:
    """How many pictures have their class's column highest."""
    return int((rows.times(weights).argmax(dim=1).numpy() == labels).sum())


Weights = list[torch.Tensor]

Score = Callable[[float, Weights | None], tuple[float, Weights]]
"""For a C, and weights for another one to start from: how well it does, 0..1, and its own weights."""


def choose_c(score: Score, parameters: LinearProbeConfig) -> tuple[float, list[tuple[float, float]], bool]:
    """The C that does best, the smallest of equals; the grid grows at an end where the best one lies.

    Returns:
        C; the curve, (C, score) rising in C; whether the best is at the end of the grid all the same.
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
    """A test accuracy with its exact interval of 95 %."""
    low, high = binomial_interval(right, of)
    return {"correct": right, "of": of, "accuracy": right / of, "low": low, "high": high}


def over_draws(accuracies: Sequence[float]) -> dict[str, Any]:
    """Mean over draws; `spread`: 1.96 standard deviations of a draw, the paper's ±; and the interval of the mean."""
    low, high = mean_interval(accuracies)
    return {
        "accuracies": list(accuracies),
        "mean": float(np.mean(accuracies)),
        "spread": 1.96 * float(np.std(accuracies, ddof=1)),
        "mean_low": low,
        "mean_high": high,
    }


def draws_csv(networks: dict[str, Any]) -> str:
    """Every draw of every network, for people: network,selection,draw,c,accuracy."""
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


def summary_sentence(metrics: dict[str, Any]) -> str:
    """What was found, for a person: the trained network against the best untrained one."""
    networks = metrics["networks"]
    parts = []
    for what, value in (
        (f"{metrics['parameters']['per_class']} labels a class", _mean_of_few),
        ("all labels", _accuracy_of_whole),
    ):
        accuracies = {network: value(found) for network, found in networks.items()}
        trained = accuracies.pop("trained")
        if trained is not None:
            beside = [accuracy for accuracy in accuracies.values() if accuracy is not None]
            parts.append(f"{trained:.1%} right with {what}" + (f" (untrained: {max(beside):.1%})" if beside else ""))
    return f"{metrics['features']:,} features of each picture; " + ", ".join(parts)


def _mean_of_few(found: dict[str, Any]) -> float | None:
    return float(found["few"]["held_out"]["mean"])


def _accuracy_of_whole(found: dict[str, Any]) -> float | None:
    return float(found["whole"]["accuracy"]) if found["whole"] else None
