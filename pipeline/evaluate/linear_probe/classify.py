"""Train and test linear classifiers on the features of one network, by each protocol of the paper."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from pipeline.core import progress
from pipeline.evaluate.linear_probe import l2_svm, protocol
from pipeline.evaluate.linear_probe.features import FeatureMatrix as Matrix
from pipeline.evaluate.linear_probe.protocol import LinearProbeConfig, Split, Weights
from pipeline.imageset.format.image_set import Rows


@dataclass(frozen=True)
class Task:
    """The data on which the features of a network are tested.

    Attributes:
        parameters: the section `evaluate.BENCHMARK`.
        parts: the split of the training pictures, in the order of `train`.
        train, test: features float32 (n, f).
        test_labels: int64 (n,).
        classes: names of the classes.
        seed, name: root seed and name of the benchmark; they determine the draws (random sets of labelled training
            pictures), which are the same for all networks.
    """

    parameters: LinearProbeConfig
    parts: Split
    train: Matrix
    test: Matrix
    test_labels: protocol.Labels
    classes: Sequence[str]
    seed: int
    name: str

    def draw(self, number: int) -> Rows:
        """Positions of the pictures of a draw; see `protocol.draw`."""
        return protocol.draw(self.parts, self.parameters.per_class, self.classes, self.seed, self.name, number)

    def few(self, number: int) -> tuple[l2_svm.FeatureRows, protocol.Labels]:
        """Features and labels of a draw."""
        rows = self.draw(number)
        return l2_svm.FeatureRows.compact(self.train[rows]), self.parts.labels[rows]

    def fit(
        self, rows: l2_svm.FeatureRows, labels: protocol.Labels, c: float, start: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Train classifiers with the same cost C for all rows; return their weights, in the coordinates of `rows`."""
        signs = protocol.signs(labels, len(self.classes))
        return self.solve(rows, signs, torch.full_like(signs, c), start)

    def solve(
        self, rows: l2_svm.FeatureRows, signs: torch.Tensor, costs: torch.Tensor, start: torch.Tensor | None
    ) -> torch.Tensor:
        """Weights of every column; warns if the limit of iterations was reached."""
        found = l2_svm.solve(
            rows,
            signs,
            costs,
            tolerance=self.parameters.tolerance,
            iterations=self.parameters.iterations,
            start=start,
        )
        if not bool(found.converged.all()):
            progress.warn(
                f"{self.name}: the SVM stopped after {found.iterations} iterations, before it reached its tolerance"
            )
        return found.weights

    def count_correct(self, weights: torch.Tensor) -> int:
        """Number of test pictures that are classified correctly."""
        return protocol.correct(l2_svm.FeatureRows(self.test), weights, self.test_labels)

    def held_out_accuracy(self, weights: torch.Tensor) -> float:
        """Share of the held-out pictures that are classified correctly, 0..1."""
        rows = l2_svm.FeatureRows(self.train[self.parts.free :])
        right = protocol.correct(rows, weights, self.parts.labels[self.parts.free :])
        return right / self.parameters.held_out


def whole(task: Task) -> dict[str, Any]:
    """Use all training labels: choose C on the held-out pictures, train on all training pictures, test once."""
    free = task.parts.free
    rows = l2_svm.FeatureRows.compact(task.train[:free])

    def score(c: float, start: Weights | None) -> tuple[float, Weights]:
        weights = task.fit(rows, task.parts.labels[:free], c, start[0] if start else None)
        return task.held_out_accuracy(rows.original(weights)), [weights]

    c, curve, at_end = protocol.choose_c(score, task.parameters)
    all_rows = l2_svm.FeatureRows.compact(task.train)
    right = task.count_correct(all_rows.original(task.fit(all_rows, task.parts.labels, c)))
    return {"c": c, "curve": curve, "at_end": at_end, **protocol.share_right(right, len(task.test_labels))}


def few_held_out(task: Task) -> dict[str, Any]:
    """Use few labels, in several draws, with one C that has the best mean held-out accuracy over the first draws."""
    parameters = task.parameters
    selection = [task.few(number) for number in range(min(parameters.selection_draws, parameters.draws))]

    def score(c: float, start: Weights | None) -> tuple[float, Weights]:
        starts: Sequence[torch.Tensor | None] = start or [None] * len(selection)
        found = [task.fit(*draw, c, before) for draw, before in zip(selection, starts, strict=True)]
        accuracies = [
            task.held_out_accuracy(rows.original(weights)) for (rows, _), weights in zip(selection, found, strict=True)
        ]
        return float(np.mean(accuracies)), found

    c, curve, at_end = protocol.choose_c(score, parameters)
    later = (task.few(number) for number in range(len(selection), parameters.draws))
    accuracies = [_tested_draw(task, *draw, c) for draw in itertools.chain(selection, later)]
    return {"c": c, "curve": curve, "at_end": at_end, **protocol.over_draws(accuracies)}


def _tested_draw(task: Task, rows: l2_svm.FeatureRows, labels: protocol.Labels, c: float) -> float:
    """Share of the test pictures that are classified correctly after training on one draw, 0..1."""
    return task.count_correct(rows.original(task.fit(rows, labels, c))) / len(task.test_labels)


def few_cross_validated(task: Task) -> dict[str, Any]:
    """Use few labels, in several draws, with a C for each draw, chosen by cross-validation on its labels."""
    chosen, ends, accuracies = [], [], []
    for number in range(task.parameters.draws):
        rows, labels = task.few(number)
        c, _, at_end = _cross_validate(task, rows, labels)
        chosen.append(c)
        ends.append(at_end)
        accuracies.append(_tested_draw(task, rows, labels, c))
    return {"c": chosen, "at_end": any(ends), **protocol.over_draws(accuracies)}


def _cross_validate(
    task: Task, features: l2_svm.FeatureRows, labels: protocol.Labels
) -> tuple[float, list[tuple[float, float]], bool]:
    """Apply `choose_c` to the accuracy on the left-out folds; all folds are solved at once, as columns."""
    folds, classes = task.parameters.folds, len(task.classes)
    # The order of a draw is random; the pictures of each class go to the folds in turn, so all folds are balanced.
    fold_of = np.empty(len(labels), np.int64)
    for label in range(classes):
        there = np.flatnonzero(labels == label)
        fold_of[there] = np.arange(len(there)) % folds
    signs = protocol.signs(labels, classes).repeat(1, folds)
    trains = torch.from_numpy((fold_of[:, None] != np.repeat(np.arange(folds), classes)).astype(np.float32))

    def score(c: float, start: Weights | None) -> tuple[float, Weights]:
        weights = task.solve(features, signs, c * trains, start[0] if start else None)
        by_fold = features.times(weights).reshape(len(labels), folds, classes)
        predicted = by_fold[torch.arange(len(labels)), torch.from_numpy(fold_of)].argmax(dim=1).numpy()
        return float((predicted == labels).mean()), [weights]

    return protocol.choose_c(score, task.parameters)
