"""Make a gallery of the removed pictures and estimate the rate of false removals."""

from pathlib import Path
from typing import Annotated

import typer

from pipeline.core.progress import link
from stages.common import (
    Command,
    ImagesOption,
    JsonOption,
    ParamsOption,
    QuietOption,
    SetOption,
    ToOption,
    VersionOption,
    new_app,
    stage,
)

app = new_app()


@app.command(
    cls=Command,
    epilog="dcgan audit-duplicates --set lsun --images sets/lsun --codes codes/lsun --dedup dedup/lsun \\\n"
    "    --raw raw/lsun --to audit/lsun",
)
def audit_duplicates(
    name: SetOption,
    parameters: ParamsOption,
    images: ImagesOption,
    codes: Annotated[Path, typer.Option(help="Result folder of hash-images.")],
    dedup: Annotated[Path, typer.Option(help="Result folder of remove-duplicates.")],
    raw: Annotated[
        Path,
        typer.Option(
            help="Result folder of the download command. If it contains planted.csv, the list of "
            "the copies that draw-miniature planted, the command counts how many of them were found."
        ),
    ],
    to: ToOption,
    verdicts: Annotated[
        Path | None, typer.Option(help="CSV file of people's verdicts, for estimates from pair samples.")
    ] = None,
    samples: Annotated[Path | None, typer.Option(help="Folder of pair samples, which need not exist.")] = None,
    pairs: Annotated[
        Path | None,
        typer.Option(
            help="Result folder of find-pairs, for the scores of pairs; without it, the similarity of codes is used."
        ),
    ] = None,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
    version: VersionOption = False,
) -> None:
    """Make a gallery of the removed pictures and estimate the rate of false removals."""
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
            f"{summary['removed']:,} removed pictures in {summary['groups']:,} groups, shown in "
            f"{link(to / 'gallery.html')}; "
            "no picture was changed; "
            "next: add verdicts and run dcgan remove-duplicates again, or run dcgan train-dcgan",
        )


if __name__ == "__main__":
    app()
