"""Draw boxes on generated samples and choose exemplars, in a browser on this machine."""

from pathlib import Path
from typing import Annotated

import typer

from stages.common import JsonOption, QuietOption, VersionOption, stage

app = typer.Typer(add_completion=False)


@app.command()
def review_samples(
    model: Annotated[Path, typer.Option(help="Folder of a trained model, of any family.")],
    to: Annotated[
        Path, typer.Option("--to", "-o", help="Folder for boxes.csv and exemplars.csv, for example audit/MODEL.")
    ],
    count: Annotated[int, typer.Option(min=1, max=2000, help="Number of samples to draw boxes on.")] = 150,
    seed: Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Seed of the samples.")] = 0,
    object_name: Annotated[str, typer.Option("--object", help="What to draw boxes around.")] = "window",
    rater: Annotated[str | None, typer.Option(help="Name of the rater (default: the login name).")] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on 127.0.0.1; 0 for a free port.")] = 0,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Print the link without opening a browser.")] = False,
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
            # Printed even with --quiet: without the link, the command is useless.
            announce=lambda link: typer.echo(f"review-samples: open {link} (Ctrl-C ends)", err=True),
        )
        report(
            summary,
            f"{summary['boxes']:,} boxes on {summary['boxed']:,} of {count:,} samples ({summary['viewed']:,} viewed), "
            f"{summary['exemplars']:,} exemplars of {summary['concepts']:,} concepts of this rater in {to}; the model "
            "was not changed; next: git add the two files",
        )


if __name__ == "__main__":
    app()
