"""Download one of LSUN's archives by name, from the publisher or a mirror, with or without a profile."""

from pathlib import Path
from typing import Any

from pipeline.acquire.archives.acquire import acquire
from pipeline.acquire.archives.find_archive import published, removed_note
from pipeline.acquire.config import AcquireConfig
from pipeline.acquire.download.download import download
from pipeline.core.errors import BadParameters
from pipeline.datasets.pictures import lsun
from pipeline.datasets.pictures.raw_folder import PUBLISHED


def named_section(
    *, category: str | None = None, split: str = "train", thing: str | None = None, any_checksum: bool = False
) -> AcquireConfig:
    """The section that a profile would have for an archive.

    Args:
        category: category of scenes; None for the test set.
        split: `train`, `val` or `test`.
        thing: category of objects, instead of scenes.
        any_checksum: accept any archive of this name; if False, it must match the published length and checksum, if
            there are any.

    Raises:
        BadParameters: there is no such archive.
    """
    if thing is not None and thing not in lsun.OBJECTS:
        raise BadParameters(f"--object {thing}: LSUN has {', '.join(lsun.OBJECTS)}")
    if thing is None and category not in ((None,) if split == "test" else lsun.CATEGORIES):
        raise BadParameters(
            "--split test: one archive for all scenes; leave --category out"
            if split == "test"
            else f"--category {category}: LSUN has {', '.join(lsun.CATEGORIES)}"
        )
    name = f"{thing}.zip" if thing else lsun.archive_name(category, split)
    known = PUBLISHED.get(name)
    return AcquireConfig(
        source="archive",
        archive=name,
        checksum="upstream" if known and known.checksum and not any_checksum else "any",
        keep_archive=True,
        count=1,  # this and the next value are for synthetic pictures only
        planted_share=0.0,
    )


def acquire_from(
    folder: str | None, section: AcquireConfig, *, archives: Path, to: Path, connections: int
) -> dict[str, Any]:
    """Download the section's archive if it is missing, then make the raw folder `to`; see `acquire.acquire`.

    Args:
        folder: address of the folder that holds the archive, such as that of a mirror; None for the publisher's.
        connections: maximum number of connections at a time.

    Raises:
        BadParameters: the section's archive is synthetic, so there is nothing to download; or it relies on something
            that is not published.
        PipelineError: see `download` and `acquire`.
    """
    archive = archives / section.archive
    if section.source == "miniature":
        raise BadParameters("--url: this set's pictures are synthetic (source: miniature), not downloaded")
    known = published(section)  # checked before 43 GB are downloaded
    if section.checksum == "any":
        known = None
    unpacked = removed_note(archive).exists() and (to / "source.json").exists()
    fetched = None
    if not archive.exists() and not unpacked:
        fetched = download(
            f"{(folder or lsun.folder_of(section.archive)).rstrip('/')}/{section.archive}",
            archive,
            length=known.bytes if known else None,
            sha256=known.sha256 if known else None,
            md5=known.md5 if known else None,
            connections=connections,
        )
    return acquire(section, archives=archives, to=to, fetched=fetched)
