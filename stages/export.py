"""Export the kept pictures in the format of another program."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from stages.common import ImagesOption, JsonOption, QuietOption, ToOption, VersionOption, stage

app = typer.Typer(add_completion=False)


@app.command()
def export(
    images: ImagesOption,
    kept: Annotated[Path, typer.Option(help="kept.npy of a dedup result.")],
    raw: Annotated[Path, typer.Option(help="Raw folder that the set was made from; after dedup: steps/raw-images.")],
    archives: Annotated[Path, typer.Option(help="Folder that holds the archive or folder of pictures.")],
    to: ToOption,
    form: Annotated[
        Literal["folder", "lmdb", "webdataset", "parquet", "stylegan"],
        typer.Option(
            "--format", help="stylegan exports the square pictures of the set; all others, the original files."
        ),
    ] = "folder",
    link: Annotated[
        Literal["copy", "hardlink", "symlink", "reflink"], typer.Option(help="How --format folder makes its files.")
    ] = "copy",
    shard_pictures: Annotated[int, typer.Option(min=1, help="Pictures in a shard of webdataset or parquet.")] = 10_000,
    part: Annotated[
        int | None,
        typer.Option(min=0, help="Source to export, if pictures were added to the set; 0 is the first."),
    ] = None,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
    version: VersionOption = False,
) -> None:
    """Export the kept pictures in the format of another program."""
    with stage("export", quiet, as_json) as report:
        from pipeline.export import export as library

        summary = library.export(
            images, kept, raw, archives, form=form, link=link, shard_pictures=shard_pictures, part=part, to=to
        )
        report(
            summary, f"{summary['pictures']:,} pictures, {summary['bytes']:,} bytes, in {to}; originals were only read"
        )


if __name__ == "__main__":
    app()
