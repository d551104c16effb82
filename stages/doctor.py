"""Check device, disk and archives before anything runs."""

from pathlib import Path
from typing import Annotated

import typer

from stages.common import JsonOption, ParamsOption, QuietOption, VersionOption, stage

app = typer.Typer(add_completion=False)


@app.command()
def doctor(
    params: ParamsOption,
    name: Annotated[
        str | None, typer.Option("--set", help="The set to check; without it, an overview of machine and all sets.")
    ] = None,
    archives: Annotated[
        Path, typer.Option(help="The set's folder of archives; for the overview, the folder above those of all sets.")
    ] = Path("data/archives"),
    to: Annotated[
        Path | None, typer.Option("--to", "-o", help="Where to note that the set is ready; needed with --set.")
    ] = None,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
    version: VersionOption = False,
) -> None:
    """Check device, disk and archives before anything runs."""
    from pipeline import files
    from pipeline.acquire import readiness

    if (name is None) != (to is None):
        raise typer.BadParameter("--set and --to belong together")
    with stage("doctor", quiet, as_json) as report:
        if name is None or to is None:
            found = readiness.overview(params, archives)
            report(found, "\n" + readiness.as_text(found))
            return
        readiness.check_ready(params, name, archives=archives, work=to.parent)
        # Nothing that a parameter can change stands in the note: else every change would rerun the download.
        stamp = {"ready": True, "set": name}
        files.write_json(to, stamp)
        report(stamp, f"{name} is ready: archive and disk are there; nothing was written but {to}; next: the download")


if __name__ == "__main__":
    app()
