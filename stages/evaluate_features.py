"""Classify a benchmark with an L2-SVM on the features of a trained discriminator."""

from pathlib import Path
from typing import Annotated

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
    epilog="dcgan evaluate-features --set cifar10 --model models/imagenet --images sets/imagenet \\\n"
    "    --kept dedup/imagenet/kept.npy --benchmark benchmarks/cifar10 --seed 1 \\\n"
    "    --to features/imagenet-cifar10",
)
def evaluate_features(
    name: SetOption,
    model: Annotated[
        Path, typer.Option(help="Folder of a trained model whose family (for example dcgan) has features.")
    ],
    images: ImagesOption,
    kept: Annotated[
        Path,
        typer.Option(help="File kept.npy of remove-duplicates, which lists the rows that the model was trained on."),
    ],
    benchmark: Annotated[Path, typer.Option(help="Result folder of download-benchmarks.")],
    seed: SeedOption,
    to: ToOption,
    params: ParamsOption,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
    version: VersionOption = False,
) -> None:
    """Classify a benchmark with an L2-SVM on the features of a trained discriminator."""
    from pipeline.core.params import load_section

    with stage("evaluate-features", quiet, as_json) as report:
        from pipeline.evaluate.linear_probe import linear_probe
        from pipeline.evaluate.linear_probe.protocol import LinearProbeConfig, summary_sentence

        section = load_section(params, f"evaluate.{name}", LinearProbeConfig)
        metrics = linear_probe.evaluate(model, images, kept, benchmark, section, name=name, seed=seed, to=to)
        report(
            metrics,
            f"{summary_sentence(metrics)}; results of all training subsets in {link(to / 'draws.csv')}; "
            "next: dcgan write-report",
        )


if __name__ == "__main__":
    app()
