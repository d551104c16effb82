"""Export the kept pictures in a format that other programs read; the source files are not changed."""

from pathlib import Path
from typing import Any, Literal

from pipeline.core import files
from pipeline.core.code_dependencies import code_digest
from pipeline.core.errors import BadParameters
from pipeline.core.workspace import workspace
from pipeline.datasets.pictures.raw_folder import open_source
from pipeline.export.folder_writer import Link, check_link, write_folder
from pipeline.export.lmdb_writer import write_lmdb
from pipeline.export.originals import find_originals
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
    raw: Path,
    archives: Path,
    *,
    form: Format,
    link: Link = "copy",
    shard_pictures: int = 10_000,
    part: int | None = None,
    to: Path,
) -> dict[str, Any]:
    """Export the pictures of the kept rows of an image set; a photo with several faces is exported once, as the photo.

    `export.json` in the same folder records the inputs.

    Args:
        kept_file: `kept.npy` of a dedup result.
        raw, archives: the source of the set; see `raw_folder.open_source`.
        form: the format. `stylegan` exports the square pictures of the set; all others export the unchanged bytes of
            the source files.
        link: option of the format `folder`; see `folder_writer.write_folder`.
        shard_pictures: pictures per shard, for `webdataset` and `parquet`.
        part: the part of the set to export; None for all. Required for a set of several parts, because source files are
            exported from one source at a time; not required for `stylegan`.

    Returns:
        `pictures`, `bytes`, and the counts of the format's writer.

    Raises:
        MissingInput, CorruptData: the image set, the kept rows or the source cannot be read.
        BadParameters: links are not possible for this format or source; `part` is missing or unknown, or has no kept
            pictures.
    """
    images = ImageSet(images_folder)
    kept = _of_part(images, load_kept(kept_file, len(images)), part, squares=form == "stylegan")
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
    with workspace(to, files.digest({**made_from, "code": code_digest(__name__)})) as work:
        if work is None:
            return dict(files.read_json(to / "export.json"))
        if form == "stylegan":
            counts = {"pictures": len(kept), **write_stylegan(images, kept, work.result)}
        else:
            originals = find_originals(images, kept, open_source(raw, archives))
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


def _of_part(images: ImageSet, kept: Rows, part: int | None, *, squares: bool) -> Rows:
    """The kept rows of a part, or all of them."""
    count = len(images.parts)
    if part is None:
        if squares or count == 1:
            return kept
        raise BadParameters(
            f"--images {images.folder}: made of {count} sources; export them one at a time, each to its own folder: "
            "--part 0 with --raw steps/raw-images, --part 1 with --raw steps/raw-added-1, and so on"
        )
    if not 0 <= part < count:
        raise BadParameters(f"--part {part}: --images has parts 0 to {count - 1}")
    start = sum(images.parts[:part])
    chosen = kept[(kept >= start) & (kept < start + images.parts[part])]
    if not len(chosen):
        raise BadParameters(f"--part {part}: none of its pictures is kept, so there is nothing to export")
    return chosen
