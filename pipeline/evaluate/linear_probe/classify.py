"""One network's features put to the test, in parts that are kept when the work is interrupted."""

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
    """What a network's features are tested on.

    Attributes:
        parameters: how.
        parts: the training pictures, in the order of `train`.
        train, test: features float32 (n, f).
        test_labels: int64 (n,).
        classes: names of the classes.
        seed, name: name every draw; the same for all networks.
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
        """Positions of one draw; see `protocol.draw`."""
        return protocol.draw(self.parts, self.parameters.per_class, self.classes, self.seed, self.name, number)

    def few(self, number: int) -> tuple[l2_svm.FeatureRows, protocol.Labels]:
        """Features and labels of one draw."""
        rows = self.draw(number)
        return l2_svm.FeatureRows.compact(self.train[rows]), self.parts.labels[rows]

    def fit(
        self, rows: l2_svm.FeatureRows, labels: protocol.Labels, c: float, start: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Weights for rows that all count; they are for the features of `rows`, see `svm.Rows.original`."""
        signs = protocol.signs(labels, len(self.classes))
        return self.solve(rows, signs, torch.full_like(signs, c), start)

    def solve(
        self, rows: l2_svm.FeatureRows, signs: torch.Tensor, costs: torch.Tensor, start: torch.Tensor | None
    ) -> torch.Tensor:
        """Weights of every column; says so where the limit of iterations was reached."""
        found = l2_svm.solve(
            rows,
            signs,
            costs,
            tolerance=self.parameters.tolerance,
            iterations=self.parameters.iterations,
            start=start,
        )
        if not bool(found.converged.all()):
            progress.warn(f"{self.name}: the SVM stopped after {found.iterations} iterations, short of its tolerance")
        return found.weights

    def tested(self, weights: torch.Tensor) -> int:
        """Test pictures that are classified right."""
        return protocol.correct(l2_svm.FeatureRows(self.test), weights, self.test_labels)

    def held_out_accuracy(self, weights: torch.Tensor) -> float:
        """Share of the held-out pictures that are classified right."""
        rows = l2_svm.FeatureRows(self.train[self.parts.free :])
        right = protocol.correct(rows, weights, self.parts.labels[self.parts.free :])
        return right / self.parameters.held_out


def whole(task: Task) -> dict[str, Any]:
    """All training labels: C on the held-out pictures, then everything, then the test set."""
    free = task.parts.free
    rows = l2_svm.FeatureRows.compact(task.train[:free])

    def score(c: float, start: Weights | None) -> tuple[float, Weights]:
        weights = task.fit(rows, task.parts.labels[:free], c, start[0] if start else None)
        return task.held_out_accuracy(rows.original(weights)), [weights]

    c, curve, at_end = protocol.choose_c(score, task.parameters)
    everything = l2_svm.FeatureRows.compact(task.train)
    right = task.tested(everything.original(task.fit(everything, task.parts.labels, c)))
    return {"c": c, "curve": curve, "at_end": at_end, **protocol.share_right(right, len(task.test_labels))}


def few_held_out(task: Task) -> dict[str, Any]:
    """Draws of few labels, with one C chosen on the held-out pictures by the mean over the first draws."""
    parameters = task.parameters
    chosen_by = [task.few(number) for number in range(min(parameters.selection_draws, parameters.draws))]

    def score(c: float, start: Weights | None) -> tuple[float, Weights]:
        starts: Sequence[torch.Tensor | None] = start or [None] * len(chosen_by)
        found = [task.fit(*draw, c, before) for draw, before in zip(chosen_by, starts, strict=True)]
        accuracies = [
            task.held_out_accuracy(rows.original(weights)) for (rows, _), weights in zip(chosen_by, found, strict=True)
        ]
        return float(np.mean(accuracies)), found

    c, curve, at_end = protocol.choose_c(score, parameters)
    accuracies = [_tested_draw(task, *task.few(number), c) for number in range(parameters.draws)]
    return {"c": c, "curve": curve, "at_end": at_end, **protocol.over_draws(accuracies)}


def _tested_draw(task: Task, rows: l2_svm.FeatureRows, labels: protocol.Labels, c: float) -> float:
    """Share of the test pictures that are classified right after learning from one draw."""
    return task.tested(rows.original(task.fit(rows, labels, c))) / len(task.test_labels)


def few_cross_validated(task: Task) -> dict[str, Any]:
    """Draws of few labels, with a C for each chosen by cross-validation on its own labels alone."""
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
    """`choose_c` by the accuracy on the folds left out; all folds are solved side by side, as columns."""
    folds, classes = task.parameters.folds, len(task.classes)
    # A draw's order is random; within each class the pictures are dealt to the folds in turn, so that all are alike.
    fold_of = np.empty(len(labels), np.int64)
    for label in range(classes):
        there = np.flatnonzero(labels == label)
        fold_of[there] = np.arange(len(there)) % folds
    signs = protocol.signs(labels, classes).repeat(1, folds)
    learns = torch.from_numpy((fold_of[:, None] != np.repeat(np.arange(folds), classes)).astype(np.float32))

    def score(c: float, start: Weights | None) -> tuple[float, Weights]:
        weights = task.solve(features, signs, c * learns, start[0] if start else None)
        by_fold = features.times(weights).reshape(len(labels), folds, classes)
        guessed = by_fold[torch.arange(len(labels)), torch.from_numpy(fold_of)].argmax(dim=1).numpy()
        return float((guessed == labels).mean()), [weights]

    return protocol.choose_c(score, task.parameters)
