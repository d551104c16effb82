"""Check the device, the disk space and the archives before other commands run."""

from pathlib import Path
from typing import Annotated

import typer

from stages.common import JsonOption, ParamsOption, QuietOption, VersionOption, stage

app = typer.Typer(add_completion=False)


@app.command()
def doctor(
    params: ParamsOption,
    sets_from: Annotated[
        Path | None,
        typer.Option(help="YAML file whose key `sets` lists the sets to check (default: all sets of the profile)."),
    ] = None,
    archives: Annotated[Path, typer.Option(help="Folder that has a folder of archives for each set.")] = Path(
        "data/archives"
    ),
    to: Annotated[
        Path | None,
        typer.Option(
            "--to",
            "-o",
            help="File to write if everything is ready; otherwise the command fails. Without --to, print an overview.",
        ),
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
    """Check the device, the disk space and the archives before other commands run."""
    from pipeline.acquire import preflight
    from pipeline.core import files
    from pipeline.core.params import read_names

    with stage("doctor", quiet, as_json) as report:
        names = read_names(sets_from or params, "sets" if sets_from else "acquire")
        if to is None:
            found = preflight.overview(params, names, archives)
            report(found, "\n" + preflight.as_text(found))
            return
        benchmarks = read_names(sets_from, "benchmarks") if sets_from else []
        preflight.check_all(params, names, benchmarks, archives=archives, work=to.parent)
        # The content is constant, because DVC would otherwise rerun all downloads after every change of a parameter.
        stamp = {"ready": True}
        files.write_json(to, stamp)
        if features:
            files.write_text(features / "README.md", preflight.FEATURES_NOTE)
        report(stamp, f"{', '.join(names)}: all archives exist and the disk has enough free space; written: {to}")


if __name__ == "__main__":
    app()
