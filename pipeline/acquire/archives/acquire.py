"""Make a set's raw folder: draw the miniature, take the archive that is there, or fetch upstream's.

The raw folder says in `source.json` what the pictures come from, and holds only what the archives folder does not:

    an LSUN zip            the LMDB, unpacked                              kind lmdb,   place raw
    a folder with an LMDB  nothing; read where it is                       kind lmdb,   place archives
    a folder of pictures   nothing; read where it is                       kind folder, place archives
    a tar or a zip of them nothing; read where it is                       kind tar, zip, place archives
    parquet file or folder nothing; read where it is                       kind parquet, place archives
    Imagenet32's pickles   nothing; read where it is                       kind pickles, place archives
    the miniature          its LMDB, tar or zip, and the tables of truth   kind as above, place raw

Where texts lie beside the pictures, in a tar, they become `captions.parquet` there.

There is no fallback: a missing archive is an error, whatever else there may be.
"""

import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from pipeline.acquire.archives.find_archive import AcquireConfig, find, published, removed_note
from pipeline.acquire.archives.unpack import unpack_lmdb, unpacked_bytes
from pipeline.acquire.download.disk import Checksums, checksums
from pipeline.core import files, progress
from pipeline.core.code_dependencies import code_digest
from pipeline.core.errors import BadParameters, CorruptData, MissingInput
from pipeline.core.workspace import workspace
from pipeline.datasets.photos import LISTS, celeba_table
from pipeline.datasets.raw_folder import DataSet, Description, Kind, Place, read_as
from pipeline.miniature import picture_archives as miniature
from pipeline.miniature.photos import draw_faces
from pipeline.readers.captions import caption_table

_KINDS: dict[DataSet, tuple[Kind, ...]] = {
    "lsun": ("lmdb", "folder", "tar", "zip", "parquet"),
    "imagenet": ("tar", "folder", "zip", "parquet", "pickles"),
    "faces": ("folder", "zip", "tar", "parquet"),
}
_DRAW: dict[DataSet, Callable[..., None]] = {
    "lsun": miniature.draw_lsun,
    "imagenet": miniature.draw_imagenet,
    "faces": draw_faces,
}


def acquire(
    data_set: DataSet,
    section: AcquireConfig,
    *,
    archives: Path,
    to: Path,
    seed: int,
    workers: int,
    fetched: Checksums | None = None,
) -> dict[str, Any]:
    """Make the raw folder `to` of a set; see the head of this module.

    Args:
        archives: the set's folder of archives; `upstream` puts its download there.
        seed: root seed, for the miniature.
        workers: processes that draw the miniature.
        fetched: checksums of the archive that has just been downloaded and verified, so that it is not read again.

    Returns:
        The content of `source.json`.

    Raises:
        MissingInput: there is no such archive.
        CorruptData: it is damaged, empty, or of a kind that this set cannot be read from.
        ChecksumMismatch: it is not upstream's, and `checksum` demands that.
        BadParameters: the section relies on something that upstream does not publish.
        DownloadFailed: upstream could not be fetched.
    """
    drawn = section.source == "miniature"
    archive = archives / section.archive
    if not drawn and not archive.exists() and (kept := _unpacked_before(archive, to)):
        return kept
    sums = None if drawn else fetched or find(section, archives)
    identity = {**section.model_dump(), "seed": seed} if sums is None else asdict(sums)
    identity["lists"] = [files.sha256_file(archives / name) for name in LISTS if (archives / name).exists()]
    code = code_digest(__name__)
    with workspace(to, files.digest({"code": code, "set": data_set, **identity})) as work:
        if work is None:
            return dict(files.read_json(to / "source.json"))
        if sums is None:
            archive = _draw(data_set, section, work.scratch / "drawn", seed, workers)
            sums = checksums(archive)
            for path in archive.parent.iterdir():
                if path != archive or not unpacked_bytes(path):  # what is unpacked need not be kept as well
                    path.replace(work.result / path.name)
        described = _describe(data_set, section, archive, sums, work.result)
        if data_set == "faces" and (table := celeba_table(archives)) is not None:
            pq.write_table(table, work.result / "attributes.parquet", compression="zstd")
        files.write_json(work.result / "source.json", described.as_json())
        work.publish()
    if not drawn and described.place == "raw" and not section.keep_archive:
        files.write_json(removed_note(archive), described.as_json())
        archive.unlink()
        progress.say(f"{archive}: verified, unpacked and removed (keep_archive: false)")
    return described.as_json()


def _draw(data_set: DataSet, section: AcquireConfig, folder: Path, seed: int, workers: int) -> Path:
    """Draw the miniature's archive into `folder`, anew; also its path."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    progress.say(f"drawing {section.count:,} pictures")
    _DRAW[data_set](folder, count=section.count, planted_share=section.planted_share, seed=seed, workers=workers)
    if not (folder / section.archive).exists():
        names = ", ".join(path.name for path in folder.glob("*.[zt]*"))
        raise BadParameters(f"archive: {section.archive}: the miniature draws {names}")
    return folder / section.archive


def _describe(data_set: DataSet, section: AcquireConfig, archive: Path, sums: Checksums, result: Path) -> Description:
    """Unpack what has to be unpacked to the folder `result`, and count what is there."""
    place: Place = "archives"
    if (result / archive.name).exists():
        archive, place = result / archive.name, "raw"
    elif unpacked_bytes(archive):
        unpack_lmdb(archive, result)
        archive, place = result, "raw"
    found = read_as(archive)
    if found.kind not in _KINDS[data_set]:
        raise CorruptData(f"{archive}: a {found.kind}; this set is read from {' or '.join(_KINDS[data_set])}")
    entries = found.source.entries()
    if not entries:
        raise CorruptData(f"{archive}: holds no pictures; look into it, or change `archive`")
    if (captions := caption_table(found.source, entries)) is not None:
        pq.write_table(captions, result / "captions.parquet", compression="zstd")
    known = published(section)
    upstream = known is not None and sums.match(known)
    if found.stand_in:
        progress.warn(f"{archive}: a stand-in for the data set: {found.stand_in}; source.json says so as well")
    return Description(
        section.source,
        section.archive,
        sums.bytes,
        sums.sha256,
        len(entries),
        upstream,
        place,
        found.kind,
        found.stand_in,
    )


def _unpacked_before(archive: Path, to: Path) -> dict[str, Any] | None:
    """What is in `to`, when it is what an archive that is gone was unpacked to.

    This helps outside DVC only, which deletes the output before it runs a stage again.
    """
    try:
        described: dict[str, Any] = files.read_json(removed_note(archive))
        same = described == files.read_json(to / "source.json") and (to / "data.mdb").exists()
    except MissingInput:
        return None
    return described if same else None
