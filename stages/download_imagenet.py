"""Find and verify the training archive of ImageNet."""

from pathlib import Path
from typing import Annotated

import typer

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
    cls=Command, epilog="dcgan download-imagenet --set imagenet --archives archives/imagenet --to raw/imagenet"
)
def download_imagenet(
    name: SetOption,
    archives: Annotated[Path, typer.Option(help="Folder of the set's archives.")],
    to: ToOption,
    params: ParamsOption,
    drawn: DrawnOption = None,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
    version: VersionOption = False,
) -> None:
    """Find and verify the training archive of ImageNet."""
    from pipeline.acquire.archives.acquire import acquire
    from pipeline.acquire.config import AcquireConfig
    from pipeline.core.params import load_section

    with stage("download-imagenet", quiet, as_json) as report:
        section = load_section(params, f"acquire.{name}", AcquireConfig)
        found = acquire(section, archives=archives, to=to, drawn=drawn)
        report(
            found,
            f"{found['count']:,} pictures in {found['archive']} ({found['source']}"
            f"{', checksum as published' if found['upstream'] else ''}), read from "
            f"{to if found['place'] == 'raw' else archives}; next: dcgan downsample-imagenet",
        )


if __name__ == "__main__":
    app()
