"""Train a DCGAN on the kept pictures."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from pipeline.core.progress import link
from stages.common import (
    Command,
    ImagesOption,
    JsonOption,
    ParamsOption,
    QuietOption,
    SeedOption,
    SetOption,
    ToOption,
    VersionOption,
    new_app,
    stage,
)

app = new_app()


@app.command(
    cls=Command,
    epilog="dcgan train-dcgan --set lsun --images sets/lsun --kept dedup/lsun/kept.npy --seed 1 \\\n"
    "    --to models/lsun",
)
def train_dcgan(
    name: SetOption,
    images: ImagesOption,
    kept: Annotated[Path, typer.Option(help="File kept.npy of remove-duplicates, which lists the rows to train on.")],
    seed: SeedOption,
    to: ToOption,
    params: ParamsOption,
    device: Annotated[
        Literal["auto", "cpu", "cuda"] | None,
        typer.Option(
            help="Device to train on; auto: a CUDA device if torch finds one, else the CPU.",
            show_default="value of the profile",
        ),
    ] = None,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
    version: VersionOption = False,
) -> None:
    """Train a DCGAN on the kept pictures."""
    from pipeline.core.params import load_section
    from pipeline.models.dcgan import train
    from pipeline.models.dcgan.config import DcganConfig

    with stage("train-dcgan", quiet, as_json) as report:
        config = load_section(params, f"dcgan.{name}.training", DcganConfig)
        summary = train.train(images, kept, config, name=name, seed=seed, to=to, device=device)
        last = summary["last"]
        report(
            summary,
            f"{summary['steps']:,} steps on {summary['data']['pictures']:,} pictures in {summary['epochs']} epochs; "
            f"last losses: D {last['d_loss']:.2f}, G {last['g_loss']:.2f}; "
            f"samples after each epoch in {link(to / 'samples')}; "
            f"next: dcgan sample or dcgan walk-latent",
        )


if __name__ == "__main__":
    app()
