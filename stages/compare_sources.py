"""Compare the sources of duplicates: which picture of a group is the original."""

from pathlib import Path
from typing import Annotated

import typer

from stages.common import (
    ArchivesOption,
    Command,
    ImagesOption,
    JsonOption,
    QuietOption,
    SourceOption,
    ToOption,
    VersionOption,
    WorkersOption,
    new_app,
    stage,
)

app = new_app()


@app.command(
    cls=Command,
    epilog="dcgan compare-sources --images sets/lsun --pairs pairs/lsun \\\n"
    "    --source photos.zip --to originals/lsun",
)
def compare_sources(
    images: ImagesOption,
    pairs: Annotated[Path, typer.Option(help="Result folder of find-pairs.")],
    source: SourceOption,
    to: ToOption,
    archives: ArchivesOption = None,
    workers: WorkersOption = None,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
    version: VersionOption = False,
) -> None:
    """Compare the sources of duplicates: which picture of a group is the original."""
    with stage("compare-sources", quiet, as_json) as report:
        from pipeline.core import engine
        from pipeline.dedup.originals import compare_sources

        summary = compare_sources.compare_sources(
            images,
            pairs,
            [(source, archives)],
            workers=workers or engine.default_workers(),
            to=to,
        )
        report(
            summary,
            f"{summary['pictures']:,} pictures in {summary['groups']:,} groups compared; next: dcgan remove-duplicates",
        )


if __name__ == "__main__":
    app()
