"""Export the kept pictures in a format that other programs read; the source files are not changed."""

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from pipeline.core import files
from pipeline.core.code_dependencies import code_digest
from pipeline.core.errors import BadParameters
from pipeline.core.workspace import workspace
from pipeline.datasets.pictures.raw_folder import open_source
from pipeline.export.folder_writer import Link, check_link, write_folder
from pipeline.export.lmdb_writer import write_lmdb
from pipeline.export.originals import Originals, find_originals, rows_of_parts
from pipeline.export.parquet_writer import write_parquet
from pipeline.export.stylegan_writer import write_stylegan
from pipeline.export.webdataset_writer import write_webdataset
from pipeline.imageset.format.image_set import ImageSet, Rows
from pipeline.imageset.format.kept_rows import load_kept

Format = Literal["folder", "lmdb", "webdataset", "parquet", "stylegan"]

SCHEMA_VERSION = 1


def export(
    images_folder: Path,
    kept_file: Path,
    raws: Sequence[Path],
    archives: Path | None,
    *,
    form: Format,
    link: Link = "copy",
    shard_pictures: int = 10_000,
    part: int | None = None,
    to: Path,
    dry_run: bool = False,
) -> dict[str, Any]:
    """Export the pictures of the kept rows of an image set; a photo with several faces is exported once, as the photo.

    `export.json` in the same folder records the inputs.

    Args:
        kept_file: `kept.npy` of a dedup result.
        raws: the raw folders of the sources of the set: one for each part, or only that of `part`.
        archives: folder of the sources; None if the raw folders hold or remember them; see `raw_folder.locate`.
        form: the format. `stylegan` exports the square pictures of the set; all others export the unchanged bytes of
            the source files.
        link: option of the format `folder`; see `folder_writer.write_folder`.
        shard_pictures: pictures per shard, for `webdataset` and `parquet`.
        part: the part of the set to export; None for all.
        dry_run: only find the pictures, and write nothing.

    Returns:
        `pictures`, `bytes`, and the counts of the format's writer; for a dry run only `pictures` and, except for
        `stylegan`, `bytes`.

    Raises:
        MissingInput, CorruptData: the image set, the kept rows or the source cannot be read.
        BadParameters: links are not possible for this format or source; `part` is unknown or has no kept pictures; or
            `part` is None, and there are fewer raw folders than parts.
    """
    images = ImageSet(images_folder)
    kept = load_kept(kept_file, len(images))
    parts = _parts(images, kept, part)
    if link != "copy" and form != "folder":
        raise BadParameters(f"--link {link}: only --format folder has files to link; use --link copy")
    made_from = {
        "schema_version": SCHEMA_VERSION,
        "images": images.digest,
        "kept": files.sha256_file(kept_file),
        "format": form,
        "link": link,
        "shard_pictures": shard_pictures,
        **({} if part is None else {"part": part}),
    }
    if dry_run:
        if form == "stylegan":
            return {**made_from, "pictures": sum(map(len, parts.values()))}
        originals = _originals(images, parts, raws, archives)
        check_link(originals, link)
        return {**made_from, "pictures": len(originals), "bytes": originals.total_bytes}
    with workspace(to, files.digest({**made_from, "code": code_digest(__name__)})) as work:
        if work is None:
            return dict(files.read_json(to / "export.json"))
        if form == "stylegan":
            rows = np.concatenate(list(parts.values()))
            counts = {"pictures": len(rows), **write_stylegan(images, rows, work.result)}
        else:
            originals = _originals(images, parts, raws, archives)
            counts = {"pictures": len(originals)}
            if form == "folder":
                check_link(originals, link)
                (work.result / "pictures").mkdir()
                counts |= write_folder(originals, work.result / "pictures", link)
            elif form == "lmdb":
                counts |= write_lmdb(originals, work.result)
            elif form == "webdataset":
                counts |= write_webdataset(originals, work.result, shard_pictures)
            else:
                counts |= write_parquet(originals, work.result, shard_pictures)
        summary = {**made_from, **counts}
        files.write_json(work.result / "export.json", summary)
        work.publish()
    return summary


def _parts(images: ImageSet, kept: Rows, part: int | None) -> dict[int, Rows]:
    """The kept rows of the part, or of each part that has any, by number of the part."""
    if part is not None and not 0 <= part < len(images.parts):
        raise BadParameters(f"--part {part}: --images has parts 0 to {len(images.parts) - 1}")
    parts = dict(enumerate(rows_of_parts(images, kept)))
    if part is None:
        return {number: rows for number, rows in parts.items() if len(rows)} or {0: kept}
    if not len(parts[part]):
        raise BadParameters(f"--part {part}: none of its pictures is kept, so there is nothing to export")
    return {part: parts[part]}


def _originals(images: ImageSet, parts: dict[int, Rows], raws: Sequence[Path], archives: Path | None) -> Originals:
    """The source pictures of the rows of all parts."""
    if max(parts) >= len(raws) > 1 or (len(parts) > 1 and len(raws) == 1):
        raise BadParameters(
            f"--images {images.folder}: made of {len(images.parts)} sources, but there are {len(raws)} raw folders; "
            "give --dedup, or export them one at a time: --part 0 with --raw steps/raw-images, and so on"
        )
    found = [
        find_originals(images, rows, open_source(raws[number if len(raws) > 1 else 0], archives))
        for number, rows in parts.items()
    ]
    return functools.reduce(Originals.joined_with, found)
