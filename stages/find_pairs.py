"""Find the pairs of copies in an image set."""

from pathlib import Path
from typing import Annotated

import typer

from stages.common import (
    Command,
    ImagesOption,
    JsonOption,
    ParamsOption,
    QuietOption,
    SetOption,
    ToOption,
    VersionOption,
    WorkersOption,
    new_app,
    stage,
)

app = new_app()


@app.command(
    cls=Command,
    epilog="dcgan find-pairs --set lsun --images sets/lsun --codes codes/lsun \\\n"
    "    --encoder models/autoencoder --to pairs/lsun",
)
def find_pairs(
    name: SetOption,
    parameters: ParamsOption,
    images: ImagesOption,
    codes: Annotated[Path, typer.Option(help="Result folder of hash-images.")],
    encoder: Annotated[Path, typer.Option(help="Result folder of train-autoencoder.")],
    to: ToOption,
    workers: WorkersOption = None,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
    version: VersionOption = False,
) -> None:
    """Find the pairs of copies in an image set."""
    with stage("find-pairs", quiet, as_json) as report:
        from pipeline.core import engine
        from pipeline.core.params import load_section
        from pipeline.dedup.search import find_pairs, pair_search

        section = load_section(parameters, f"dedup.{name}.pairs", pair_search.PairSearchConfig)
        summary = find_pairs.find_pairs(
            images, codes, encoder, section, workers=workers or engine.default_workers(), to=to
        )
        report(summary, f"{find_pairs.summary_sentence(summary)}; next: dcgan compare-sources")


if __name__ == "__main__":
    app()
