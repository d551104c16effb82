"""Draw boxes on generated samples and choose exemplars, in a browser on this machine."""

from pathlib import Path
from typing import Annotated

import typer

from stages.common import JsonOption, QuietOption, VersionOption, stage

app = typer.Typer(add_completion=False)


@app.command()
def review_samples(
    model: Annotated[Path, typer.Option(help="Folder of a trained model, of any family.")],
    to: Annotated[Path, typer.Option("--to", "-o", help="Folder of boxes.csv and exemplars.csv, as audit/MODEL.")],
    count: Annotated[int, typer.Option(min=1, max=2000, help="Samples to draw boxes on.")] = 150,
    seed: Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Seed of the samples.")] = 0,
    object_name: Annotated[str, typer.Option("--object", help="What the boxes are drawn around.")] = "window",
    rater: Annotated[str | None, typer.Option(help="Who judges (default: the login name).")] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on 127.0.0.1; 0 for a free one.")] = 0,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Print the link, and open no browser.")] = False,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
    version: VersionOption = False,
) -> None:
    """Draw boxes on generated samples and choose exemplars, in a browser on this machine."""
    with stage("review-samples", quiet, as_json) as report:
        from pipeline.review.samples import serve

        summary = serve.review_samples(
            model,
            to,
            count=count,
            seed=seed,
            object=object_name,
            rater=rater,
            port=port,
            browser=not no_browser,
            # Printed even with --quiet, for without it the command is of no use.
            announce=lambda link: typer.echo(f"review-samples: open {link} (Ctrl-C ends)", err=True),
        )
        report(
            summary,
            f"{summary['boxes']:,} boxes on {summary['boxed']:,} of {count:,} samples ({summary['looked_at']:,} looked "
            f"at), {summary['exemplars']:,} exemplars of {summary['concepts']:,} concepts, yours, in {to}; the model "
            "was not touched; next: git add what you judged",
        )


if __name__ == "__main__":
    app()
