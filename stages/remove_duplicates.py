"""Decide which pictures are kept: one of each group of duplicates."""

from pathlib import Path
from typing import Annotated

import typer

from stages.common import (
    Command,
    ImagesOption,
    JsonOption,
    ParamsOption,
    PreferOption,
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
    epilog="dcgan remove-duplicates --set lsun --images sets/lsun --codes codes/lsun --pairs pairs/lsun \\\n"
    "    --verdicts audit/lsun/verdicts.csv --to dedup/lsun",
)
def remove_duplicates(
    name: SetOption,
    parameters: ParamsOption,
    images: ImagesOption,
    codes: Annotated[Path, typer.Option(help="Result folder of hash-images.")],
    pairs: Annotated[Path, typer.Option(help="Result folder of find-pairs.")],
    verdicts: Annotated[Path, typer.Option(help="CSV file of people's verdicts.")],
    to: ToOption,
    originals: Annotated[
        Path | None, typer.Option(help="Result folder of compare-sources (needed if the profile has keep: original).")
    ] = None,
    prefer: PreferOption = None,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
    version: VersionOption = False,
) -> None:
    """Decide which pictures are kept: one of each group of duplicates."""
    with stage("remove-duplicates", quiet, as_json) as report:
        from pipeline.core.params import load_section
        from pipeline.dedup.decision import removal

        section = load_section(parameters, f"dedup.{name}.remove", removal.RemovalConfig)
        summary = removal.remove_duplicates(
            images, codes, pairs, verdicts, section, to, originals=originals, prefer=prefer or []
        )
        report(
            summary,
            f"{summary['kept']:,} of {summary['pictures']:,} pictures kept, {summary['removed']:,} removed in "
            f"{summary['groups']:,} groups; no picture file was deleted; next: dcgan audit-duplicates",
        )


if __name__ == "__main__":
    app()
