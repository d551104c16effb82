"""Find or download an archive of LSUN, verify it and unpack it."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

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


class Category(StrEnum):
    """Categories of scenes."""

    bedroom = "bedroom"
    bridge = "bridge"
    church_outdoor = "church_outdoor"
    classroom = "classroom"
    conference_room = "conference_room"
    dining_room = "dining_room"
    kitchen = "kitchen"
    living_room = "living_room"
    restaurant = "restaurant"
    tower = "tower"


class Thing(StrEnum):
    """Categories of objects."""

    airplane = "airplane"
    bicycle = "bicycle"
    bird = "bird"
    boat = "boat"
    bottle = "bottle"
    bus = "bus"
    car = "car"
    cat = "cat"
    chair = "chair"
    cow = "cow"
    dining_table = "dining_table"
    dog = "dog"
    horse = "horse"
    motorbike = "motorbike"
    person = "person"
    potted_plant = "potted_plant"
    sheep = "sheep"
    sofa = "sofa"
    train = "train"
    tv_monitor = "tv-monitor"


class Split(StrEnum):
    """Parts of the scenes."""

    train = "train"
    val = "val"
    test = "test"


app = new_app()


@app.command(
    cls=Command,
    epilog="dcgan download-lsun --category bedroom --split val --to raw/bedroom\n"
    "dcgan download-lsun --set lsun --archives archives/lsun --to raw/lsun",
)
def download_lsun(
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
    category: Annotated[
        Category | None,
        typer.Option(
            metavar="NAME",
            help="Instead of --set: download this category of scenes from its publisher, such as bedroom.",
            rich_help_panel="An archive that LSUN publishes",
        ),
    ] = None,
    split: Annotated[
        Split | None,
        typer.Option(
            help="Split to download (default: train); `test` is not divided into categories.",
            show_choices=True,
            rich_help_panel="An archive that LSUN publishes",
        ),
    ] = None,
    thing: Annotated[
        Thing | None,
        typer.Option(
            "--object",
            metavar="NAME",
            help="Instead of --set: download this category of objects, such as cat.",
            rich_help_panel="An archive that LSUN publishes",
        ),
    ] = None,
    url: Annotated[
        str | None,
        typer.Option(
            help="Address of a mirror, or local folder, that has the archive (for example bedroom_train_lmdb.zip).",
            rich_help_panel="Download",
        ),
    ] = None,
    any_checksum: Annotated[
        bool,
        typer.Option(
            "--any-checksum",
            help="Do not compare checksums, so that a rebuilt archive or a subset is accepted.",
            rich_help_panel="Download",
        ),
    ] = False,
    archives: Annotated[
        Path | None,
        typer.Option(help="Folder of archives; downloads are kept in it (default: the folder `archives` beside --to)."),
    ] = None,
    drawn: DrawnOption = None,
    connections: Annotated[
        int,
        typer.Option(
            min=1, help="Maximum number of simultaneous connections for a large file.", rich_help_panel="Download"
        ),
    ] = 4,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
    version: VersionOption = False,
) -> None:
    """Find or download an archive of LSUN, verify it and unpack it.

    With --set and --archives, the section of the set in the profile says which archive to use. With --category
    and --split, or with --object, the archive is one that LSUN's authors publish. torchvision can read the
    result: after --to lsun/bedroom_train_lmdb, use LSUN("lsun", classes=["bedroom_train"]).
    """
    by_name = bool(category or thing or split)
    if by_name == bool(name) or (bool(thing) and bool(category or split)):
        raise typer.BadParameter("give one of --set NAME, --category NAME, --split test and --object NAME")
    if name and archives is None:
        raise typer.BadParameter("--set needs --archives as well")
    if not thing and not name and (split == Split.test) == bool(category):
        raise typer.BadParameter("--split test has no categories; --split train and --split val need --category")

    from pipeline.acquire.archives.acquire import acquire
    from pipeline.acquire.archives.lsun_category import acquire_from, named_section
    from pipeline.acquire.config import AcquireConfig
    from pipeline.core.params import load_section

    with stage("download-lsun", quiet, as_json) as report:
        folder = archives or to.absolute().parent / "archives"
        if name:
            section = load_section(params, f"acquire.{name}", AcquireConfig)
            section = section.model_copy(update={"checksum": "any"}) if any_checksum else section
        else:
            section = named_section(category=category, split=split or "train", thing=thing, any_checksum=any_checksum)
        if name and not url:
            found = acquire(section, archives=folder, to=to, drawn=drawn)
        else:
            found = acquire_from(url, section, archives=folder, to=to, connections=connections)
        report(
            found,
            f"{found['count']:,} pictures in {found['archive']} ({found['source']}"
            f"{', checksum as published' if found['upstream'] else ''}), read from "
            f"{to if found['place'] == 'raw' else folder}; next: dcgan crop-scenes",
        )


if __name__ == "__main__":
    app()
