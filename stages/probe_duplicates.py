"""Measure the recall of the search on copies that are made on purpose."""

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
    new_app,
    stage,
)

app = new_app()


@app.command(
    cls=Command,
    epilog="dcgan probe-duplicates --set lsun --images sets/lsun --encoder models/autoencoder \\\n"
    "    --pairs pairs/lsun --to probe/lsun",
)
def probe_duplicates(
    name: SetOption,
    parameters: ParamsOption,
    images: ImagesOption,
    encoder: Annotated[Path, typer.Option(help="Result folder of train-autoencoder.")],
    pairs: Annotated[Path, typer.Option(help="Result folder of find-pairs.")],
    to: ToOption,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
    version: VersionOption = False,
) -> None:
    """Measure the recall of the search on copies that are made on purpose.

    Copies of randomly chosen pictures of the set are made with known transforms, such as cropping or recompression. The
    recall is the share of these planted copies that the search finds.
    """
    with stage("probe-duplicates", quiet, as_json) as report:
        from pipeline.core.params import load_section
        from pipeline.dedup.recall import recall_eval
        from pipeline.dedup.search import pair_search

        detector = load_section(parameters, f"dedup.{name}.pairs", pair_search.PairSearchConfig)
        section = load_section(parameters, f"dedup.{name}.probe", recall_eval.RecallConfig)
        summary = recall_eval.measure_recall(images, encoder, pairs, detector, section, to)
        report(
            summary, f"{recall_eval.summary_sentence(summary)}; no picture was changed; next: dcgan remove-duplicates"
        )


if __name__ == "__main__":
    app()
