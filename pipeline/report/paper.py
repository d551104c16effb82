"""Results of the paper, which are shown only if the data are those of the paper."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """A model in a table of the paper; values that the paper does not give are None.

    Attributes:
        model: name of the model.
        whole: result with all training labels, in per cent.
        few: result with few labels, in per cent.
        spread: the ± of `few`, in percentage points.
    """

    model: str
    whole: float | None
    few: float | None
    spread: float | None = None


@dataclass(frozen=True)
class Results:
    """A table of the paper.

    Attributes:
        where: section and table in the paper.
        per_class: number of labels per class in the column of few labels.
        digits: decimal places in the paper.
    """

    where: str
    per_class: int
    digits: int
    rows: tuple[Row, ...]


RESULTS = {
    "cifar10": Results(
        "section 5.1, Table 1",
        per_class=400,
        digits=1,
        rows=(
            Row("1 Layer K-means, at most 4,800 feature units", 80.6, 63.7, 0.7),
            Row("3 Layer K-means Learned RF, at most 3,200 feature units", 82.0, 70.7, 0.7),
            Row("View Invariant K-means, at most 6,400 feature units", 81.9, 72.6, 0.7),
            Row("Exemplar CNN, at most 1,024 feature units", 84.3, 77.4, 0.2),
            Row("DCGAN + L2-SVM, at most 512 feature units", 82.8, 73.8, 0.4),
        ),
    ),
    "svhn": Results(
        "section 5.2, Table 2",
        per_class=100,
        digits=2,
        rows=(
            Row("KNN", None, 77.93),
            Row("TSVM", None, 66.55),
            Row("M1+KNN", None, 65.63),
            Row("M1+TSVM", None, 54.33),
            Row("M1+M2", None, 36.02),
            Row("SWWAE without dropout", None, 27.83),
            Row("SWWAE with dropout", None, 23.56),
            Row("DCGAN + L2-SVM", None, 22.48),
            Row("Supervised CNN with the same architecture (validation error, not test)", None, 28.87),
        ),
    ),
}
"""By data set. CIFAR-10: test accuracies. SVHN: test errors, except in the last row."""
