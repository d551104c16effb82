"""Compute the 128-bit code of every picture."""

from pathlib import Path
from typing import Annotated

import typer

from stages.common import (
    Command,
    ImagesOption,
    JsonOption,
    QuietOption,
    ToOption,
    VersionOption,
    WorkersOption,
    new_app,
    stage,
)

app = new_app()


@app.command(cls=Command, epilog="dcgan hash-images --images sets/lsun --encoder models/autoencoder --to codes/lsun")
def hash_images(
    images: ImagesOption,
    encoder: Annotated[Path, typer.Option(help="Result folder of train-autoencoder.")],
    to: ToOption,
    workers: WorkersOption = None,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
    version: VersionOption = False,
) -> None:
    """Compute the 128-bit code of every picture."""
    with stage("hash-images", quiet, as_json) as report:
        from pipeline.core import engine
        from pipeline.dedup.encoder import codes

        summary = codes.hash_images(images, encoder, to, workers=workers or engine.default_workers())
        report(
            summary,
            f"{summary['count']:,} pictures hashed; {summary['distinct_codes']:,} different "
            f"codes, with at most {summary['effective_bits']:.0f} of 128 bits of information; next: dcgan find-pairs",
        )


if __name__ == "__main__":
    app()
