"""Export the kept pictures in the format of another program."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from pipeline.core import progress
from stages.common import Command, JsonOption, QuietOption, VersionOption, new_app, stage

app = new_app()


@app.command(
    cls=Command,
    epilog="dcgan export --dedup found --to clean\n"
    "dcgan export --dedup found --move-to removed\n"
    "dcgan export --move-back removed",
)
def export(
    dedup: Annotated[
        Path | None,
        typer.Option(
            help="Result folder of dedup or remove-duplicates; the next four options are found from it.",
            rich_help_panel="What is exported",
        ),
    ] = None,
    images: Annotated[
        Path | None, typer.Option(help="Folder of the image set.", rich_help_panel="What is exported")
    ] = None,
    kept: Annotated[
        Path | None,
        typer.Option(
            help="File kept.npy of a dedup result, which lists the rows of the kept pictures.",
            rich_help_panel="What is exported",
        ),
    ] = None,
    raw: Annotated[
        Path | None,
        typer.Option(
            help="Raw folder (it has source.json) that the set was made from.", rich_help_panel="What is exported"
        ),
    ] = None,
    archives: Annotated[
        Path | None,
        typer.Option(
            help="Folder that contains the archive or the folder of pictures.", rich_help_panel="What is exported"
        ),
    ] = None,
    to: Annotated[Path | None, typer.Option("--to", "-o", help="Folder to write the kept pictures to.")] = None,
    move_to: Annotated[
        Path | None,
        typer.Option(
            help="Instead of exporting, move the removed files of a folder here; moved.csv lists them, and nothing is "
            "overwritten.",
            rich_help_panel="Move files instead",
        ),
    ] = None,
    move_back: Annotated[
        Path | None,
        typer.Option(
            help="Undo --move-to: move the files listed in moved.csv of this folder back.",
            rich_help_panel="Move files instead",
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check everything and count, but write and move nothing.")
    ] = False,
    form: Annotated[
        Literal["folder", "lmdb", "webdataset", "parquet", "stylegan"],
        typer.Option(
            "--format",
            help="Format. stylegan: the square pictures of the image set; all others: the original files.",
            rich_help_panel="How it is written",
        ),
    ] = "folder",
    link: Annotated[
        Literal["copy", "hardlink", "symlink", "reflink"],
        typer.Option(help="How files are made with --format folder.", rich_help_panel="How it is written"),
    ] = "copy",
    hardlink: Annotated[
        bool, typer.Option("--hardlink", help="The same as --link hardlink.", rich_help_panel="How it is written")
    ] = False,
    shard_pictures: Annotated[
        int,
        typer.Option(
            min=1,
            help="Maximum number of pictures in a shard of webdataset or parquet.",
            rich_help_panel="How it is written",
        ),
    ] = 10_000,
    part: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Number of the source to export, if pictures were added with --append; 0 is the first source.",
            rich_help_panel="What is exported",
        ),
    ] = None,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
    version: VersionOption = False,
) -> None:
    """Export the kept pictures in the format of another program."""
    with stage("export", quiet, as_json) as report:
        from pipeline.core.errors import BadParameters
        from pipeline.dedup.results.result_folders import find_inputs
        from pipeline.export import export as library
        from pipeline.export import move_removed

        if sum(given is not None for given in (to, move_to, move_back)) != 1:
            raise BadParameters("--to, --move-to, --move-back: expected exactly one of them")
        would = "would be " if dry_run else ""
        if move_back:
            back = move_removed.move_back(move_back, dry_run=dry_run)
            report(back, f"{back['moved_back']:,} files {would}moved back from {progress.link(move_back)}")
            return
        inputs = find_inputs(dedup, images=images, kept=kept, raw=raw, archives=archives)
        if move_to:
            moved = move_removed.move_removed(
                inputs.images, inputs.kept.parent, inputs.raw, inputs.archives, move_to, dry_run=dry_run
            )
            undo = "nothing was moved" if dry_run else f"undo with dcgan export --move-back {move_to}"
            report(
                moved,
                f"{moved['moved']:,} files, {moved['bytes']:,} bytes, {would}moved to {progress.link(move_to)}; {undo}",
            )
            return
        assert to is not None
        summary = library.export(
            inputs.images,
            inputs.kept,
            inputs.raw,
            inputs.archives,
            form=form,
            link="hardlink" if hardlink else link,
            shard_pictures=shard_pictures,
            part=part,
            to=to,
            dry_run=dry_run,
        )
        length = f", {summary['bytes']:,} bytes," if "bytes" in summary else ""
        report(
            summary,
            f"{summary['pictures']:,} pictures{length} {would}in {progress.link(to)}; the originals were only read",
        )


if __name__ == "__main__":
    app()
