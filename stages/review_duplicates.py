"""Judge what was removed, in a browser on this machine."""

from pathlib import Path
from typing import Annotated

import typer

from stages.common import JsonOption, QuietOption, VersionOption, stage

app = typer.Typer(add_completion=False)


@app.command()
def review_duplicates(
    dedup: Annotated[Path, typer.Option(help="The result: of dcgan dedup, or of remove-duplicates.")],
    images: Annotated[Path | None, typer.Option(help="Image set it is of, where it is not beside it.")] = None,
    pairs: Annotated[Path | None, typer.Option(help="Pairs that were found, for scores and near misses.")] = None,
    verdicts: Annotated[Path | None, typer.Option(help="Where verdicts go (CSV).")] = None,
    raw: Annotated[Path | None, typer.Option(help="Raw folder of the set, to show sources.")] = None,
    archives: Annotated[Path | None, typer.Option(help="Folder of the archive or pictures, to show sources.")] = None,
    sample: Annotated[
        int | None, typer.Option(min=1, help="Draw so many removed pairs, freeze them, and judge them blind.")
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(help="Of the draw (default: first); one that is there goes on, and is never drawn again."),
    ] = None,
    controls: Annotated[
        float | None,
        typer.Option(help="Surely different pairs mixed in, as a share of those drawn (default: 0.1)."),
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed of the draw (default: 1).")] = None,
    rater: Annotated[str | None, typer.Option(help="Who judges (default: the login name).")] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on 127.0.0.1; 0 for a free one.")] = 0,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Print the link, and open no browser.")] = False,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
    version: VersionOption = False,
) -> None:
    """Judge what was removed, in a browser on this machine."""
    with stage("review-duplicates", quiet, as_json) as report:
        from pipeline.review.duplicates import locate, serve
        from pipeline.review.duplicates.draw import Asked

        folders = locate.locate(dedup, images=images, pairs=pairs, verdicts=verdicts, raw=raw, archives=archives)
        wanted = (name, sample, controls, seed)
        summary = serve.review(
            folders,
            rater=rater,
            asked=None if wanted == (None,) * 4 else Asked(*wanted),
            port=port,
            browser=not no_browser,
            # Printed even with --quiet, for without it the command is of no use.
            announce=lambda link: typer.echo(f"review-duplicates: open {link} (Ctrl-C ends)", err=True),
        )
        drawn = f"{summary['judged']:,} of {summary['drawn']:,} drawn pairs judged; " if "drawn" in summary else ""
        report(
            summary,
            f"{drawn}{summary['verdicts']:,} verdicts of yours in {folders.verdicts}; no picture was touched; "
            "next: dvc repro, or dcgan dedup again",
        )


if __name__ == "__main__":
    app()
