"""Train the denoising autoencoder (3072-128-3072) that computes the codes."""

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
    cls=Command, epilog="dcgan train-autoencoder --set lsun --images sets/lsun --seed 1 --to models/autoencoder"
)
def train_autoencoder(
    name: SetOption,
    parameters: ParamsOption,
    images: ImagesOption,
    seed: SeedOption,
    to: ToOption,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
    version: VersionOption = False,
) -> None:
    """Train the denoising autoencoder (3072-128-3072) that computes the codes."""
    with stage("train-autoencoder", quiet, as_json) as report:
        from pipeline.core.params import load_section
        from pipeline.dedup.encoder.autoencoder import AutoencoderConfig
        from pipeline.dedup.encoder.train_autoencoder import train_autoencoder

        section = load_section(parameters, f"dedup.{name}.autoencoder", AutoencoderConfig)
        summary = train_autoencoder(images, section, name=name, seed=seed, to=to)
        report(
            summary,
            f"{summary['steps']:,} steps on {summary['pictures']:,} pictures; loss "
            f"{summary['final_loss']:.4f}, {len(summary['constant_bits'])} of 128 bits are constant; "
            "next: dcgan hash-images",
        )


if __name__ == "__main__":
    app()
