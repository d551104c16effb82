"""Photographs to faces: found by OpenCV, cut out with a margin, 128×128."""

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
def crop_faces(
    name: SetOption,
    raw: Annotated[Path, typer.Option(help="Raw folder that download-faces made.")],
    archives: Annotated[Path, typer.Option(help="The set's folder of archives, for pictures that are read in place.")],
    to: ToOption,
    params: ParamsOption,
    workers: WorkersOption = None,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
    version: VersionOption = False,
) -> None:
    """Photographs to faces: found by OpenCV, cut out with a margin, 128×128."""
    from pipeline.core import engine
    from pipeline.core.params import load_section
    from pipeline.prepare.faces.face_crops import FacesConfig, make_faces

    with stage("crop-faces", quiet, as_json) as report:
        section = load_section(params, f"prepare.{name}", FacesConfig)
        counts = make_faces(
            "faces", section, raw=raw, archives=archives, to=to, workers=workers or engine.default_workers()
        )
        report(
            counts,
            f"{counts['pictures']:,} faces, {section.side}×{section.side}, from {counts['sources']:,} photos; "
            f"{counts['bad']:,} unreadable photos and {counts['filtered']:,} without a face are listed in "
            f"{to}/skipped.parquet, with the faces that are too small; originals untouched; "
            "next: dcgan train-autoencoder",
        )


if __name__ == "__main__":
    app()
