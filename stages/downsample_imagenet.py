"""Make an image set of ImageNet: resize the short side to 32 pixels, crop the centre."""

from pipeline.core.progress import link
from stages.common import (
    ArchivesOption,
    Command,
    JsonOption,
    ParamsOption,
    QuietOption,
    SetOption,
    SourceOption,
    ToOption,
    VersionOption,
    WorkersOption,
    new_app,
    stage,
)

app = new_app()


@app.command(cls=Command, epilog="dcgan downsample-imagenet --source ILSVRC2012_img_train.tar --to sets/imagenet")
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
    """Make an image set of ImageNet: resize the short side to 32 pixels, crop the centre."""
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
            f"{counts['pictures']:,} of {counts['sources']:,} pictures cropped to {section.side}×{section.side}; "
            f"{counts['bad']:,} unreadable and {counts['filtered']:,} left out are listed in "
            f"{link(to / 'skipped.parquet')}; "
            "the originals were only read; next: dcgan train-autoencoder",
        )


if __name__ == "__main__":
    app()
