"""Find or download the files of CIFAR-10, SVHN or MNIST, then verify and unpack them."""

from pathlib import Path
from typing import Annotated

import typer

from pipeline.core.progress import link
from stages.common import (
    Command,
    DrawnOption,
    JsonOption,
    ParamsOption,
    QuietOption,
    SetOption,
    ToOption,
    VersionOption,
    new_app,
    stage,
)

app = new_app()


@app.command(
    cls=Command, epilog="dcgan download-benchmarks --set cifar10 --archives archives/cifar10 --to benchmarks/cifar10"
)
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
            f"{', checksum as published' if found['upstream'] else ''}) in {link(to)}; the archives were only read; "
            "next: dcgan evaluate-features",
        )


if __name__ == "__main__":
    app()
