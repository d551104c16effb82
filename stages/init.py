"""Add a set of your own pictures to the pipeline: profile, verdicts and lists."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

import typer

from stages.common import Command, JsonOption, QuietOption, VersionOption, new_app, stage

app = new_app()


@app.command(cls=Command, epilog="dcgan init mine --from photos\ndcgan init friends --from photos.zip --kind portraits")
def init(
    name: Annotated[str, typer.Argument(help="Name of the new set: letters, digits, _ and -.")],
    source: Annotated[
        Path,
        typer.Option(
            "--from", help="Folder, zip, tar, LMDB or parquet file of pictures; it is only read, and linked to."
        ),
    ],
    kind: Annotated[
        Literal["scenes", "natural", "portraits"],
        typer.Option(
            help="List of params.yaml for the set. scenes: squares of 64 pixels; natural: squares of 32 pixels; "
            "portraits: detected faces."
        ),
    ] = "scenes",
    quiet: QuietOption = False,
    as_json: JsonOption = False,
    version: VersionOption = False,
) -> None:
    """Add a set of your own pictures to the pipeline: profile, verdicts and lists.

    Run it in the folder of the project. The sections are added to the profile that params.yaml names. They have the
    values of the workstation profile, with numbers of epochs that suit the number of pictures. Nothing is overwritten.
    """
    with stage("init", quiet, as_json) as report:
        from pipeline.setup.new_set import add_set

        added = add_set(name, source, kind, project=Path())
        count = "a set" if added.pictures is None else f"a set of {added.pictures:,} pictures"
        report(
            asdict(added),
            f"{name}: {count}; written: {', '.join(added.written) or 'nothing'}; "
            f"unchanged: {', '.join(added.kept) or 'nothing'}; next: dcgan doctor, then dvc repro",
        )


if __name__ == "__main__":
    app()
