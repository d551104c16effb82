"""One HTML page: samples, walks, removals, and how each number was made."""

from pathlib import Path
from typing import Annotated

import typer

from stages.common import JsonOption, QuietOption, ToOption, VersionOption, stage

app = typer.Typer(add_completion=False)


@app.command()
def write_report(
    sets_from: Annotated[Path, typer.Option(help="YAML file whose key `sets` lists the sets to show.")],
    audit: Annotated[Path, typer.Option(help="Folder of audits, one folder a set (metrics.json, gallery.html).")],
    models: Annotated[Path, typer.Option(help="Folder of trained DCGANs, one folder a set.")],
    samples: Annotated[Path, typer.Option(help="Folder of sample grids, one folder a set.")],
    walks: Annotated[Path, typer.Option(help="Folder of latent walks, one folder a set.")],
    to: ToOption,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
    version: VersionOption = False,
) -> None:
    """One HTML page: samples, walks, removals, and how each number was made."""
    from pipeline.params import read_names
    from pipeline.report import page

    with stage("write-report", quiet, as_json) as report:
        summary = page.write_report(page.Folders(audit, models, samples, walks), read_names(sets_from, "sets"), to)
        report(summary, f"{', '.join(summary['sets'])}; open {to} in a browser")


if __name__ == "__main__":
    app()
