"""Generate pictures with a trained model: a grid and single files."""

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


@app.command(cls=Command, epilog="dcgan sample --set lsun --model models/lsun --seed 1 --to samples/lsun")
def sample(
    name: SetOption,
    model: Annotated[Path, typer.Option(help="Folder of a trained model of any family (for example dcgan).")],
    seed: SeedOption,
    to: ToOption,
    params: ParamsOption,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
    version: VersionOption = False,
) -> None:
    """Generate pictures with a trained model: a grid and single files."""
    from pipeline.core.params import load_section
    from pipeline.figures import samples

    with stage("sample", quiet, as_json) as report:
        parameters = load_section(params, f"figures.{name}.samples", samples.SamplesConfig)
        summary = samples.sample(model, parameters, name=name, seed=seed, to=to)
        report(
            summary,
            f"{summary['count']} pictures in "
            f"{link(to / 'grid.png')}, {summary['singles']} of them also in single files; "
            f"next: dcgan walk-latent or dcgan write-report",
        )


if __name__ == "__main__":
    app()
