"""Train a DCGAN on the kept pictures, or on all pictures of an image set."""

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
    VersionOption,
    complete_set,
    new_app,
    stage,
)

app = new_app()

OPTIONS = "Instead of the values of the profile or the preset"


@app.command(
    cls=Command,
    epilog="dcgan train-dcgan --set lsun --images sets/lsun --kept dedup/lsun/kept.npy --seed 1 \\\n"
    "    --to models/lsun\n"
    "dcgan train-dcgan --images sets/flowers --preset imagenet32 --base-width 32 --epochs 10 --to models/flowers\n"
    "dcgan train-dcgan --images sets/flowers --preset imagenet32 --dry-run",
)
def train_dcgan(
    params: ParamsOption,
    images: ImagesOption,
    name: Annotated[
        str | None,
        typer.Option(
            "--set",
            autocompletion=complete_set,
            help="Name of the set, which selects its section of the profile; without it, --preset is needed.",
        ),
    ] = None,
    to: Annotated[
        Path | None, typer.Option("--to", "-o", help="Folder to write the result to; not needed for --dry-run.")
    ] = None,
    kept: Annotated[
        Path | None,
        typer.Option(
            help="File kept.npy of remove-duplicates, which lists the rows to train on.", show_default="all pictures"
        ),
    ] = None,
    seed: SeedOption = 1,
    preset: Annotated[
        str | None, typer.Option(help="Which networks, such as paper64 or imagenet32.", rich_help_panel=OPTIONS)
    ] = None,
    base_width: Annotated[
        int | None, typer.Option(help="Channels of the layer next to the image.", rich_help_panel=OPTIONS)
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the pictures.", rich_help_panel=OPTIONS)] = None,
    batch_size: Annotated[
        int | None, typer.Option(help="Pictures of a minibatch, of all processes together.", rich_help_panel=OPTIONS)
    ] = None,
    on_divergence: Annotated[
        Literal["stop", "rewind"] | None,
        typer.Option(
            help="If training diverges, stop, or go back to an earlier checkpoint and train on with other random "
            "numbers (three times at most).",
            rich_help_panel=OPTIONS,
        ),
    ] = None,
    device: Annotated[
        Literal["auto", "cpu", "cuda"] | None,
        typer.Option(
            help="Device to train on; auto: a CUDA device if torch finds one, else the CPU.", rich_help_panel=OPTIONS
        ),
    ] = None,
    checkpoint_minutes: Annotated[
        float, typer.Option(min=0.0, help="Maximum time between checkpoints; it does not change the result.")
    ] = 10.0,
    tensorboard: Annotated[
        Path | None, typer.Option(help="Also write curves for TensorBoard to this folder (extra `tensorboard`).")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show options, memory and time after a few steps; write nothing.")
    ] = False,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
    version: VersionOption = False,
) -> None:
    """Train a DCGAN on the kept pictures, or on all pictures of an image set.

    Ctrl-C or SIGTERM stops after the current step and its checkpoint; the same command continues. For several GPUs or
    processes: torchrun --nproc-per-node N -m stages train-dcgan, followed by the options.
    """
    with stage("train-dcgan", quiet, as_json) as report:
        from pipeline.core.errors import BadParameters
        from pipeline.core.params import load_section
        from pipeline.models.dcgan import dry_run as dry
        from pipeline.models.dcgan import train
        from pipeline.models.dcgan.config import DcganConfig, defaults, replaced

        given = {
            "preset": preset,
            "base_width": base_width,
            "epochs": epochs,
            "batch_size": batch_size,
            "on_divergence": on_divergence,
        }
        section = load_section(params, f"dcgan.{name}.training", DcganConfig) if name else defaults(preset)
        config = replaced(section, given)
        name = name or "pictures"
        if dry_run:
            found = dry.dry_run(images, kept, config, name=name, seed=seed, device=device)
            if not as_json:
                typer.echo(dry.as_text(found))
            report(found, "nothing was written; next: the same command without --dry-run")
            return
        if to is None:
            raise BadParameters("--to: missing; give the folder to write the model to")
        summary = train.train(
            images,
            kept,
            config,
            name=name,
            seed=seed,
            to=to,
            device=device,
            checkpoint_minutes=checkpoint_minutes,
            tensorboard=tensorboard,
        )
        if not summary:  # a process of torchrun that does not write
            return
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
