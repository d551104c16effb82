"""Classify a benchmark with an L2-SVM on the features of a trained discriminator."""

from pathlib import Path
from typing import Annotated

import typer

from stages.common import (
    ImagesOption,
    JsonOption,
    ParamsOption,
    QuietOption,
    SeedOption,
    SetOption,
    ToOption,
    VersionOption,
    stage,
)

app = typer.Typer(add_completion=False)


@app.command()
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
            f"{summary_sentence(metrics)}; results of all training subsets in {to}/draws.csv; next: dcgan write-report",
        )


if __name__ == "__main__":
    app()
