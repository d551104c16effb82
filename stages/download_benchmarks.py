"""Find or download the files of CIFAR-10, SVHN or MNIST, then verify and unpack them."""

from pathlib import Path
from typing import Annotated

import typer

from stages.common import (
    DrawnOption,
    JsonOption,
    ParamsOption,
    QuietOption,
    SetOption,
    ToOption,
    VersionOption,
    stage,
)

app = typer.Typer(add_completion=False)


@app.command()
def download_benchmarks(
    name: SetOption,
    archives: Annotated[Path, typer.Option(help="Folder of the set's archives; downloads are kept in it.")],
    to: ToOption,
    params: ParamsOption,
    drawn: DrawnOption = None,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
    version: VersionOption = False,
) -> None:
    """Find or download the files of CIFAR-10, SVHN or MNIST, then verify and unpack them."""
    from pipeline.acquire.archives.labelled_sets import acquire_benchmark
    from pipeline.acquire.config import BenchmarkConfig
    from pipeline.core.params import load_section

    with stage("download-benchmarks", quiet, as_json) as report:
        section = load_section(params, f"acquire.{name}", BenchmarkConfig)
        found = acquire_benchmark(section, archives=archives, to=to, drawn=drawn)
        counts = ", ".join(f"{count:,} {split}" for split, count in found["count"].items())
        report(
            found,
            f"{counts} pictures of {len(found['classes'])} classes ({found['source']}"
            f"{', checksum as published' if found['upstream'] else ''}) in {to}; the archives were only read; "
            "next: dcgan evaluate-features",
        )


if __name__ == "__main__":
    app()
