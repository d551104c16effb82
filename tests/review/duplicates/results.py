"""Make dedup results of any size, in the layout of `dcgan dedup`, from synthetic pictures."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.core import files
from pipeline.dedup.decision.removal import RemovalConfig, remove_duplicates
from pipeline.dedup.decision.verdicts import write_verdicts
from pipeline.dedup.encoder import codes as codes_module
from pipeline.dedup.index.exact_match import find_classes
from pipeline.dedup.pairs import pairs_table
from pipeline.dedup.pairs.decoys import LayoutTest
from pipeline.dedup.pairs.pairs_table import SCHEMA
from pipeline.imageset.format import image_set
from pipeline.imageset.format.image_set import Images, ImageSet

HOSTILE = (
    "<img src=x onerror=\"document.title='run'\">",
    "<script>document.title = 'run'</script>",
    "\" onmouseover=\"document.title='run'\" x='",
    "line one\nline two\r\ttab\x00\x07",
    "photo\u202egpj.exe\u2066",
    '=HYPERLINK("x")&\'--',
    "javascript:document.title='run'//%00%0a{{7*7}}${7*7}",
    "k" * 4096,
)
"""Keys that could break a page, a table or a terminal."""


def make_result(
    folder: Path, groups: int, copies: int, *, hostile: Sequence[str] = (), side: int = 32, chunk: int = 65_536
) -> Path:
    """A result with `groups` kept pictures, `copies` removed ones for each, and some misses and mirrored matches.

    The code of copy c differs from its representative's in 2c bits, and its score is -c. The first copy of every tenth
    group has the bytes of its representative. The rows of a group are adjacent; the representative is first.
    """
    steps = folder / "steps"
    steps.mkdir(parents=True)
    size = copies + 1
    count = groups * size
    keys = sorted([*hostile, *(f"room/{n:07d}.jpg" for n in range(count - len(hostile)))], key=str.encode)
    rng = np.random.default_rng(3)
    codes = rng.integers(0, 256, (groups, 1, 16)).astype(np.uint8).repeat(size, axis=1)
    for copy in range(1, size):
        codes[:, copy, 0] ^= np.uint8((1 << min(2 * copy, 8)) - 1)
    chunks = 0
    for number, first in enumerate(range(0, count, chunk)):
        rows = range(first, min(first + chunk, count))
        pictures = [_picture(keys[row], row, size) for row in rows]
        images = _images(rows, size, side)
        image_set.write_chunk(steps / "chunks", number, images, pictures, [], sources=len(rows))
        chunks += 1
    (steps / "images").mkdir()
    whole = {row: bytes(one) for row, one in enumerate(image_set.pixel_digests(_images(range(count), size, side)))}
    image_set.join_chunks(steps / "chunks", chunks, steps / "images", side=side, max_bad=0.0, source_digests=whole)
    read = ImageSet(steps / "images")
    digest = read.digest
    (steps / "codes").mkdir()
    files.write_array(steps / "codes" / "codes.npy", codes.reshape(count, 16))
    files.write_json(steps / "codes" / "codes.json", {"schema_version": codes_module.SCHEMA_VERSION, "images": digest})
    leaders = np.arange(0, count, size).repeat(copies)
    numbers = np.tile(np.arange(1, size), groups)
    tables = {
        "pairs": _pairs(leaders, leaders + numbers, 2 * numbers, -numbers),
        "misses": _pairs(np.arange(0, count - size, size)[:120], np.arange(size, count, size)[:120], 9, -8.5),
        "doubtful": pairs_table.SCHEMA.empty_table(),
        "mirrored": _pairs(np.array([0, size]), np.array([2 * size, 2 * size]), 7, -0.5, mirrored=True),
    }
    tables["classes"] = find_classes(read, None, workers=1).table()
    about: dict[str, Any] = {"schema_version": pairs_table.SCHEMA_VERSION, "mode": "near", "images": digest}
    about["parameters"] = {"mirrored": "list"}
    (steps / "pairs").mkdir()
    pairs_table.write_tables(steps / "pairs", tables, {**about, **LayoutTest().figures(), "detector": "d" * 64})
    write_verdicts(folder / "verdicts.csv", [])
    remove_again(folder)
    return folder


def remove_again(folder: Path, matches: Path | None = None) -> dict[str, Any]:
    """Remove duplicates again with the current verdicts, as `dcgan dedup` would."""
    steps = folder / "steps"
    folders = (steps / "images", steps / "codes", steps / "pairs", folder / "verdicts.csv")
    return remove_duplicates(*folders, RemovalConfig(keep=["first"]), steps / "dedup", matches=matches)


def content(row: int, size: int) -> str:
    """SHA-256 of the source of a picture."""
    same = row % size == 1 and row // size % 10 == 0
    return hashlib.sha256(f"source {row - same}".encode()).hexdigest()


def _picture(key: str, row: int, size: int) -> image_set.Picture:
    return image_set.Picture(key, 640 + row % 7, 480 + row % 5, 40_000 + row, content(row, size), None, "bedroom")


def _images(rows: range, size: int, side: int) -> Images:
    """Blocks of colour for each group; each copy differs a little more than the one before."""
    numbers = np.arange(rows.start, rows.stop)
    images = np.empty((len(numbers), side, side, 3), np.uint8)
    for at, row in enumerate(numbers):
        coarse = np.random.default_rng(row // size).integers(30, 226, (4, 4, 3))
        large = coarse.repeat(side // 4, axis=0).repeat(side // 4, axis=1)
        copy = int(row % size) - (row % size == 1 and row // size % 10 == 0)
        large[copy : copy + 3, : 2 * copy] += 3 * copy  # 0 for the representative
        images[at] = large.clip(0, 255)
    return images


def _pairs(left: Any, right: Any, hamming: Any, score: Any, *, mirrored: bool = False) -> pa.Table:
    count = len(left)
    hamming, score, flags = (np.broadcast_to(value, count) for value in (hamming, score, mirrored))
    columns = (left, right, hamming, score.astype(float), flags)
    return pa.table(dict(zip(SCHEMA.names, columns, strict=True))).cast(SCHEMA)
