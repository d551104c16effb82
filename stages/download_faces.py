"""Find and verify an archive of photographs with faces, or download the pictures of a list."""

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
    ToOption,
    VersionOption,
    complete_set,
    new_app,
    stage,
)

app = new_app()


@app.command(
    cls=Command,
    epilog="dcgan download-faces --set faces --archives archives/faces --to raw/faces\n"
    "dcgan download-faces --urls list.csv --contact me@example.org --to raw/faces",
)
def download_faces(
    to: ToOption,
    params: ParamsOption,
    name: Annotated[
        str | None,
        typer.Option(
            "--set",
            autocompletion=complete_set,
            help="Name of the set, which selects its section of the profile.",
            rich_help_panel="An archive that the profile names",
        ),
    ] = None,
    archives: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the set's archives (with --set).", rich_help_panel="An archive that the profile names"
        ),
    ] = None,
    drawn: DrawnOption = None,
    urls: Annotated[
        Path | None,
        typer.Option(
            help="Instead of --set: CSV or parquet file that lists pictures to download (columns: url, name, licence).",
            rich_help_panel="A list of pictures",
        ),
    ] = None,
    contact: Annotated[
        str | None,
        typer.Option(
            help="Your e-mail or web address, which each request sends to the host (with --urls).",
            rich_help_panel="A list of pictures",
        ),
    ] = None,
    per_host: Annotated[
        int,
        typer.Option(
            min=1,
            help="Maximum number of simultaneous requests to one host (with --urls).",
            rich_help_panel="A list of pictures",
        ),
    ] = 2,
    pause: Annotated[
        float,
        typer.Option(
            min=0,
            help="Minimum number of seconds between two requests to one host; a longer delay in robots.txt is obeyed "
            "(with --urls).",
            rich_help_panel="A list of pictures",
        ),
    ] = 0.5,
    workers: Annotated[
        int | None,
        typer.Option(
            "--workers",
            "-j",
            min=1,
            help="Maximum number of simultaneous requests (with --urls; default: 4 × --per-host).",
            rich_help_panel="A list of pictures",
        ),
    ] = None,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
    version: VersionOption = False,
) -> None:
    """Find and verify an archive of photographs with faces, or download the pictures of a list.

    With --set and --archives, the section of the set in the profile says which archive to verify. With --urls and
    --contact, listed pictures are downloaded to the folder --to/pictures, which can be the --source of crop-faces;
    list only pictures that you have the right to use.
    """
    if bool(name) == bool(urls):
        raise typer.BadParameter("give one of --set NAME and --urls LIST")
    if name and archives is None:
        raise typer.BadParameter("--set needs --archives as well")
    if urls and not contact:
        raise typer.BadParameter("--urls needs --contact, so that the hosts know whom to ask to stop")

    from pipeline.acquire.archives.acquire import acquire
    from pipeline.acquire.config import AcquireConfig
    from pipeline.acquire.url_list.fetch_urls import fetch_urls
    from pipeline.core.params import load_section

    with stage("download-faces", quiet, as_json) as report:
        if urls and contact:
            counts = fetch_urls(
                urls, to=to, contact=contact, per_host=per_host, pause=pause, workers=workers or 4 * per_host
            )
            report(
                counts,
                f"{counts['fetched']:,} of {counts['rows']:,} pictures fetched, {counts['failed']:,} failed (run the "
                f"command again to retry them), all others were refused: see {link(to / 'manifest.csv')}; "
                "next: dcgan crop-faces "
                f"--source {to}/pictures",
            )
            return
        section = load_section(params, f"acquire.{name}", AcquireConfig)
        folder = archives or Path()
        found = acquire(section, archives=folder, to=to, drawn=drawn)
        report(
            found,
            f"{found['count']:,} pictures in {found['archive']} ({found['source']}"
            f"{', checksum as published' if found['upstream'] else ''}), read from "
            f"{to if found['place'] == 'raw' else folder}; next: dcgan crop-faces",
        )


if __name__ == "__main__":
    app()
