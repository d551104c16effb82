"""Restore removed pictures: by key, by group, or all."""

from pathlib import Path
from typing import Annotated

import typer

from stages.common import JsonOption, QuietOption, VersionOption, stage

app = typer.Typer(add_completion=False)


@app.command()
def restore(
    dedup: Annotated[Path, typer.Option(help="Folder of the result, which has manifest.parquet.")],
    verdicts: Annotated[Path, typer.Option(help="People's verdicts (CSV); a line for each picture is added.")],
    key: Annotated[list[str] | None, typer.Option(help="Key of a picture; can be repeated.")] = None,
    group: Annotated[list[int] | None, typer.Option(help="Number of a group; can be repeated.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All removed pictures.")] = False,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
    version: VersionOption = False,
) -> None:
    """Restore removed pictures: by key, by group, or all."""
    with stage("restore", quiet, as_json) as report:
        from pipeline.dedup.decision import restore as library

        summary = library.restore(dedup, verdicts, keys=key or [], groups=group or [], everything=everything)
        report(
            summary,
            f"{summary['restored']:,} pictures restored by lines in {verdicts}; {summary['not_removed']:,} were not "
            "removed; no picture was changed; next: dvc repro, or dcgan dedup again",
        )


if __name__ == "__main__":
    app()
