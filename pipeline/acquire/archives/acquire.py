"""Make the raw folder of a set from a synthetic archive, an archive in the archives folder, or a download.

`source.json` in the raw folder describes the source. The raw folder holds pictures only if they must be unpacked or
copied:

    source                     what the raw folder holds                        kind          place
    an LSUN zip                the LMDB, unpacked                               lmdb          raw
    a compressed tar           the tar, decompressed                            tar           raw
    a folder with an LMDB      nothing; it is read in place                     lmdb          archives
    a folder of pictures       nothing; it is read in place                     folder        archives
    a tar or zip of pictures   nothing; it is read in place                     tar, zip      archives
    parquet file or folder     nothing; it is read in place                     parquet       archives
    Imagenet32's pickles       nothing; they are read in place                  pickles       archives
    a synthetic archive        its LMDB, tar or zip, and ground-truth tables    as above      raw

Captions in a tar are collected in `captions.parquet`.

There is no fallback: a missing archive is an error.
"""

import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from pipeline.acquire.archives.find_archive import fetch_and_verify, measure, published, removed_note
from pipeline.acquire.config import DRAWN_NOTE, AcquireConfig
from pipeline.acquire.download.checksums import Checksums
from pipeline.core import files, progress
from pipeline.core.code_dependencies import code_digest
from pipeline.core.errors import BadParameters, MissingInput
from pipeline.core.workspace import workspace
from pipeline.datasets.pictures import imagenet32
from pipeline.datasets.pictures.photos import LISTS, celeba_table
from pipeline.datasets.pictures.raw_folder import Description, Place, count_pictures, open_archive
from pipeline.readers.captions import caption_table
from pipeline.readers.compressed_tar import UNPACKED
from pipeline.readers.zipped_lmdb import unpacked_bytes


def acquire(
    section: AcquireConfig,
    *,
    archives: Path,
    to: Path,
    drawn: Path | None = None,
    fetched: Checksums | None = None,
) -> dict[str, Any]:
    """Make the raw folder `to` of a set; see the module docstring.

    Args:
        archives: folder of the set's archives; a download is kept there.
        drawn: output folder of draw-miniature; needed only for the source `miniature`.
        fetched: checksums of the archive if it has just been downloaded and verified; then it is not hashed again.

    Returns:
        The content of `source.json`.

    Raises:
        MissingInput: the archive does not exist. CorruptData: the archive is damaged or holds no pictures.
            ChecksumMismatch: the archive is not the published one, and `checksum` demands that.
        BadParameters: the section relies on something that is not published, or `drawn` is missing.
        DownloadFailed: the published archive could not be downloaded.
    """
    stand_in = None
    if section.source == "miniature":
        archives, stand_in = check_drawn(drawn, "draw-miniature")
    archive = archives / section.archive
    if not archive.exists() and (kept := _unpacked_before(archive, to)):
        return kept
    sums = fetched or fetch_and_verify(section, archives)
    known = published(section)
    upstream = known is not None and sums.match(known)
    described = _make_raw_folder(section.source, archive, sums, to, upstream=upstream, drawn_as=stand_in)
    if section.source != "miniature" and described["place"] == "raw" and not section.keep_archive:
        files.write_json(removed_note(archive), described)
        archive.unlink()
        progress.say(f"{archive}: verified, unpacked and removed (keep_archive: false)")
    return described


def describe_source(source: Path, *, to: Path) -> dict[str, Any]:
    """Make the raw folder `to` of any archive or folder of pictures, without a profile.

    Returns:
        The content of `source.json`.

    Raises:
        MissingInput, CorruptData: `source` does not exist, is damaged, or holds no pictures.
    """
    return _make_raw_folder("archive", source, measure(source), to, upstream=False)


def check_drawn(drawn: Path | None, command: str) -> tuple[Path, str]:
    """Check the output folder of a draw command; return the folder, and what it holds, such as `drawn rooms`.

    Args:
        command: name of the command, for messages.

    Raises:
        BadParameters: `drawn` is None.
        MissingInput: the folder holds no synthetic archive.
    """
    if drawn is None:
        raise BadParameters(f"--drawn: missing; source: miniature expects the folder that dcgan {command} made")
    note = drawn / DRAWN_NOTE
    stand_in = files.read_json(note)["stand_in"] if note.is_file() else None
    if stand_in is None:
        raise MissingInput(f"--drawn {drawn}: holds no synthetic archive; run dcgan {command} with this profile first")
    return drawn, str(stand_in)


def _make_raw_folder(
    source: str, archive: Path, sums: Checksums, to: Path, *, upstream: bool, drawn_as: str | None = None
) -> dict[str, Any]:
    """Make the raw folder `to`; a synthetic archive (described by `drawn_as`) and its tables are copied to it."""
    beside = archive.parent
    lists = [files.sha256_file(beside / name) for name in LISTS if (beside / name).exists()]
    drawn_files = [path for path in sorted(beside.iterdir()) if path.name != DRAWN_NOTE] if drawn_as else []
    work_digest = files.digest(
        {
            "code": code_digest(__name__),
            "source": source,
            "archive": archive.name,
            "lists": lists,
            "drawn": [drawn_as, *(files.sha256_file(path) for path in drawn_files if path != archive)],
            **asdict(sums),
        }
    )
    with workspace(to, work_digest) as work:
        if work is None:
            return dict(files.read_json(to / "source.json"))
        for path in drawn_files:
            if path != archive or not unpacked_bytes(path):  # a zip that was unpacked is not copied too
                shutil.copyfile(path, work.result / path.name)
        described = _describe(source, archive, sums, work.result, upstream, drawn_as)
        if (table := celeba_table(beside)) is not None:
            pq.write_table(table, work.result / "attributes.parquet", compression="zstd")
        files.write_json(work.result / "source.json", described.as_json())
        work.publish()
    return described.as_json()


def _describe(
    source: str, archive: Path, sums: Checksums, result: Path, upstream: bool, drawn_as: str | None
) -> Description:
    """Unpack a zip with an LMDB or a compressed tar to the folder `result`, and count the pictures."""
    found = open_archive(archive, unpack_to=result)
    place: Place = "raw" if drawn_as or _is_unpacked(result) else "archives"
    entries = found.source.entries()
    count = count_pictures(archive, entries)
    if (captions := caption_table(found.source, entries)) is not None:
        pq.write_table(captions, result / "captions.parquet", compression="zstd")
    stand_in = drawn_as or (imagenet32.STAND_IN if found.kind == "pickles" else None)
    if stand_in and not drawn_as:
        progress.warn(f"{archive}: a substitute for the data set: {stand_in}; source.json says so as well")
    return Description(source, archive.name, sums.bytes, sums.sha256, count, upstream, place, found.kind, stand_in)


def _is_unpacked(folder: Path) -> bool:
    """Whether a raw folder holds the unpacked content of an archive."""
    return any((folder / name).exists() for name in ("data.mdb", UNPACKED))


def _unpacked_before(archive: Path, to: Path) -> dict[str, Any] | None:
    """The content of `to/source.json`, if `to` holds the unpacked content of an archive that has since been removed.

    This matters only outside DVC: DVC deletes an output before it runs its stage again.
    """
    try:
        described: dict[str, Any] = files.read_json(removed_note(archive))
        same = described == files.read_json(to / "source.json") and _is_unpacked(to)
    except MissingInput:
        return None
    return described if same else None
