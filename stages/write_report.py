"""HTML pages: the sets compared, and one of each, with how each number was made."""

from pathlib import Path
from typing import Annotated

import typer

from stages.common import JsonOption, QuietOption, ToOption, VersionOption, stage

app = typer.Typer(add_completion=False)


@app.command()
def write_report(
    sets_from: Annotated[Path, typer.Option(help="YAML file that lists `sets`, `evaluated` and `benchmarks`.")],
    audit: Annotated[Path, typer.Option(help="Folder of audits, one folder a set (metrics.json, gallery.html).")],
    models: Annotated[Path, typer.Option(help="Folder of trained DCGANs, one folder a set.")],
    samples: Annotated[Path, typer.Option(help="Folder of sample grids, one folder a set.")],
    walks: Annotated[Path, typer.Option(help="Folder of latent walks, one folder a set.")],
    features: Annotated[Path, typer.Option(help="Folder of evaluations, one folder MODEL-BENCHMARK each.")],
    to: ToOption,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
    version: VersionOption = False,
) -> None:
    """HTML pages: the sets compared, and one of each, with how each number was made."""
    from pipeline.core.params import read_names
    from pipeline.report import evaluations, page

    with stage("write-report", quiet, as_json) as report:
        evaluated, benchmarks = (evaluations.listed(sets_from, key) for key in ("evaluated", "benchmarks"))
        folders = page.Folders(audit, models, samples, walks, features)
        summary = page.write_report(folders, read_names(sets_from, "sets"), evaluated, benchmarks, to)
        report(summary, f"{', '.join(summary['sets'])}; open {to / 'index.html'} in a browser")


if __name__ == "__main__":
    app()
