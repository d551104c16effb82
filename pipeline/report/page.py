"""One self-contained HTML page: samples, walks, removals, and how each number was made."""

import base64
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2

from pipeline import files
from pipeline.errors import MissingInput
from pipeline.report import tables
from pipeline.report.plots import history_plot


@dataclass(frozen=True)
class Folders:
    """Where the parts of the report lie; each folder has one folder per set.

    Attributes:
        audit: `metrics.json`, `kept.png` and `gallery.html`.
        models: trained DCGANs: `model.json`, `history.tsv`, `samples/`.
        samples: `grid.png`, `samples.json`.
        walks: `walk.png`, `walk.json`.
    """

    audit: Path
    models: Path
    samples: Path
    walks: Path


def write_report(folders: Folders, names: Sequence[str], to: Path) -> dict[str, Any]:
    """Write the page.

    Args:
        folders: what to show.
        names: the sets, in the order of the page.
        to: the HTML file; its links to the galleries are relative.

    Returns:
        `sets`: their names; `stand_in`: those whose pictures are not the paper's.

    Raises:
        MissingInput: a part of a set is missing.
    """
    sets = [_one_set(name, folders, to.parent) for name in names]
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("pipeline.report"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["share"] = tables.share
    files.write_text(to, environment.get_template("report.html").render(sets=sets))
    return {"sets": list(names), "stand_in": [s["name"] for s in sets if not s["metrics"]["source"]["upstream"]]}


def _one_set(name: str, folders: Folders, page_folder: Path) -> dict[str, Any]:
    """All that the template needs of one set."""
    metrics = files.read_json(folders.audit / name / "metrics.json")
    model = files.read_json(folders.models / name / "model.json")
    samples = files.read_json(folders.samples / name / "samples.json")
    walk = files.read_json(folders.walks / name / "walk.json")
    return {
        "name": name,
        "metrics": metrics,
        "model": model,
        "samples": samples,
        "planted": tables.planted_rows(metrics),
        "provenance": tables.provenance(metrics, model, samples, walk),
        "history": history_plot(folders.models / name / "history.tsv"),
        "epochs": [(epoch, _picture(path)) for epoch, path in _chosen_epochs(folders.models / name / "samples")],
        "kept": _picture(folders.audit / name / "kept.png"),
        "grid": _picture(folders.samples / name / "grid.png"),
        "walk_grid": _picture(folders.walks / name / "walk.png"),
        "gallery": Path(os.path.relpath(folders.audit / name / "gallery.html", page_folder)).as_posix(),
    }


def _chosen_epochs(folder: Path) -> list[tuple[int, Path]]:
    """The first epoch's sample grid, one a third of the way, and the last: how the samples came to be."""
    grids = sorted(folder.glob("epoch-*.png"))
    if not grids:
        raise MissingInput(f"{folder}: no sample grids here; run train-dcgan again")
    chosen = sorted({0, len(grids) // 3, len(grids) - 1})
    return [(int(grids[number].stem.removeprefix("epoch-")), grids[number]) for number in chosen]


def _picture(path: Path) -> str:
    """A PNG as a data URI, so that the page is one file."""
    if not path.exists():
        raise MissingInput(f"{path}: no such picture; run the command that makes it again")
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode()
