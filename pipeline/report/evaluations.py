"""Features put to the test: trained beside untrained networks, and the paper's rows where the data are the paper's."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeline.core.errors import CorruptData
from pipeline.core.params import read_yaml
from pipeline.report import paper, records
from pipeline.report.tables import Group, Table, share

BY_ERROR = frozenset({"svhn", "mnist"})
"""Data sets whose figures are error rates, as in the paper; the others' are accuracies."""

TITLES = {"cifar10": "CIFAR-10", "svhn": "SVHN", "mnist": "MNIST"}


@dataclass(frozen=True)
class Evaluation:
    """What evaluate-features found.

    Attributes:
        model: the set whose discriminator was tested.
        name: of the benchmark.
        folder: where `features.svg` lies.
        learnt_from: source of that set.
    """

    model: str
    name: str
    folder: Path
    learnt_from: records.Source
    found: records.LinearProbeRecord

    @property
    def source(self) -> records.BenchmarkSource:
        return self.found.benchmark.source

    @property
    def data_set(self) -> str:
        """The benchmark's name for a person; of a stand-in, what it stands in for."""
        return TITLES.get(self.source.data_set, self.source.data_set)

    @property
    def by_error(self) -> bool:
        """Whether the figures are error rates."""
        return self.source.data_set in BY_ERROR

    @property
    def banner(self) -> str:
        """Why the figures do not compare with the paper's; empty where they do."""
        standing = [source.standing for source in (self.learnt_from, self.source)]
        if not any(standing):
            return ""
        learnt, tested = (words or "upstream's archive" for words in standing)
        return (
            f"Learnt from: {learnt}. Tested on: {tested}. These figures test the machinery; they do not compare with "
            "the paper's."
        )


def read_evaluation(folder: Path, model: str, name: str, learnt_from: records.Source) -> Evaluation:
    """One evaluation.

    Args:
        folder: what evaluate-features wrote.

    Raises:
        MissingInput: there is none.
        CorruptData: it lacks a figure.
    """
    path = folder / "metrics.json"
    found = records.read(path, records.LinearProbeRecord, "evaluate-features")
    if "trained" not in found.networks:
        raise CorruptData(f"{path}: networks.trained: missing key; run evaluate-features again")
    return Evaluation(model, name, folder, learnt_from, found)


def listed(file: Path, key: str) -> list[str]:
    """Names under a key of params.yaml that may be empty or missing: not every set is evaluated.

    Raises:
        MissingInput, BadParameters: see `params.read_yaml`.
    """
    return [str(name) for name in read_yaml(file).get(key) or []]


def result_tables(evaluation: Evaluation, *, each: bool) -> list[Table]:
    """All labels, if they were used, and few labels; the paper's rows below ours where both data are upstream's.

    Args:
        each: also show each untrained network; else only the range of all.
    """
    by_error = evaluation.by_error
    measure = "error rate" if by_error else "accuracy"
    results = None if evaluation.banner else paper.RESULTS.get(evaluation.source.data_set)
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
        f"Test {measure} with all {found.benchmark.train:,} training labels; intervals of the "
        f"{found.benchmark.test:,} test pictures (Clopper and Pearson)",
        ("network", measure, "95 % interval", "classified right", "C"),
        [Group(f"C from the {found.parameters.held_out:,} held-out labels", _rows(rows, range_of, each))],
    )


def _few(evaluation: Evaluation, measure: str, by_error: bool, each: bool) -> Table:
    found, parameters = evaluation.found, evaluation.found.parameters
    labels = parameters.per_class * len(found.benchmark.classes)
    table = Table(
        f"Test {measure} with {labels:,} labels, {parameters.per_class:,} of each class: the same draws for every "
        "network",
        (
            "network",
            f"mean {measure} of {parameters.draws} draws",
            "spread over draws, ± points",
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
            f"C from the {labels:,} labels alone, {parameters.folds}-fold",
            {n: network.few.cross_validation for n, network in found.networks.items() if network.few.cross_validation},
        ),
    ):
        rows = {
            name: (
                _share(entry.mean, by_error),
                f"± {100 * entry.spread:.1f}",
                _interval(entry.mean_low, entry.mean_high, by_error),
                _costs(entry.c),
            )
            for name, entry in entries.items()
        }
        if rows:
            range_of = _range({name: entry.mean for name, entry in entries.items()}, by_error)
            table.groups.append(Group(words, _rows(rows, range_of, each)))
    return table


def _rows(rows: Mapping[str, tuple[str, ...]], range_of: tuple[str, str] | None, each: bool) -> list[tuple[str, ...]]:
    """The trained network, the untrained ones if asked for, their range: all with a name in front."""
    shown = sorted(rows, key=lambda name: (name != "trained", len(name), name))
    found = [(name.replace("-", " "), *rows[name]) for name in shown if each or name == "trained"]
    blank = ("",) * (len(rows[shown[0]]) - 1)
    return [*found, (*range_of, *blank)] if range_of else found


def _range(accuracies: dict[str, float], by_error: bool) -> tuple[str, str] | None:
    """Title and range over the untrained networks; None when there are none."""
    values = [value for name, value in accuracies.items() if name != "trained"]
    return (f"untrained, range of {len(values)}", _interval(min(values), max(values), by_error)) if values else None


def _paper(results: paper.Results, few: bool) -> Group:
    rows = []
    for entry in results.rows:
        value = entry.few if few else entry.whole
        spread = "–" if entry.spread is None else f"± {entry.spread:.{results.digits}f}"
        rows.append((entry.model, f"{value:.{results.digits}f} %", spread if few else "–", "–", "–"))
    return Group(f"the paper, {results.where} (–: not given there)", rows)


def notes(evaluation: Evaluation) -> list[str]:
    """What a reader has to know of the tables, as sentences."""
    found, parameters = evaluation.found, evaluation.found.parameters
    results = paper.RESULTS.get(evaluation.source.data_set)
    said = [
        f"A linear L2-SVM on {found.features:,} features of a picture. The untrained networks are the same one with "
        "first weights: what the architecture alone gives. The spread is 1.96 standard deviations over draws, as the "
        "authors' released code prints; the paper does not say what its ± is."
    ]
    if not evaluation.banner and results and results.per_class != parameters.per_class:
        said.append(
            f"The paper's row of few labels is for {results.per_class} of each class, and does not stand here beside "
            f"{parameters.per_class}."
        )
    networks = found.networks.values()
    entries = [entry for n in networks for entry in (n.whole, n.few.held_out, n.few.cross_validation)]
    if any(entry.at_end for entry in entries if entry):
        said.append("Somewhere the best C was the last one tried; further ones might do better.")
    return said


def provenance(evaluation: Evaluation) -> list[tuple[str, ...]]:
    """How the figures were made, as (figure, value, made by)."""
    found, parameters = evaluation.found, evaluation.found.parameters
    archives = "; ".join(
        f"{archive.name}, {archive.bytes:,} bytes, SHA-256 {archive.sha256[:16]}…"
        for archive in evaluation.source.archives
    )
    statistics = {
        "running": "batch norm by its running statistics",
        "own": f"batch norm by {parameters.statistics_pictures:,} of the pictures learnt from",
        "benchmark": f"batch norm by {parameters.statistics_pictures:,} of the benchmark's training pictures",
    }.get(parameters.norm, f"batch norm: {parameters.norm}")
    return [
        (
            f"{evaluation.name}, pictures",
            f"{found.benchmark.train:,} to train on, {parameters.held_out:,} of them held out, and "
            f"{found.benchmark.test:,} to test on; {archives or 'no archive'}",
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


def _costs(c: float | list[float]) -> str:
    """C, or the range of those of all draws."""
    values = sorted(set(c if isinstance(c, list) else [c]))
    return f"{values[0]:g}" if len(values) == 1 else f"{values[0]:g} to {values[-1]:g}"
