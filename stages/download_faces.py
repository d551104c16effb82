"""Find and verify an archive of photographs with faces, or fetch those of a list."""

from pathlib import Path
from typing import Annotated

import typer

from stages.common import JsonOption, ParamsOption, QuietOption, ToOption, VersionOption, WorkersOption, stage

app = typer.Typer(add_completion=False)


@app.command()
def download_faces(
    to: ToOption,
    params: ParamsOption,
    name: Annotated[
        str | None, typer.Option("--set", help="Name of the set: picks its section of the profile.")
    ] = None,
    archives: Annotated[Path | None, typer.Option(help="The set's folder of archives (with --set).")] = None,
    seed: Annotated[
        int | None, typer.Option("--seed", min=0, help="Root seed; every use of chance derives its own (with --set).")
    ] = None,
    urls: Annotated[
        Path | None,
        typer.Option(help="Instead of --set: a list (CSV or parquet: url, name, licence) of pictures to fetch."),
    ] = None,
    contact: Annotated[
        str | None, typer.Option(help="Your e-mail or web address, told to every host that is asked (with --urls).")
    ] = None,
    per_host: Annotated[int, typer.Option(min=1, help="Requests to a host at a time (with --urls).")] = 2,
    pause: Annotated[
        float, typer.Option(min=0, help="Seconds between two requests to a host; robots.txt may ask for more.")
    ] = 0.5,
    workers: WorkersOption = None,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
    version: VersionOption = False,
) -> None:
    """Find and verify an archive of photographs with faces, or fetch those of a list.

    Either --set, with --seed and --archives, takes a section of the profile; or --urls, with --contact, fetches
    pictures that you have the right to use to the folder --to, where `pictures` is a folder to name as an archive.
    """
    if bool(name) == bool(urls):
        raise typer.BadParameter("give one of --set NAME and --urls LIST")
    if name and (seed is None or archives is None):
        raise typer.BadParameter("--set needs --seed and --archives as well")
    if urls and not contact:
        raise typer.BadParameter("--urls needs --contact: hosts are told whom to ask to stop")

    from pipeline.acquire.archives.acquire import acquire
    from pipeline.acquire.archives.find_archive import AcquireConfig
    from pipeline.acquire.url_list.fetch_urls import fetch_list
    from pipeline.core import engine
    from pipeline.core.params import load_section

    with stage("download-faces", quiet, as_json) as report:
        if urls and contact:
            counts = fetch_list(
                urls, to=to, contact=contact, per_host=per_host, pause=pause, workers=workers or 4 * per_host
            )
            report(
                counts,
                f"{counts['fetched']:,} of {counts['rows']:,} pictures fetched, {counts['failed']:,} failed (run it "
                f"again for those), all others were refused: see {to}/manifest.csv; next: dcgan download-faces "
                f"--set NAME with {to}/pictures as its archive",
            )
            return
        section = load_section(params, f"acquire.{name}", AcquireConfig)
        folder = archives or Path()
        found = acquire(
            "faces", section, archives=folder, to=to, seed=seed or 0, workers=workers or engine.default_workers()
        )
        report(
            found,
            f"{found['count']:,} pictures in {found['archive']} ({found['source']}"
            f"{', checksum as upstream' if found['upstream'] else ''}), read from "
            f"{to if found['place'] == 'raw' else folder}; next: dcgan crop-faces",
        )


if __name__ == "__main__":
    app()
