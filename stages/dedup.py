"""Find and list the duplicates in your own pictures: all steps in one command."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from stages.common import (
    JsonOption,
    ParamsOption,
    QuietOption,
    SeedOption,
    ToOption,
    VersionOption,
    WorkersOption,
    stage,
)

app = typer.Typer(add_completion=False)


@app.command()
def dedup(
    source: Annotated[
        Path,
        typer.Argument(help="Folder, zip, tar, tar of tars, LMDB, parquet or image set; only read."),
    ],
    to: ToOption,
    parameters: ParamsOption,
    name: Annotated[str, typer.Option("--set", help="Set of the profile whose numbers are the defaults.")] = "lsun",
    mode: Annotated[
        Literal["near", "exact"] | None,
        typer.Option(help="near: similar codes and matching pixels; exact: equal codes, as in the paper."),
    ] = None,
    keep: Annotated[
        list[str] | None,
        typer.Option(
            help="Which picture of a group stays: first, largest or sharpest; give more than one to break ties."
        ),
    ] = None,
    radius: Annotated[int | None, typer.Option(min=0, max=15, help="Bits in which compared codes may differ.")] = None,
    score: Annotated[float | None, typer.Option(help="Least score of a pair of copies, in log odds.")] = None,
    mirrored: Annotated[bool, typer.Option("--mirrored", help="Mirrored pictures are copies too.")] = False,
    compare_side: Annotated[
        int | None,
        typer.Option(
            help="Pixels a side at which pairs are compared: 32, 64 or 128; the larger ones check likely pairs again."
        ),
    ] = None,
    side: Annotated[int | None, typer.Option(min=32, help="Side of the squares that are made of the pictures.")] = None,
    max_bad: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Share of pictures that may be unreadable, 0 to 1; they are listed.")
    ] = 0.5,
    encoder: Annotated[
        Path | None, typer.Option(help="Folder of a trained autoencoder. Without it one is trained on the pictures.")
    ] = None,
    against: Annotated[Path | None, typer.Option(help="Another source: list the pictures that occur in both.")] = None,
    drop_matches: Annotated[
        bool, typer.Option("--drop-matches", help="Remove the pictures that occur in --against.")
    ] = False,
    pairs: Annotated[
        Path | None,
        typer.Option(help="CSV or parquet of pairs of keys of another detector, instead of the search."),
    ] = None,
    embeddings: Annotated[
        Path | None, typer.Option(help=".npy with a row for each picture in key order, instead of the search.")
    ] = None,
    cosine: Annotated[
        float, typer.Option(min=-1.0, max=1.0, help="Least cosine similarity between --embeddings of copies.")
    ] = 0.95,
    verdicts: Annotated[
        Path | None, typer.Option(help="CSV of people's verdicts. Without it, verdicts.csv in --to.")
    ] = None,
    append: Annotated[
        bool, typer.Option("--append", help="Add the pictures to the earlier result in --to; kept pictures stay kept.")
    ] = False,
    seed: SeedOption = 1,
    workers: WorkersOption = None,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
    version: VersionOption = False,
) -> None:
    """Find and list the duplicates in your own pictures: all steps in one command."""
    with stage("dedup", quiet, as_json) as report:
        from pipeline.workflows.deduplicate import summary_sentence
        from pipeline.workflows.find_duplicates import find_duplicates

        found = find_duplicates(
            source,
            to,
            mode=mode,
            keep=keep,
            radius=radius,
            score=score,
            mirrored=mirrored,
            compare_side=compare_side,
            side=side,
            max_bad=max_bad,
            encoder=encoder,
            against=against,
            drop_matches=drop_matches,
            pairs=pairs,
            embeddings=embeddings,
            cosine=cosine,
            verdicts=verdicts,
            append=append,
            seed=seed,
            workers=workers,
            profile=parameters,
            set_name=name,
        )
        report(found.summary, summary_sentence(found.summary, to))


if __name__ == "__main__":
    app()
