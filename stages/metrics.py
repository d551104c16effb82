"""Print the most important figures of each set."""

from pathlib import Path
from typing import Annotated

import typer

from pipeline.core.progress import link
from stages.common import Command, JsonOption, QuietOption, VersionOption, complete_set, new_app, stage

app = new_app()

COLLECT = "Write the figures of one set, for dvc repro"


@app.command(cls=Command, epilog="dcgan metrics\ndcgan metrics reports/paper --json")
def metrics(
    reports: Annotated[
        Path | None,
        typer.Argument(help="Folder of reports (default: reports/PROFILE, with the profile of params.yaml)."),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option("--set", autocompletion=complete_set, help="Name of the set.", rich_help_panel=COLLECT),
    ] = None,
    dedup: Annotated[
        Path | None, typer.Option(help="Result folder of remove-duplicates.", rich_help_panel=COLLECT)
    ] = None,
    probe: Annotated[
        Path | None, typer.Option(help="Result folder of probe-duplicates.", rich_help_panel=COLLECT)
    ] = None,
    to: Annotated[Path | None, typer.Option("--to", "-o", help="JSON file to write.", rich_help_panel=COLLECT)] = None,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
    version: VersionOption = False,
) -> None:
    """Print the most important figures of each set.

    False removals: the number of removals that are expected to be due to chance, and the upper end of its 95 %
    interval. Recall: the share of planted copies that the search finds, by known and by held-out transforms. Accuracy:
    of classifiers on the features of the trained network, and on those of the best untrained one. dvc metrics show
    prints the same figures.
    """
    if to and not (name and dedup and probe):
        raise typer.BadParameter("--to needs --set, --dedup and --probe as well")

    from pipeline import metrics as library
    from pipeline.core import files
    from pipeline.core.params import read_yaml

    with stage("metrics", quiet, as_json) as report:
        if to and dedup and probe:
            figures = library.collect(dedup, probe)
            files.write_json(to, figures)
            report(figures, f"{len(figures)} figures of {name} written to {link(to)}")
            return
        folder = reports or Path("reports") / str(read_yaml(Path("params.yaml")).get("profile"))
        found = library.read_all(folder)
        if not as_json:
            typer.echo(library.as_text(found))
        report(found, f"figures of {len(found['sets'])} sets in {link(folder)}")


if __name__ == "__main__":
    app()
