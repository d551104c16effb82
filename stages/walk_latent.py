"""Generate pictures along lines between random latents, as in Figure 4 of the paper."""

from pathlib import Path
from typing import Annotated

import typer

from pipeline.core.progress import link
from stages.common import (
    Command,
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


@app.command(cls=Command, epilog="dcgan walk-latent --set lsun --model models/lsun --seed 1 --to walks/lsun")
def walk_latent(
    name: SetOption,
    model: Annotated[
        Path, typer.Option(help="Folder of a trained model whose family (for example dcgan) has a latent space.")
    ],
    seed: SeedOption,
    to: ToOption,
    params: ParamsOption,
    label: Annotated[
        int | None, typer.Option(min=0, help="Class of all pictures, for a model that was trained with classes.")
    ] = None,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
    version: VersionOption = False,
) -> None:
    """Generate pictures along lines between random latents, as in Figure 4 of the paper."""
    from pipeline.core.params import load_section
    from pipeline.figures import latent_walk

    with stage("walk-latent", quiet, as_json) as report:
        parameters = load_section(params, f"figures.{name}.latent_walk", latent_walk.LatentWalkConfig)
        summary = latent_walk.walk(model, parameters, name=name, seed=seed, to=to, label=label)
        report(
            summary,
            f"{summary['rows']} rows of {summary['columns']} pictures in {link(to / 'walk.png')}; from one "
            f"picture to the next, pixel values change by "
            f"{summary['smoothness']['mean_step']:.1f} of 255 on average; next: dcgan write-report",
        )


if __name__ == "__main__":
    app()
