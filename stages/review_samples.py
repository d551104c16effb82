"""Mark objects on generated samples with boxes and choose exemplars, in a local web page."""

from pathlib import Path
from typing import Annotated

import typer

from pipeline.core.progress import link
from stages.common import Command, JsonOption, QuietOption, VersionOption, new_app, stage

app = new_app()


@app.command(cls=Command, epilog="dcgan review-samples --model models/workstation/dcgan/lsun --to audit/lsun")
def review_samples(
    model: Annotated[Path, typer.Option(help="Folder of a trained model of any family (for example dcgan).")],
    to: Annotated[
        Path,
        typer.Option("--to", "-o", help="Folder to write boxes.csv and exemplars.csv to, for example audit/MODEL."),
    ],
    count: Annotated[int, typer.Option(min=1, max=2000, help="Number of samples to mark with boxes.")] = 150,
    seed: Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Seed of the samples.")] = 0,
    object_name: Annotated[str, typer.Option("--object", help="Kind of object to mark with boxes.")] = "window",
    rater: Annotated[str | None, typer.Option(help="Name of the rater (default: the login name).")] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on 127.0.0.1; 0 selects a free port.")] = 0,
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="Print the link, but do not open a browser.")
    ] = False,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
    version: VersionOption = False,
) -> None:
    """Mark objects on generated samples with boxes and choose exemplars, in a local web page.

    Exemplars are samples that a person chooses as examples of a concept, for vector arithmetic on their latents as in
    Figures 7 and 8 of the paper. The lines of several raters are kept in the same files.
    """
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
            f"{summary['exemplars']:,} exemplars of {summary['concepts']:,} concepts by this rater in {link(to)}; "
            "the model "
            "was not changed; next: git add the two files",
        )


if __name__ == "__main__":
    app()
