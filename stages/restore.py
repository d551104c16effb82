"""Restore removed pictures: by key, by group, or all."""

from pathlib import Path
from typing import Annotated

import typer

from pipeline.core.progress import link
from stages.common import Command, JsonOption, QuietOption, VersionOption, new_app, stage

app = new_app()


@app.command(cls=Command, epilog="dcgan restore --dedup found --key holiday/0123.jpg")
def restore(
    dedup: Annotated[Path, typer.Option(help="Result folder of dedup or remove-duplicates.")],
    verdicts: Annotated[
        Path | None,
        typer.Option(
            help="CSV file of people's verdicts; one line is added for each restored picture (default: the verdicts of "
            "the result)."
        ),
    ] = None,
    key: Annotated[
        list[str] | None,
        typer.Option(
            help="Key of a picture to restore, as in the column key of removed.csv; can be repeated.",
            rich_help_panel="Pictures to restore",
        ),
    ] = None,
    group: Annotated[
        list[int] | None,
        typer.Option(help="Number of a group to restore; can be repeated.", rich_help_panel="Pictures to restore"),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Restore all removed pictures.", rich_help_panel="Pictures to restore")
    ] = False,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
    version: VersionOption = False,
) -> None:
    """Restore removed pictures: by key, by group, or all."""
    with stage("restore", quiet, as_json) as report:
        from pipeline.dedup.decision import restore as library
        from pipeline.dedup.results.result_folders import find_verdicts

        verdicts = find_verdicts(dedup, verdicts)
        summary = library.restore(dedup, verdicts, keys=key or [], groups=group or [], everything=everything)
        report(
            summary,
            f"{summary['restored']:,} pictures restored by new lines in {link(verdicts)}; {summary['not_removed']:,} "
            "had not been removed; no picture was changed; next: run dvc repro, or dcgan dedup again",
        )


if __name__ == "__main__":
    app()
