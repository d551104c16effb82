"""Show and count what was removed: a gallery and metrics."""

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
    raw: Annotated[Path, typer.Option(help="Folder that the download command wrote; may hold planted truth.")],
    to: ToOption,
    verdicts: Annotated[Path | None, typer.Option(help="People's verdicts (CSV), for the draws they judged.")] = None,
    samples: Annotated[Path | None, typer.Option(help="Folder of those draws, if there are any.")] = None,
    pairs: Annotated[
        Path | None, typer.Option(help="Folder that find-pairs wrote, for the scores; similarity, if not given.")
    ] = None,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
    version: VersionOption = False,
) -> None:
    """Show and count what was removed: a gallery and metrics."""
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
            f"removed pictures: {summary['removed']:,} (groups: {summary['groups']:,}), shown in "
            f"{to / 'gallery.html'}; originals untouched; next: judge them in verdicts.csv and run "
            "dcgan remove-duplicates again, or go on with dcgan train-dcgan",
        )


if __name__ == "__main__":
    app()
