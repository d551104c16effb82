"""Look at the removed pictures and judge them, in a local web page."""

from pathlib import Path
from typing import Annotated

import typer

from pipeline.core.progress import link
from stages.common import Command, JsonOption, QuietOption, VersionOption, new_app, stage

app = new_app()


@app.command(
    cls=Command,
    epilog="dcgan review-duplicates --dedup found\n"
    "dcgan review-duplicates --dedup data/workstation/dedup/lsun --sample 400",
)
def review_duplicates(
    dedup: Annotated[Path, typer.Option(help="Result folder of dedup or remove-duplicates.")],
    images: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the image set (default: the one beside the result).",
            rich_help_panel="Folders that are elsewhere",
        ),
    ] = None,
    pairs: Annotated[
        Path | None,
        typer.Option(
            help="Result folder of find-pairs, to show scores and near misses "
            "(pairs with a score just below the limit).",
            rich_help_panel="Folders that are elsewhere",
        ),
    ] = None,
    verdicts: Annotated[
        Path | None,
        typer.Option(
            help="CSV file of verdicts; new ones are added to it (default: the file that the result was made with).",
            rich_help_panel="Folders that are elsewhere",
        ),
    ] = None,
    raw: Annotated[
        Path | None,
        typer.Option(
            help="Raw folder of the set (it has source.json), to show the original pictures.",
            rich_help_panel="Folders that are elsewhere",
        ),
    ] = None,
    archives: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the archive or pictures, to show the original pictures.",
            rich_help_panel="Folders that are elsewhere",
        ),
    ] = None,
    sample: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Choose this many removed pairs at random, and judge them blind, mixed with control pairs.",
            rich_help_panel="Judge a random sample blind",
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(
            help="Name of the sample (default: first). A sample that already exists is used unchanged.",
            rich_help_panel="Judge a random sample blind",
        ),
    ] = None,
    controls: Annotated[
        float | None,
        typer.Option(
            help="Control pairs (known to be different) to add, as a share of the sampled pairs (default: 0.1).",
            rich_help_panel="Judge a random sample blind",
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(min=0, help="Seed of the sample (default: 1).", rich_help_panel="Judge a random sample blind"),
    ] = None,
    rater: Annotated[str | None, typer.Option(help="Name of the rater (default: the login name).")] = None,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port on 127.0.0.1; 0 selects a free port.", rich_help_panel="Page")
    ] = 0,
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="Print the link, but do not open a browser.", rich_help_panel="Page")
    ] = False,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
    version: VersionOption = False,
) -> None:
    """Look at the removed pictures and judge them, in a local web page."""
    with stage("review-duplicates", quiet, as_json) as report:
        from pipeline.dedup.results.result_folders import find_folders
        from pipeline.review.duplicates import serve
        from pipeline.review.duplicates.blind_judging import SampleOptions

        folders = find_folders(dedup, images=images, pairs=pairs, verdicts=verdicts, raw=raw, archives=archives)
        given = (name, sample, controls, seed)
        summary = serve.review(
            folders,
            rater=rater,
            sample_options=None if given == (None,) * 4 else SampleOptions(*given),
            port=port,
            browser=not no_browser,
            # Printed even with --quiet: without the link, the command is useless.
            announce=lambda link: typer.echo(f"review-duplicates: open {link} (Ctrl-C ends)", err=True),
        )
        judged = (
            f"{summary['judged']:,} of {summary['sampled']:,} sampled pairs judged; " if "sampled" in summary else ""
        )
        report(
            summary,
            f"{judged}{summary['verdicts']:,} verdicts of this rater in {link(folders.verdicts)}; "
            "no picture was changed; "
            "next: run dvc repro, or dcgan dedup again",
        )


if __name__ == "__main__":
    app()
