"""Tables of feature evaluations of trained and untrained networks, with the paper's results for the paper's data."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeline.core.errors import CorruptData
from pipeline.core.params import read_yaml
from pipeline.report import paper, records
from pipeline.report.tables import Group, Table, share

ERROR_RATE_SETS = frozenset({"svhn", "mnist"})
"""Data sets whose results are shown as error rates, as in the paper; others are shown as accuracies."""

TITLES = {"cifar10": "CIFAR-10", "svhn": "SVHN", "mnist": "MNIST"}


@dataclass(frozen=True)
class Evaluation:
    """A result of evaluate-features.

    Attributes:
        model: the set whose discriminator was tested.
        name: name of the benchmark.
        folder: folder with `features.svg`.
        trained_on: source of the pictures of that set.
        found: content of `metrics.json`.
    """

    model: str
    name: str
    folder: Path
    trained_on: records.Source
    found: records.LinearProbeRecord

    @property
    def source(self) -> records.BenchmarkSource:
        return self.found.benchmark.source

    @property
    def data_set(self) -> str:
        """Title of the original data set of the benchmark, even if synthetic pictures replace it."""
        return TITLES.get(self.source.data_set, self.source.data_set)

    @property
    def tested_on(self) -> str:
        """The benchmark in words, which say whether its pictures are synthetic."""
        title = f"{self.source.stand_in} in place of {self.data_set}" if self.source.stand_in else self.data_set
        return title if self.name == self.source.data_set else f"{title} ({self.name})"

    @property
    def by_error(self) -> bool:
        """Whether results are shown as error rates."""
        return self.source.data_set in ERROR_RATE_SETS

    @property
    def original(self) -> bool:
        """Whether all pictures are the original ones, so that the results can be compared with the paper's."""
        return self.trained_on.upstream and self.source.upstream


def read_evaluation(folder: Path, model: str, name: str, trained_on: records.Source) -> Evaluation:
    """Read an evaluation.

    Args:
        folder: written by evaluate-features.

    Raises:
        MissingInput: there is no evaluation.
        CorruptData: the file lacks a key.
    """
    path = folder / "metrics.json"
    found = records.read(path, records.LinearProbeRecord, "evaluate-features")
    if "trained" not in found.networks:
        raise CorruptData(f"{path}: networks.trained: missing key; run evaluate-features again")
    return Evaluation(model, name, folder, trained_on, found)


def read_list(file: Path, key: str) -> list[str]:
    """Read the list of names at a key of params.yaml; it may be empty or missing, because evaluation is optional.

    Raises:
        MissingInput, BadParameters: see `params.read_yaml`.
    """
    return [str(name) for name in read_yaml(file).get(key) or []]


def result_tables(evaluation: Evaluation, *, each: bool) -> list[Table]:
    """Make the tables for all labels, if they were used, and for few labels. The paper's rows are added if all data are
    original.

    Args:
        each: show each untrained network, not only the range over all of them.
    """
    by_error = evaluation.by_error
    measure = "error rate" if by_error else "accuracy"
    results = paper.RESULTS.get(evaluation.source.data_set) if evaluation.original else None
    few = _few(evaluation, measure, by_error, each)
    if results and results.per_class == evaluation.found.parameters.per_class:
        few.groups.append(_paper(results, few=True))
    if evaluation.found.networks["trained"].whole is None:
        return [few]
    whole = _whole(evaluation, measure, by_error, each)
    if results and any(row.whole for row in results.rows):
        whole.groups.append(_paper(results, few=False))
    return [whole, few]


def _whole(evaluation: Evaluation, measure: str, by_error: bool, each: bool) -> Table:
    found = evaluation.found
    entries = {name: network.whole for name, network in found.networks.items() if network.whole}
    rows = {
        name: (
            _share(entry.accuracy, by_error),
            _interval(entry.low, entry.high, by_error),
            f"{entry.correct:,} of {entry.of:,}",
            f"{entry.c:g}",
        )
        for name, entry in entries.items()
    }
    range_of = _range({name: entry.accuracy for name, entry in entries.items()}, by_error)
    return Table(
        f"Test {measure} with all {found.benchmark.train:,} training labels; intervals "
        f"(Clopper and Pearson) for {found.benchmark.test:,} test pictures",
        ("network", measure, "95 % interval", "correct", "C"),
        [Group(f"C from the {found.parameters.held_out:,} held-out labels", _rows(rows, range_of, each))],
    )


def _few(evaluation: Evaluation, measure: str, by_error: bool, each: bool) -> Table:
    found, parameters = evaluation.found, evaluation.found.parameters
    labels = parameters.per_class * len(found.benchmark.classes)
    table = Table(
        f"Test {measure} with {labels:,} labels, {parameters.per_class:,} of each class; all networks have the same "
        "draws",
        (
            "network",
            f"mean {measure} of {parameters.draws} draws",
            "spread over draws, ± percentage points",
            "95 % interval of the mean",
            "C",
        ),
        [],
    )
    for words, entries in (
        (
            f"C from the {parameters.held_out:,} held-out labels",
            {name: network.few.held_out for name, network in found.networks.items()},
        ),
        (
            f"C from the {labels:,} labels only, {parameters.folds}-fold cross-validation",
            {n: network.few.cross_validation for n, network in found.networks.items() if network.few.cross_validation},
        ),
    ):
        rows = {
            name: (
                _share(entry.mean, by_error),
                f"± {100 * entry.spread:.1f}",
                _interval(entry.mean_low, entry.mean_high, by_error),
                _c_range(entry.c),
            )
            for name, entry in entries.items()
        }
        if rows:
            range_of = _range({name: entry.mean for name, entry in entries.items()}, by_error)
            table.groups.append(Group(words, _rows(rows, range_of, each)))
    return table


def _rows(rows: Mapping[str, tuple[str, ...]], range_of: tuple[str, str] | None, each: bool) -> list[tuple[str, ...]]:
    """Rows of the trained network, of each untrained one if `each`, and of their range; the first cell is the name."""
    shown = sorted(rows, key=lambda name: (name != "trained", len(name), name))
    found = [(name.replace("-", " "), *rows[name]) for name in shown if each or name == "trained"]
    blank = ("",) * (len(rows[shown[0]]) - 1)
    return [*found, (*range_of, *blank)] if range_of else found


def _range(accuracies: dict[str, float], by_error: bool) -> tuple[str, str] | None:
    """Title and text of the range over the untrained networks; None if there are no such networks."""
    values = [value for name, value in accuracies.items() if name != "trained"]
    return (f"untrained, range of {len(values)}", _interval(min(values), max(values), by_error)) if values else None


def _paper(results: paper.Results, few: bool) -> Group:
    rows = []
    for entry in results.rows:
        value = entry.few if few else entry.whole
        spread = "–" if entry.spread is None else f"± {entry.spread:.{results.digits}f}"
        rows.append((entry.model, f"{value:.{results.digits}f} %", spread if few else "–", "–", "–"))
    return Group(f"the paper, {results.where} (–: not given)", rows)


def notes(evaluation: Evaluation) -> list[str]:
    """Explanations of the tables, as sentences."""
    found, parameters = evaluation.found, evaluation.found.parameters
    results = paper.RESULTS.get(evaluation.source.data_set)
    sentences = [
        f"A linear L2-SVM on {found.features:,} features of each picture. Untrained networks have the same "
        "architecture with random initial weights; they show what the architecture alone gives. The spread is 1.96 "
        "standard deviations over draws, as in the authors' released code; the paper does not define its ±."
    ]
    if evaluation.original and results and results.per_class != parameters.per_class:
        sentences.append(
            f"The paper's result for few labels is for {results.per_class} of each class, so it is not shown beside "
            f"results for {parameters.per_class}."
        )
    networks = found.networks.values()
    entries = [entry for n in networks for entry in (n.whole, n.few.held_out, n.few.cross_validation)]
    if any(entry.at_end for entry in entries if entry):
        sentences.append("In at least one case the best C was at the end of the grid; other values might be better.")
    return sentences


def provenance(evaluation: Evaluation) -> list[tuple[str, ...]]:
    """How each result was computed, as (result, value, command or file)."""
    found, parameters = evaluation.found, evaluation.found.parameters
    archives = "; ".join(
        f"{archive.name}, {archive.bytes:,} bytes, SHA-256 {archive.sha256[:16]}…"
        for archive in evaluation.source.archives
    )
    statistics = {
        "running": "running statistics of batch norm",
        "own": f"batch norm statistics of {parameters.statistics_pictures:,} training pictures of the network",
        "benchmark": f"batch norm statistics of {parameters.statistics_pictures:,} training pictures of the benchmark",
    }.get(parameters.norm, f"batch norm: {parameters.norm}")
    return [
        (
            f"{evaluation.name}, pictures",
            f"{found.benchmark.train:,} training pictures, {parameters.held_out:,} of them held out, and "
            f"{found.benchmark.test:,} test pictures; {archives or 'no archive'}",
            "download-benchmarks, source.json",
        ),
        (
            f"{evaluation.name}, features",
            f"{found.features:,} of {found.model.architecture}, {found.model.epochs} epochs, "
            f"{found.model.steps:,} steps on {found.model.pictures:,} pictures; {statistics}",
            f"evaluate-features, seed {found.seed}, network {found.model.network_sha256[:16]}…",
        ),
    ]


def _share(accuracy: float, by_error: bool) -> str:
    return share(1 - accuracy if by_error else accuracy)


def _interval(low: float, high: float, by_error: bool) -> str:
    low, high = (1 - high, 1 - low) if by_error else (low, high)
    return f"{share(low)} to {share(high)}"


def _c_range(c: float | list[float]) -> str:
    """The value of C, or its range over all draws."""
    values = sorted(set(c if isinstance(c, list) else [c]))
    return f"{values[0]:g}" if len(values) == 1 else f"{values[0]:g} to {values[-1]:g}"
