"""Generate pictures with a trained model: a grid, an array or a folder."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from pipeline.core.progress import link
from stages.common import (
    Command,
    JsonOption,
    ParamsOption,
    QuietOption,
    SeedOption,
    ToOption,
    VersionOption,
    complete_set,
    new_app,
    stage,
)

app = new_app()

_VALUE = "value of the profile with --set, else"


@app.command(
    cls=Command,
    epilog="dcgan sample --model models/lsun --seed 1 --to samples/lsun\n"
    "dcgan sample --model models/lsun --seed 1 --count 50000 --format npy --to samples/lsun-50000",
)
def sample(
    model: Annotated[Path, typer.Option(help="Folder of a trained model of any family (for example dcgan).")],
    seed: SeedOption,
    to: ToOption,
    params: ParamsOption,
    name: Annotated[
        str | None,
        typer.Option(
            "--set",
            autocompletion=complete_set,
            help="Name of the set: its section figures.SET.samples of the profile has the values of the options that "
            "are not given, and its name is mixed into the seed. Without it, no profile is read.",
        ),
    ] = None,
    count: Annotated[int | None, typer.Option(min=1, help="Number of pictures.", show_default=f"{_VALUE} 64")] = None,
    form: Annotated[
        Literal["grid", "npy", "folder"],
        typer.Option(
            "--format",
            help="grid: grid.png, one picture. npy: samples.npy, uint8 (count, height, width, channels), with "
            "labels.npy if the model has classes. folder: pictures/NUMBER.png, in subfolders by class if the model "
            "has classes.",
        ),
    ] = "grid",
    singles: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="With a grid, how many pictures, from the first, are also written as single files.",
            show_default=f"{_VALUE} 0",
        ),
    ] = None,
    label: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Class of all pictures, for a model that was trained with classes.",
            show_default="the classes take turns",
        ),
    ] = None,
    device: Annotated[
        Literal["auto", "cpu", "cuda"],
        typer.Option(help="Device to generate on; auto: a CUDA device if torch finds one, else the CPU."),
    ] = "cpu",
    threads: Annotated[
        int | None,
        typer.Option(min=1, help="Threads of torch; they can change a picture slightly.", show_default=f"{_VALUE} 2"),
    ] = None,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
    version: VersionOption = False,
) -> None:
    """Generate pictures with a trained model: a grid, an array or a folder."""
    from pipeline.core.params import changed, load_section
    from pipeline.figures import samples

    with stage("sample", quiet, as_json) as report:
        usual = load_section(params, f"figures.{name}.samples", samples.SamplesConfig) if name else samples.USUAL
        given = {"count": count, "singles": singles, "threads": threads}
        config = changed(usual, {key: value for key, value in given.items() if value is not None}, "options")
        summary = samples.sample(model, config, name=name, seed=seed, to=to, form=form, label=label, device=device)
        made = {"grid": "grid.png", "npy": "samples.npy", "folder": "pictures"}[form]
        singly = f", {config.singles} of them also in single files" if form == "grid" and config.singles else ""
        report(
            summary,
            f"{summary['count']:,} pictures in {link(to / made)}{singly}; "
            "next: dcgan walk-latent or dcgan write-report",
        )


if __name__ == "__main__":
    app()
