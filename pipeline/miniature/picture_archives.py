"""Write synthetic pictures as archives in the published layouts.

The same arguments give the same bytes: every picture has its own seed, derived from the root seed; records are written
in a fixed order; times, owners and modes in an archive are constant. (`data.mdb` also depends on the page size of the
machine, which is 4,096 bytes nearly everywhere.)
"""

import csv
import hashlib
import io
import shutil
import tarfile
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import lmdb
import numpy as np
import numpy.typing as npt
from PIL import Image

from pipeline.core.engine import map_chunks
from pipeline.miniature.members import SYNSETS, draw_member, list_members
from pipeline.miniature.planting import Box, copy_of, plan_copies
from pipeline.miniature.rooms import draw_room
from pipeline.seeding import numpy_rng

Task = TypeVar("Task")
Result = TypeVar("Result")

_QUALITY = 75
_CHUNK = 8  # pictures per task of a worker
# Reserved addresses, not disk space; enough for 400,000 pictures. It is stored in the file, so it must be constant.
_MAP_SIZE = 1 << 32
_DATE = (2012, 1, 1, 0, 0, 0)
_DATE_SECONDS = 1_325_376_000


def each(function: Callable[[Task], Result], tasks: Sequence[Task], workers: int) -> Iterator[Result]:
    """Yield `function(task)` for each task, in order; workers take several tasks at a time."""
    chunks = [(function, tasks[start : start + _CHUNK]) for start in range(0, len(tasks), _CHUNK)]
    for results in map_chunks(_do_all, chunks, workers=workers):
        yield from results


def _do_all(chunk: tuple[Callable[[Task], Result], Sequence[Task]]) -> list[Result]:
    function, tasks = chunk
    return [function(task) for task in tasks]


def write_table(to: Path, header: Sequence[str], rows: Iterable[tuple[Any, ...]]) -> None:
    """Write a CSV file; its rows are sorted by their first columns."""
    with to.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(header)
        table.writerows(sorted(rows))


def _lsun_key(seed: int, index: int) -> str:
    return hashlib.sha1(f"miniature/lsun/{seed}/{index}".encode(), usedforsecurity=False).hexdigest()


def _webp(image: npt.NDArray[np.uint8], quality: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "WEBP", quality=quality, method=0)
    return buffer.getvalue()


def _room(task: tuple[int, int, str, int]) -> tuple[bytes, list[Box]]:
    """One record of the bedroom set: WebP bytes and window boxes, from (seed, source, transform or "", own index)."""
    seed, source, transform, index = task
    image, boxes = draw_room(numpy_rng(seed, "miniature", "lsun", source))
    data = _webp(image, _QUALITY)
    if not transform:
        return data, boxes
    copy = copy_of(data, transform, numpy_rng(seed, "miniature", "lsun", "planted", index))
    moved = [box for box in map(copy.moved, boxes) if box is not None]
    return data if copy.untouched else _webp(copy.image, copy.quality or _QUALITY), moved


def draw_lsun(to: Path, *, count: int, planted_share: float, seed: int, workers: int) -> None:
    """Write `bedroom_train_lmdb.zip`, `planted.csv` and `windows.csv`.

    The zip holds an LMDB of WebP pictures under keys of 40 hexadecimal characters. `planted.csv` has a row
    (`key,original,transform`) for each planted copy. `windows.csv` has a row (`key,x0,y0,x1,y1`, in pixels of the
    stored picture, x1 and y1 exclusive) for each window.

    Args:
        to: an existing folder.
        count: total number of pictures, including planted copies.
        planted_share: share of planted copies (0..0.5).
        seed: root seed.
        workers: number of processes; it does not affect the result.

    Raises:
        BadParameters: there are fewer originals than requested copies.
    """
    originals = count - round(count * planted_share)
    planted = plan_copies(seed, "lsun", count, planted_share, range(originals))
    tasks = [(seed, index, "", index) for index in range(originals)]
    tasks += [(seed, copy.original, copy.transform, copy.index) for copy in planted]
    folder = to / "bedroom_train_lmdb"
    windows: list[tuple[str | int, ...]] = []
    # No other process uses this file yet, so locks and syncs are not needed.
    with (
        lmdb.open(str(folder), map_size=_MAP_SIZE, lock=False, sync=False) as environment,
        environment.begin(write=True) as transaction,
    ):
        for index, (data, boxes) in enumerate(each(_room, tasks, workers)):
            key = _lsun_key(seed, index)
            transaction.put(key.encode(), data)
            windows += [(key, *box) for box in boxes]
    with zipfile.ZipFile(to / f"{folder.name}.zip", "w") as archive:
        with (folder / "data.mdb").open("rb") as data_file:
            add_to_zip(archive, f"{folder.name}/data.mdb", data_file, (folder / "data.mdb").stat().st_size)
        # Readers with locks rewrite this file; its bytes carry no data.
        add_to_zip(archive, f"{folder.name}/lock.mdb", io.BytesIO(bytes(8192)), 8192)
    shutil.rmtree(folder)
    rows = [(_lsun_key(seed, copy.index), _lsun_key(seed, copy.original), copy.transform) for copy in planted]
    write_table(to / "planted.csv", ("key", "original", "transform"), rows)
    write_table(to / "windows.csv", ("key", "x0", "y0", "x1", "y1"), windows)


def add_to_zip(archive: zipfile.ZipFile, name: str, source: io.BufferedIOBase, length: int) -> None:
    """Store a member uncompressed: WebP does not shrink, and the output of compressors differs between versions."""
    info = zipfile.ZipInfo(name, _DATE)
    info.create_system, info.external_attr, info.file_size = 3, 0o644 << 16, length
    with archive.open(info, "w") as member:
        shutil.copyfileobj(source, member, 1 << 20)


def draw_imagenet(to: Path, *, count: int, planted_share: float, seed: int, workers: int) -> None:
    """Write `ILSVRC2012_img_train.tar`, a tar that holds one tar per synset, and `planted.csv`.

    Among the JPEGs are some in grey, two in CMYK, a PNG that is named as a JPEG, one cut off after 200 bytes, and one
    that is a line of text. `planted.csv` has a row (`key,original,transform`) for each planted copy, with keys like
    `nXXXXXXXX/nXXXXXXXX_N.JPEG`.

    Args:
        to: an existing folder.
        count: total number of files, including planted copies and unusual files.
        planted_share: share of planted copies (0..0.5); their originals are readable, ordinary and not copies.
        seed: root seed.
        workers: number of processes; it does not affect the result.

    Raises:
        BadParameters: `count` is too small for the unusual files, or leaves fewer originals than copies.
    """
    synsets, rows = list_members(seed, count, planted_share)
    drawn = each(draw_member, [member for members in synsets for member in members], workers)
    with tarfile.open(to / "ILSVRC2012_img_train.tar", "w", format=tarfile.USTAR_FORMAT) as outer:
        for synset, members in zip(SYNSETS, synsets, strict=True):
            inner_bytes = io.BytesIO()
            with tarfile.open(fileobj=inner_bytes, mode="w", format=tarfile.USTAR_FORMAT) as inner:
                for member in members:
                    _add_to_tar(inner, member.name, next(drawn))
            _add_to_tar(outer, f"{synset}.tar", inner_bytes.getvalue())
    write_table(to / "planted.csv", ("key", "original", "transform"), rows)


def _add_to_tar(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)  # owner 0, mode 0644
    info.size, info.mtime = len(data), _DATE_SECONDS
    archive.addfile(info, io.BytesIO(data))
