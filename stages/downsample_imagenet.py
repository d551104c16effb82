"""ImageNet to an image set: 32×32 min-resize centre crops."""

import typer

from stages.common import (
    ArchivesOption,
    JsonOption,
    ParamsOption,
    QuietOption,
    SetOption,
    SourceOption,
    ToOption,
    VersionOption,
    WorkersOption,
    stage,
)

app = typer.Typer(add_completion=False)


@app.command()
def downsample_imagenet(
    source: SourceOption,
    to: ToOption,
    params: ParamsOption,
    name: SetOption = "imagenet",
    archives: ArchivesOption = None,
    workers: WorkersOption = None,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
    version: VersionOption = False,
) -> None:
    """ImageNet to an image set: 32×32 min-resize centre crops."""
    from pipeline.core import engine
    from pipeline.core.params import load_section
    from pipeline.prepare.squares import SquaresConfig, make_squares

    with stage("downsample-imagenet", quiet, as_json) as report:
        section = load_section(params, f"prepare.{name}", SquaresConfig)
        counts = make_squares(
            "imagenet", section, source=source, archives=archives, to=to, workers=workers or engine.default_workers()
        )
        report(
            counts,
            f"{counts['pictures']:,} of {counts['sources']:,} pictures cut to {section.side}×{section.side}; "
            f"{counts['bad']:,} unreadable and {counts['filtered']:,} left out are listed in {to}/skipped.parquet; "
            "originals untouched; next: dcgan train-autoencoder",
        )


if __name__ == "__main__":
    app()
