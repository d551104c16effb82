"""Move the removed files of folders to another folder, and back.

The other folder has the same paths as the source, and `moved.csv`, which lists the files before the first one is moved:

    from,to,sha256,kept_key    absolute path in the source; path in the other folder; digest; key of the kept picture

Nothing is overwritten in either direction. A call that was interrupted is completed by the same call.
"""

import contextlib
import errno
import hashlib
import os
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.core import files, progress
from pipeline.core.errors import BadParameters, CorruptData, MissingInput
from pipeline.csv_text import decode_key, decode_path, encode_key, encode_path, read_rows
from pipeline.datasets.pictures.raw_folder import open_source
from pipeline.dedup.decision import manifest
from pipeline.export.originals import rows_of_parts
from pipeline.imageset.format.image_set import ImageSet
from pipeline.readers.base import only_pictures
from pipeline.readers.folder_reader import Folder

MOVED = "moved.csv"
_HEADER = ("from", "to", "sha256", "kept_key")
_NO_LINKS = {errno.EXDEV, errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK, errno.ENOSYS}


@dataclass(frozen=True)
class _Move:
    """One line of the list.

    Attributes:
        source: absolute path in the source.
        target: path in the other folder.
        sha256: digest of the content.
        kept_key: key of the kept picture.
    """

    source: bytes
    target: bytes
    sha256: str
    kept_key: str


def move_removed(
    images_folder: Path, dedup: Path, raws: Sequence[Path], archives: Path | None, to: Path, *, dry_run: bool = False
) -> dict[str, Any]:
    """Move the removed pictures out of the folders that they came from.

    Before anything is moved, every file is compared with its SHA-256, and every kept picture must still be there. Files
    that are links, or reached through a link to a folder, are not moved, because they are not in the source.

    Args:
        images_folder: the image set of the result.
        dedup: folder of the result, with `manifest.parquet`.
        raws: the raw folders of the parts of the set.
        archives: folder of the sources; None if the raw folders remember them.
        to: a new folder, or that of an earlier move.
        dry_run: only check and count.

    Returns:
        `moved` and `bytes` (for a dry run: to be moved), `moved_before`, and `linked`: not moved because of a link.

    Raises:
        BadParameters: a source is not a folder of files, the pictures are faces, `to` overlaps the source, contains
            other files, or has a file of the same name.
        MissingInput: a picture is neither in the source nor in `to`.
        CorruptData: a file has changed since the image set was made.
    """
    images = ImageSet(images_folder)
    moves, linked = _plan(images, dedup, raws, archives, to)
    earlier = _read_list(to)
    waiting = [move for move in moves if os.path.lexists(move.source)]
    _check(waiting, to)
    counts = {
        "moved": len(waiting),
        "bytes": sum(os.lstat(move.source).st_size for move in waiting),
        "moved_before": len(moves) - len(waiting),
        "linked": linked,
    }
    if waiting and not dry_run:
        _write_list(to, [*earlier, *waiting])
        with progress.bar("move", len(waiting)) as advance:
            for move in waiting:
                _move(move.source, os.path.join(os.fsencode(to), move.target), move.sha256)  # noqa: PTH118
                advance(1)
    return counts


def move_back(folder: Path, *, dry_run: bool = False) -> dict[str, int]:
    """Undo `move_removed`: move all listed files back to their sources, and delete the list and emptied folders.

    Returns:
        `moved_back` (for a dry run: to be moved back).

    Raises:
        MissingInput: the folder has no list, or a listed file is in neither place.
        BadParameters: a file of the same name is in the source again.
        CorruptData: the list is damaged.
    """
    moves = _read_list(folder)
    if not moves:
        raise MissingInput(f"--move-back {folder}: no {MOVED} there; give the folder that --move-to was given")
    root = os.fsencode(folder)
    waiting: list[_Move] = []
    for move in moves:
        target = os.path.join(root, move.target)  # noqa: PTH118
        if os.path.lexists(target):
            waiting.append(move)
            if os.path.lexists(move.source) and not _has(move.source, move.sha256):
                raise BadParameters(f"{os.fsdecode(move.source)}: is there again; move it away; nothing was moved back")
        elif not os.path.lexists(move.source):
            raise MissingInput(f"{os.fsdecode(move.source)}: neither there nor in {folder}; nothing was moved back")
    if not dry_run:
        for move in waiting:
            _move(os.path.join(root, move.target), move.source, move.sha256)  # noqa: PTH118
        (folder / MOVED).unlink()
        for below, _, _ in os.walk(folder, topdown=False):
            with contextlib.suppress(OSError):  # it has other files
                Path(below).rmdir()
    return {"moved_back": len(waiting)}


def _plan(
    images: ImageSet, dedup: Path, raws: Sequence[Path], archives: Path | None, to: Path
) -> tuple[list[_Move], int]:
    """The removed files, and the number of those that are links or reached through one."""
    table, _ = manifest.read(dedup, images)
    if images.index.column("box").null_count < len(images):
        raise BadParameters("--move-to: the pictures are faces, and a photograph may have others that are kept")
    removed = np.flatnonzero(np.asarray(pc.equal(table.column("status"), "removed")))
    kept_keys = set(table.filter(pc.not_equal(table.column("status"), "removed")).column("key").to_pylist())
    representatives = set(table.take(pa.array(removed)).column("kept_key").to_pylist()) & kept_keys
    moves: list[_Move] = []
    linked = 0
    present: set[str] = set()
    for number, rows in enumerate(rows_of_parts(images, removed)):
        if number >= len(raws):
            raise BadParameters(f"--raw: missing; {images.folder} is made of {len(images.parts)} sources; give --dedup")
        source = open_source(raws[number], archives)
        if not isinstance(source, Folder):
            raise BadParameters("--move-to: the source is one archive, not a folder of files; use --to to export")
        root = os.path.realpath(os.fsencode(source.folder))
        target = os.path.realpath(os.fsencode(to))
        if os.path.commonpath([root, target]) in (root, target):
            raise BadParameters(f"--move-to {to}: overlaps the source {source.folder}; choose another folder")
        places = {entry.key: entry.place for entry in only_pictures(source.entries())}
        present |= places.keys()
        if to.is_dir():
            places |= {entry.key: entry.place for entry in only_pictures(Folder(to).entries())}
        for row in table.take(pa.array(rows)).select(["key", "sha256", "kept_key"]).to_pylist():
            place = places.get(row["key"])
            if place is None:
                raise MissingInput(f"picture {row['key']!r}: neither in the source nor in {to}; nothing was moved")
            assert isinstance(place, bytes)
            path = os.path.join(root, place)  # noqa: PTH118
            if path != os.path.realpath(path):
                linked += 1
            else:
                moves.append(_Move(path, place, row["sha256"], row["kept_key"]))
    if missing := sorted(representatives - present):
        raise MissingInput(
            f"picture {missing[0]!r}: is kept for others, but no longer in the source; nothing was moved"
        )
    return moves, linked


def _check(waiting: Iterable[_Move], to: Path) -> None:
    """Check all files before the first one is moved."""
    if to.exists() and (not to.is_dir() or (any(to.iterdir()) and not (to / MOVED).is_file())):
        raise BadParameters(f"--move-to {to}: contains files but no {MOVED}; choose a new folder")
    for move in waiting:
        target = os.path.join(os.fsencode(to), move.target)  # noqa: PTH118
        if os.path.lexists(target) and not _has(target, move.sha256):
            raise BadParameters(f"{os.fsdecode(target)}: already exists; choose another --move-to")
        if not _has(move.source, move.sha256):
            raise CorruptData(
                f"{os.fsdecode(move.source)}: has changed since the image set was made; nothing was moved; run dcgan "
                "dedup again"
            )


def _has(path: bytes, sha256: str) -> bool:
    """Whether there is a file with this digest."""
    if not os.path.isfile(path):  # noqa: PTH113 (Path takes no bytes)
        return False
    with open(path, "rb") as file:  # noqa: PTH123
        return hashlib.file_digest(file, "sha256").hexdigest() == sha256


def _move(source: bytes, target: bytes, sha256: str) -> None:
    """Move a file, also to another disk; a file that exists is never overwritten.

    After an interruption the file may be in both places; then only the first one is deleted.
    """
    os.makedirs(os.path.dirname(target), exist_ok=True)  # noqa: PTH103, PTH120
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno in _NO_LINKS and not os.path.lexists(target):
            temporary = target + b".moving"
            shutil.copy2(source, temporary)
            files.sync(Path(os.fsdecode(temporary)))
            os.rename(temporary, target)  # noqa: PTH104
        elif not _has(target, sha256):
            raise
    os.unlink(source)  # noqa: PTH108


def _read_list(folder: Path) -> list[_Move]:
    """The listed moves; none if there is no list."""

    def parse(row: list[str]) -> _Move:
        return _Move(decode_path(row[0]), decode_path(row[1]), row[2], decode_key(row[3]))

    try:
        return read_rows(folder / MOVED, _HEADER, parse, option="--move-to", remedy="correct the line")
    except FileNotFoundError:
        return []


def _write_list(folder: Path, moves: Iterable[_Move]) -> None:
    lines = {",".join(_fields(move)) for move in moves}
    files.write_text(folder / MOVED, "\n".join([",".join(_HEADER), *sorted(lines)]) + "\n")


def _fields(move: _Move) -> list[str]:
    source, target, sha256, kept_key = astuple(move)
    return [encode_path(source), encode_path(target), sha256, encode_key(kept_key)]
