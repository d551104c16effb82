"""Write a gallery of the removed pictures, and metrics."""

from pathlib import Path
from typing import Annotated

import typer

from stages.common import (
    ImagesOption,
    JsonOption,
    ParamsOption,
    QuietOption,
    SetOption,
    ToOption,
    VersionOption,
    stage,
)

app = typer.Typer(add_completion=False)


@app.command()
def audit_duplicates(
    name: SetOption,
    parameters: ParamsOption,
    images: ImagesOption,
    codes: Annotated[Path, typer.Option(help="Folder that hash-images wrote.")],
    dedup: Annotated[Path, typer.Option(help="Folder that remove-duplicates wrote.")],
    raw: Annotated[Path, typer.Option(help="Folder that the download command wrote; planted.csv in it is optional.")],
    to: ToOption,
    verdicts: Annotated[
        Path | None, typer.Option(help="People's verdicts (CSV), for the estimates of pair samples.")
    ] = None,
    samples: Annotated[Path | None, typer.Option(help="Folder of pair samples; it need not exist.")] = None,
    pairs: Annotated[
        Path | None, typer.Option(help="Folder that find-pairs wrote, for scores; without it, similarity is used.")
    ] = None,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
    version: VersionOption = False,
) -> None:
    """Write a gallery of the removed pictures, and metrics."""
    with stage("audit-duplicates", quiet, as_json) as report:
        from pipeline.audit import audit_duplicates
        from pipeline.core.params import load_section

        section = load_section(parameters, f"audit.{name}", audit_duplicates.AuditConfig)
        folders = (images, codes, dedup, raw, section)
        summary = audit_duplicates.audit_duplicates(
            *folders, name=name, to=to, pairs=pairs, verdicts=verdicts, samples=samples
        )
        report(
            summary,
            f"{summary['removed']:,} removed pictures in {summary['groups']:,} groups, shown in {to / 'gallery.html'}; "
            "no picture was changed; next: add verdicts and run dcgan remove-duplicates again, or dcgan train-dcgan",
        )


if __name__ == "__main__":
    app()
