"""Export the kept pictures in the format of another program."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from stages.common import Command, ImagesOption, JsonOption, QuietOption, ToOption, VersionOption, new_app, stage

app = new_app()


@app.command(
    cls=Command,
    epilog="dcgan export --images found/steps/images --kept found/kept.npy --raw found/steps/raw-images \\\n"
    "    --archives . --to clean",
)
def export(
    images: ImagesOption,
    kept: Annotated[
        Path, typer.Option(help="File kept.npy of a dedup result, which lists the rows of the kept pictures.")
    ],
    raw: Annotated[
        Path,
        typer.Option(
            help="Raw folder (it has source.json) that the set was made from; after dcgan dedup, steps/raw-images."
        ),
    ],
    archives: Annotated[Path, typer.Option(help="Folder that contains the archive or the folder of pictures.")],
    to: ToOption,
    form: Annotated[
        Literal["folder", "lmdb", "webdataset", "parquet", "stylegan"],
        typer.Option(
            "--format", help="Format. stylegan: the square pictures of the image set; all others: the original files."
        ),
    ] = "folder",
    link: Annotated[
        Literal["copy", "hardlink", "symlink", "reflink"], typer.Option(help="How files are made with --format folder.")
    ] = "copy",
    shard_pictures: Annotated[
        int, typer.Option(min=1, help="Maximum number of pictures in a shard of webdataset or parquet.")
    ] = 10_000,
    part: Annotated[
        int | None,
        typer.Option(
            min=0, help="Number of the source to export, if pictures were added with --append; 0 is the first source."
        ),
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
            summary,
            f"{summary['pictures']:,} pictures, {summary['bytes']:,} bytes, in {to}; the originals were only read",
        )


if __name__ == "__main__":
    app()
