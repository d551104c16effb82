"""Write the report: a page that compares the sets, and a page per set that also tells how each result was computed.

Every page is a single file with its pictures; links between pages and to the galleries are relative.
"""

import os
from collections.abc import Mapping, Sequence
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
"""Name of the page that compares the sets."""

WALK_ROWS = 3
"""Rows of each latent walk on the comparison page."""


@dataclass(frozen=True)
class Folders:
    """The inputs of the report; each folder except `features` has a folder for each set.

    Attributes:
        audit: `metrics.json`, `kept.png` and `gallery.html`.
        models: trained models: `model.json`, `history.tsv`, `samples/`.
        samples: `grid.png`, `samples.json`.
        walks: `walk.png`, `walk.json`; no folder for models without a latent space.
        features: `metrics.json` and `features.svg`, in a folder `SET-BENCHMARK` for each evaluated set and each
            benchmark.
    """

    audit: Path
    models: Path
    samples: Path
    walks: Path
    features: Path


def write_report(
    folders: Folders,
    names: Sequence[str],
    evaluated: Sequence[str],
    benchmarks: Sequence[str],
    to: Path,
    *,
    profile: str = "",
) -> dict[str, Any]:
    """Write the folder `to`: `index.html`, `SET.html` for each set, and `report.json`.

    Args:
        folders: the inputs.
        names: the sets, in the order of the pages.
        evaluated: the sets whose discriminators were tested.
        benchmarks: the benchmarks on which each of them was tested.
        profile: name of the profile with the parameters; empty if it is not known.

    Returns:
        The content of `report.json`: `sets` (names), `not_upstream` (names of the sets that are not the original data)
        and `evaluations` (names as SET-BENCHMARK).

    Raises:
        BadParameters: the name of a set cannot be a file name, or an evaluated set is not among the sets.
        MissingInput: an input is missing.
        CorruptData: an input has wrong content.
    """
    _check_names(names, evaluated)
    to = Path(os.path.abspath(to))  # noqa: PTH100  (links are relative to this folder)
    sets = [_read_set(name, folders) for name in names]
    trained_on = {one.name: one.audit.source for one in sets}
    found = [
        evaluations.read_evaluation(folders.features / f"{model}-{name}", model, name, trained_on[model])
        for model in evaluated
        for name in benchmarks
    ]
    summary = {
        "sets": list(names),
        "not_upstream": [name for name, source in trained_on.items() if not source.upstream],
        "evaluations": [f"{entry.model}-{entry.name}" for entry in found],
    }
    environment = _environment()
    titles = {one.name: one.title for one in sets}
    pages = {INDEX: _index_page(environment, sets, found, folders, to, profile)}
    for one in sets:
        own = [entry for entry in found if entry.model == one.name]
        pages[one.name] = _set_page(environment, one, titles, own, folders, to)
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
            raise BadParameters(f"sets: {name}: cannot be the name of a page; rename the set")
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


def _index_page(
    environment: jinja2.Environment,
    sets: Sequence[tables.Set],
    found: Sequence[Evaluation],
    folders: Folders,
    to: Path,
    profile: str,
) -> str:
    """The page that compares all sets.

    It does not name the commit: the page is an output of the pipeline, and must not change if only the commit does.
    """
    shown = [
        {
            "set": one,
            "gallery": _gallery_link(one.name, folders, to),
            "grid": data_uris.png(folders.samples / one.name / "grid.png", "sample"),
            "kept": _kept_pictures(one, folders),
            "walk": one.walk
            and data_uris.first_rows(folders.walks / one.name / "walk.png", one.walk.rows, WALK_ROWS, "walk-latent"),
        }
        for one in sets
    ]
    return environment.get_template("index.html").render(
        titles={one.name: one.title for one in sets},
        current=None,
        banner=banner(sets, found),
        profile=profile,
        shown=shown,
        pictures=tables.pictures(sets),
        versions=tables.versions(sets),
        models=tables.models(sets),
        removals=tables.removals(sets),
        evaluations=found,
    )


def _set_page(
    environment: jinja2.Environment,
    one: tables.Set,
    titles: Mapping[str, str],
    found: Sequence[Evaluation],
    folders: Folders,
    to: Path,
) -> str:
    """The page of one set."""
    model = folders.models / one.name
    return environment.get_template("set.html").render(
        titles=titles,
        current=one.name,
        banner=banner([one], found),
        set=one,
        removals=tables.by_reason(one.audit),
        planted=tables.planted(one.audit),
        provenance=tables.provenance_table(
            [*tables.provenance(one), *(row for entry in found for row in evaluations.provenance(entry))]
        ),
        history=history_plot(read_history(model / "history.tsv")),
        epochs=[(epoch, data_uris.png(path, "train-dcgan")) for epoch, path in _chosen_epochs(model / "samples")],
        kept=_kept_pictures(one, folders),
        grid=data_uris.png(folders.samples / one.name / "grid.png", "sample"),
        walk=one.walk and data_uris.png(folders.walks / one.name / "walk.png", "walk-latent"),
        gallery=_gallery_link(one.name, folders, to),
        evaluations=[(entry, data_uris.svg(entry.folder / "features.svg", "evaluate-features")) for entry in found],
    )


def banner(sets: Sequence[tables.Set], found: Sequence[Evaluation]) -> str:
    """The warning at the top of a page: which of its data are not the original ones; empty if all are."""
    sources = {one.title: one.audit.source for one in sets} | {one.tested_on: one.source for one in found}
    drawn = [title for title, source in sources.items() if source.source == "miniature"]
    other = [title for title, source in sources.items() if source.source != "miniature" and not source.upstream]
    if not drawn and not other:
        return ""
    sentences = [f"Drawn pictures in place of the real data: {'; '.join(drawn)}."] if drawn else []
    sentences += [f"Not the original archive: {'; '.join(other)}."] if other else []
    no_photographs = "do not hold for photographs and " if drawn else ""
    sentences.append(f"Their figures test the pipeline; they {no_photographs}cannot be compared with the paper's.")
    return " ".join(sentences)


def _kept_pictures(one: tables.Set, folders: Folders) -> str:
    """The grid of kept pictures, cropped to the side of the samples, because training crops them in this way."""
    samples = data_uris.grid_side(folders.samples / one.name / "grid.png", one.samples.count, "sample")
    side = min(samples, one.audit.side)
    return data_uris.centre_crops(folders.audit / one.name / "kept.png", one.audit.side, side, "audit-duplicates")


def _gallery_link(name: str, folders: Folders, to: Path) -> str:
    """Link from a page to the gallery of a set."""
    gallery = folders.audit / name / "gallery.html"
    if not gallery.exists():
        raise MissingInput(f"{gallery}: no such page; run audit-duplicates again")
    return quote(Path(os.path.relpath(gallery, to)).as_posix())


def _chosen_epochs(folder: Path) -> list[tuple[int, Path]]:
    """The sample grids of the first and last epoch and of one after a third of the training."""
    grids = sorted(folder.glob("epoch-*.png"))
    if not grids:
        raise MissingInput(f"{folder}: no sample grids; train the model again")
    chosen = sorted({0, len(grids) // 3, len(grids) - 1})
    return [(int(grids[number].stem.removeprefix("epoch-")), grids[number]) for number in chosen]
