"""The most important figures of a run: collected into one small file for each set, and printed as tables."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.core import files
from pipeline.core.errors import MissingInput

Figures = dict[str, int | float]

COUNTS = ("pictures", "kept", "removed", "groups")


def collect(dedup: Path, probe: Path) -> Figures:
    """The figures of a set.

    Args:
        dedup: written by remove-duplicates.
        probe: written by probe-duplicates.

    Returns:
        `pictures`, `kept`, `removed`, `groups`; `false_removals`: number of removals that are expected to be due to
        chance, and `false_removals_high`, the upper end of its 95 % interval (both only if decoys were searched);
        `recall` and `recall_held_out`: share (0..1) of planted copies that are found, by known and by held-out
        transforms.

    Raises:
        MissingInput: one of the records does not exist.
    """
    summary = files.read_json(dedup / "summary.json")
    recall = files.read_json(probe / "recall.json")["recall"]
    return {
        **{count: summary[count] for count in COUNTS},
        **{
            f"false_removals{end}": summary[f"expected_false_removals{end}"]
            for end in ("", "_high")
            if f"expected_false_removals{end}" in summary
        },
        "recall": recall["known"]["share"],
        "recall_held_out": recall["held_out"]["share"],
    }


def read_all(reports: Path) -> dict[str, dict[str, Figures]]:
    """All figures of a run.

    Args:
        reports: the folder of reports of a profile, with `metrics/SET.json` and `features/SET-BENCHMARK/accuracy.json`.

    Returns:
        `sets`: the figures of each set, and `evaluations`: the accuracies of each SET-BENCHMARK; in alphabetical order.

    Raises:
        MissingInput: there are no figures of any set.
    """
    sets = {path.stem: files.read_json(path) for path in sorted((reports / "metrics").glob("*.json"))}
    if not sets:
        raise MissingInput(f"{reports / 'metrics'}: no figures of a set here; run dvc repro")
    evaluations = {path.parent.name: files.read_json(path) for path in sorted(reports.glob("features/*/accuracy.json"))}
    return {"sets": sets, "evaluations": evaluations}


def as_text(figures: Mapping[str, Mapping[str, Figures]]) -> str:
    """The figures of `read_all` as tables for people, at most 100 characters wide for names of usual length."""
    tables = [
        _table(
            ["set", *COUNTS, "false removals", "recall", "held out"],
            [
                [
                    *(name, *(f"{one[count]:,}" for count in COUNTS), _false_removals(one)),
                    *(_percent(one.get(key)) for key in ("recall", "recall_held_out")),
                ]
                for name, one in figures["sets"].items()
            ],
        )
    ]
    if figures["evaluations"]:
        kinds = ("few_labels", "few_labels_untrained", "all_labels", "all_labels_untrained")
        tables.append(
            _table(
                ["accuracy", "few labels", "untrained", "all labels", "untrained"],
                [[name, *(_percent(one.get(kind)) for kind in kinds)] for name, one in figures["evaluations"].items()],
            )
        )
    return "\n\n".join(tables)


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    return "\n".join(
        "  ".join(cell.rjust(width) if column else cell.ljust(width) for column, (cell, width) in enumerate(cells))
        for cells in (list(zip(row, widths, strict=True)) for row in [header, *rows])
    )


def _false_removals(one: Mapping[str, Any]) -> str:
    if "false_removals_high" not in one:
        return "–"
    return f"{one['false_removals']:,.1f} (at most {one['false_removals_high']:,.1f})"


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f} %"
