"""Decide which pictures stay, one of each group of duplicates."""

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
def remove_duplicates(
    name: SetOption,
    parameters: ParamsOption,
    images: ImagesOption,
    codes: Annotated[Path, typer.Option(help="Folder that hash-images wrote.")],
    pairs: Annotated[Path, typer.Option(help="Folder that find-pairs wrote.")],
    verdicts: Annotated[Path, typer.Option(help="People's verdicts (CSV).")],
    to: ToOption,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
    version: VersionOption = False,
) -> None:
    """Decide which pictures stay, one of each group of duplicates."""
    with stage("remove-duplicates", quiet, as_json) as report:
        from pipeline.core.params import load_section
        from pipeline.dedup.decision import removal

        section = load_section(parameters, f"dedup.{name}.remove", removal.RemovalConfig)
        summary = removal.remove_duplicates(images, codes, pairs, verdicts, section, to)
        report(
            summary,
            f"{summary['kept']:,} of {summary['pictures']:,} pictures stay, left out: {summary['removed']:,} (groups: "
            f"{summary['groups']:,}); no picture was deleted; next: dcgan audit-duplicates",
        )


if __name__ == "__main__":
    app()
