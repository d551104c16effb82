"""Classify a benchmark with an L2-SVM on what the discriminator learned."""

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
    model: Annotated[Path, typer.Option(help="Folder of a trained model, of a family with features.")],
    images: ImagesOption,
    kept: Annotated[Path, typer.Option(help="Row numbers the model was trained on: kept.npy of remove-duplicates.")],
    benchmark: Annotated[Path, typer.Option(help="Folder that download-benchmarks made.")],
    seed: SeedOption,
    to: ToOption,
    params: ParamsOption,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
    version: VersionOption = False,
) -> None:
    """Classify a benchmark with an L2-SVM on what the discriminator learned."""
    from pipeline.core.params import load_section

    with stage("evaluate-features", quiet, as_json) as report:
        from pipeline.evaluate.linear_probe import linear_probe as evaluation
        from pipeline.evaluate.linear_probe.protocol import LinearProbeConfig, summary_sentence

        section = load_section(params, f"evaluate.{name}", LinearProbeConfig)
        found = evaluation.evaluate(model, images, kept, benchmark, section, name=name, seed=seed, to=to)
        report(found, f"{summary_sentence(found)}; every draw in {to}/draws.csv; next: dcgan write-report")


if __name__ == "__main__":
    app()
