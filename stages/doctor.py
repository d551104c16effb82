"""Check the profile, the archives, the disk space and the GPU before other commands run."""

from pathlib import Path
from typing import Annotated

import typer

from stages.common import Command, JsonOption, QuietOption, VersionOption, new_app, stage

app = new_app()
LISTS = Path("params.yaml")


@app.command(cls=Command, epilog="dcgan doctor\ndcgan doctor --params profiles/paper.yaml")
def doctor(
    params: Annotated[
        Path | None,
        typer.Option(help="Profile to check (default: the one that params.yaml names, else the workstation profile)."),
    ] = None,
    sets_from: Annotated[
        Path | None,
        typer.Option(
            help="YAML file with the lists of the sets to check (default: params.yaml in this folder; without it, all "
            "sets of the profile are checked)."
        ),
    ] = None,
    archives: Annotated[Path, typer.Option(help="Folder that has a folder of archives for each set.")] = Path(
        "data/archives"
    ),
    to: Annotated[
        Path | None, typer.Option("--to", "-o", help="File to write if everything is ready, for dvc repro.")
    ] = None,
    features: Annotated[
        Path | None,
        typer.Option(
            help="Create this folder for the evaluations, with a note in it, "
            "so that it exists even if nothing is evaluated."
        ),
    ] = None,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
    version: VersionOption = False,
) -> None:
    """Check the profile, the archives, the disk space and the GPU before other commands run.

    All sections of all sets are checked, also those of later commands. The last line says whether a run can start. The
    exit status is 1 if something is missing or wrong.
    """
    from pipeline.core import files, progress
    from pipeline.setup.diagnosis import FEATURES_NOTE, diagnose

    with stage("doctor", quiet, as_json) as report:
        lists = sets_from or (LISTS if LISTS.exists() else None)
        found = diagnose(params, lists, archives=archives, work=to.parent if to else Path.cwd())
        progress.say(found.as_text())
        if found.problems:
            typer.echo("\n".join(f"problem          {text}" for text in found.problems), err=True)
        report(found.as_json(), found.verdict())
        if not found.ready:
            raise typer.Exit(1)
        if to:
            # The content is constant; otherwise DVC would rerun all downloads after every change of a parameter.
            files.write_json(to, {"ready": True})
        if features:
            files.write_text(features / "README.md", FEATURES_NOTE)


if __name__ == "__main__":
    app()
