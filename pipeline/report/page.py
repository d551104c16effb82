"""The report: a page that compares the sets, and one of each, with how each number was made.

Every page is one file with its pictures in it; links between them, and to the galleries, are relative.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jinja2

from pipeline.core import files
from pipeline.core.errors import BadParameters, MissingInput
from pipeline.core.workspace import workspace
from pipeline.report import data_uris, evaluations, records, tables
from pipeline.report.evaluations import Evaluation
from pipeline.report.plots import LOSSES, history_plot, read_history

INDEX = "index"
"""Name of the comparison's page."""

WALK_ROWS = 3
"""Rows of each latent walk that the comparison shows."""


@dataclass(frozen=True)
class Folders:
    """Where the parts of the report lie; each folder but `features` has one folder a set.

    Attributes:
        audit: `metrics.json`, `kept.png` and `gallery.html`.
        models: trained models: `model.json`, `history.tsv`, `samples/`.
        samples: `grid.png`, `samples.json`.
        walks: `walk.png`, `walk.json`; not of models without a latent space.
        features: a folder `SET-BENCHMARK` for each set that was evaluated and each benchmark: `metrics.json`,
            `features.svg`.
    """

    audit: Path
    models: Path
    samples: Path
    walks: Path
    features: Path


def write_report(
    folders: Folders, names: Sequence[str], evaluated: Sequence[str], benchmarks: Sequence[str], to: Path
) -> dict[str, Any]:
    """Write the folder `to`: `index.html`, `SET.html` for each set, and `report.json`.

    Args:
        folders: what to show.
        names: the sets, in the order of the pages.
        evaluated: those whose discriminators were tested.
        benchmarks: what each of them was tested on.

    Returns:
        The content of `report.json`: `sets`: their names; `stand_in`: those whose pictures are not upstream's;
        `evaluations`: as SET-BENCHMARK.

    Raises:
        BadParameters: a set cannot have a page of its name, or one was evaluated that is not among the sets.
        MissingInput: a part is missing.
        CorruptData: one does not hold what it must.
    """
    _check_names(names, evaluated)
    to = Path(os.path.abspath(to))  # noqa: PTH100  (links are relative to where the pages will lie)
    sets = [_read_set(name, folders) for name in names]
    learnt_from = {one.name: one.audit.source for one in sets}
    found = [
        evaluations.read_evaluation(folders.features / f"{model}-{name}", model, name, learnt_from[model])
        for model in evaluated
        for name in benchmarks
    ]
    summary = {
        "sets": list(names),
        "stand_in": [name for name, source in learnt_from.items() if not source.upstream],
        "evaluations": [f"{entry.model}-{entry.name}" for entry in found],
    }
    environment = _environment()
    pages = {INDEX: _index(environment, sets, found, folders, to)}
    for one in sets:
        own = [entry for entry in found if entry.model == one.name]
        pages[one.name] = _page(environment, one, names, own, folders, to)
    with workspace(to, files.digest({**summary, "pages": pages})) as work:
        if work is not None:
            for name, page in pages.items():
                files.write_text(work.result / f"{name}.html", page)
            files.write_json(work.result / "report.json", summary)
            work.publish()
    return summary


def _check_names(names: Sequence[str], evaluated: Sequence[str]) -> None:
    for name in names:
        if name == INDEX or Path(name).name != name:
            raise BadParameters(f"sets: {name}: no name for a page of a set; call it otherwise")
    for name in evaluated:
        if name not in names:
            raise BadParameters(f"evaluated: {name}: not among the sets, which are {', '.join(names)}")


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("pipeline.report"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters.update(
        share=tables.share,
        count=lambda number: f"{number:,}",
        page=lambda name: quote(f"{name}.html", safe=""),
        notes=evaluations.notes,
        tables=evaluations.result_tables,
    )
    return environment


def _read_set(name: str, folders: Folders) -> tables.Set:
    history = read_history(folders.models / name / "history.tsv")
    model = records.read(folders.models / name / "model.json", records.ModelRecord, "train-dcgan")
    return tables.Set(
        name,
        records.read(folders.audit / name / "metrics.json", records.AuditRecord, "audit-duplicates"),
        model,
        records.read(folders.samples / name / "samples.json", records.SamplesRecord, "sample"),
        records.read(folders.walks / name / "walk.json", records.WalkRecord, "walk-latent")
        if model.latent_shape
        else None,
        {column: values[-1] for column, values in history.items() if column in LOSSES},
    )


def _index(
    environment: jinja2.Environment,
    sets: Sequence[tables.Set],
    found: Sequence[Evaluation],
    folders: Folders,
    to: Path,
) -> str:
    """The comparison of all sets."""
    shown = [
        {
            "set": one,
            "gallery": _gallery(one.name, folders, to),
            "grid": data_uris.png(folders.samples / one.name / "grid.png", "sample"),
            "kept": data_uris.png(folders.audit / one.name / "kept.png", "audit-duplicates"),
            "walk": one.walk
            and data_uris.first_rows(folders.walks / one.name / "walk.png", one.walk.rows, WALK_ROWS, "walk-latent"),
        }
        for one in sets
    ]
    return environment.get_template("index.html").render(
        names=[one.name for one in sets],
        here=None,
        shown=shown,
        comparison=tables.comparison(sets),
        removals=tables.removals(sets),
        evaluations=found,
    )


def _page(
    environment: jinja2.Environment,
    one: tables.Set,
    names: Sequence[str],
    found: Sequence[Evaluation],
    folders: Folders,
    to: Path,
) -> str:
    """The page of one set."""
    model = folders.models / one.name
    return environment.get_template("set.html").render(
        names=list(names),
        here=one.name,
        set=one,
        removals=tables.by_reason(one.audit),
        planted=tables.planted(one.audit),
        provenance=tables.made_by(
            [*tables.provenance(one), *(row for entry in found for row in evaluations.provenance(entry))]
        ),
        history=history_plot(read_history(model / "history.tsv")),
        epochs=[(epoch, data_uris.png(path, "train-dcgan")) for epoch, path in _chosen_epochs(model / "samples")],
        kept=data_uris.png(folders.audit / one.name / "kept.png", "audit-duplicates"),
        grid=data_uris.png(folders.samples / one.name / "grid.png", "sample"),
        walk=one.walk and data_uris.png(folders.walks / one.name / "walk.png", "walk-latent"),
        gallery=_gallery(one.name, folders, to),
        evaluations=[(entry, data_uris.svg(entry.folder / "features.svg", "evaluate-features")) for entry in found],
    )


def _gallery(name: str, folders: Folders, to: Path) -> str:
    """Link from a page to the gallery of what was removed from a set."""
    gallery = folders.audit / name / "gallery.html"
    if not gallery.exists():
        raise MissingInput(f"{gallery}: no such page; run audit-duplicates again")
    return quote(Path(os.path.relpath(gallery, to)).as_posix())


def _chosen_epochs(folder: Path) -> list[tuple[int, Path]]:
    """The first epoch's sample grid, one a third of the way, and the last: how the samples came to be."""
    grids = sorted(folder.glob("epoch-*.png"))
    if not grids:
        raise MissingInput(f"{folder}: no sample grids here; train the model again")
    chosen = sorted({0, len(grids) // 3, len(grids) - 1})
    return [(int(grids[number].stem.removeprefix("epoch-")), grids[number]) for number in chosen]
