"""Scenes to an image set: short side to 64, centre crop."""

from pathlib import Path
from typing import Annotated

import typer

from stages.common import (
    JsonOption,
    ParamsOption,
    QuietOption,
    SetOption,
    ToOption,
    VersionOption,
    WorkersOption,
    stage,
)

app = typer.Typer(add_completion=False)


@app.command()
def crop_scenes(
    name: SetOption,
    raw: Annotated[Path, typer.Option(help="Raw folder that download-lsun made.")],
    archives: Annotated[Path, typer.Option(help="The set's folder of archives, for pictures that are read in place.")],
    to: ToOption,
    params: ParamsOption,
    workers: WorkersOption = None,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
    version: VersionOption = False,
) -> None:
    """Scenes to an image set: short side to 64, centre crop."""
    from pipeline.core import engine
    from pipeline.core.params import load_section
    from pipeline.prepare.squares import SquaresConfig, make_squares

    with stage("crop-scenes", quiet, as_json) as report:
        section = load_section(params, f"prepare.{name}", SquaresConfig)
        counts = make_squares(
            "lsun", section, raw=raw, archives=archives, to=to, workers=workers or engine.default_workers()
        )
        report(
            counts,
            f"{counts['pictures']:,} of {counts['sources']:,} pictures cut to {section.side}×{section.side}; "
            f"{counts['bad']:,} unreadable and {counts['filtered']:,} left out are listed in {to}/skipped.parquet; "
            "originals untouched; next: dcgan train-autoencoder",
        )


if __name__ == "__main__":
    app()
