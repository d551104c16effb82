"""Write HTML pages: one that compares the sets, and one for each set."""

from pathlib import Path
from typing import Annotated

import typer

from pipeline.core.progress import link
from stages.common import Command, JsonOption, QuietOption, ToOption, VersionOption, new_app, stage

app = new_app()


@app.command(
    cls=Command,
    epilog="dcgan write-report --sets-from params.yaml --audit reports/workstation/audit \\\n"
    "    --models models/workstation/dcgan --samples reports/workstation/samples \\\n"
    "    --walks reports/workstation/walk --features reports/workstation/features --to report",
)
def write_report(
    sets_from: Annotated[
        Path,
        typer.Option(
            help="YAML file with the lists `sets`, `evaluated` and `benchmarks`, and the name of the `profile`."
        ),
    ],
    audit: Annotated[
        Path, typer.Option(help="Folder of audits, with a folder (metrics.json, gallery.html) for each set.")
    ],
    models: Annotated[Path, typer.Option(help="Folder of trained DCGANs, with a folder for each set.")],
    samples: Annotated[Path, typer.Option(help="Folder of sample grids, with a folder for each set.")],
    walks: Annotated[Path, typer.Option(help="Folder of latent walks, with a folder for each set.")],
    features: Annotated[Path, typer.Option(help="Folder of evaluations, with a folder MODEL-BENCHMARK for each pair.")],
    to: ToOption,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
    version: VersionOption = False,
) -> None:
    """Write HTML pages: one that compares the sets, and one for each set."""
    from pipeline.core.params import read_names, read_yaml
    from pipeline.report import evaluations, page

    with stage("write-report", quiet, as_json) as report:
        evaluated, benchmarks = (evaluations.read_list(sets_from, key) for key in ("evaluated", "benchmarks"))
        folders = page.Folders(audit, models, samples, walks, features)
        names, profile = read_names(sets_from, "sets"), str(read_yaml(sets_from).get("profile") or "")
        summary = page.write_report(folders, names, evaluated, benchmarks, to, profile=profile)
        report(summary, f"report on {', '.join(summary['sets'])} written; open {link(to / 'index.html')} in a browser")


if __name__ == "__main__":
    app()
