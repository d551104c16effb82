"""Find JPEGs that are damaged although their decoder reports nothing, where a whole copy is at hand.

A damaged file has the length of the whole one and shares most bytes with it. So the checksums of its parts, which are
taken while the set is made, find the whole one without reading any file again. Only the files of such pairs are read
and decoded a second time; `decode.jpeg.damaged_of` says which of the two is damaged.
"""

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.core import engine, files, progress
from pipeline.imageset.format import image_set
from pipeline.prepare.decode.jpeg import SLICES, Slices, damaged_of
from pipeline.readers.base import Entry, Source, UnreadableEntry, only_pictures

_SHARED = SLICES * 3 // 4
"""Number of equal parts of two files that are compared."""

_MOST_ALIKE = 8
"""If more files than this have the same part, it is a part of many pictures, such as a blank area."""

_BLOCK = 16
_RECORD = np.dtype([("content", "<u8"), ("slices", "<u4", (SLICES,))])

Pair = tuple[Entry, Entry]


def write_slices(folder: Path, number: int, parts: Mapping[str, Slices]) -> None:
    """Write the slices of a chunk's JPEGs to a scratch folder.

    Args:
        folder, number: as for `image_set.write_chunk`.
        parts: SHA-256 of a file -> its slices.
    """
    records = np.array([(_content(sha256), sums) for sha256, sums in parts.items()], _RECORD)
    files.write_array(folder / f"{number:06d}.slices.npy", records)


def find_damaged_copies(
    chunks_folder: Path, chunk_count: int, source: Source, entries: Sequence[Entry], *, workers: int
) -> dict[int, str]:
    """Find the pictures that are damaged copies of other pictures of the set.

    Args:
        chunks_folder: folder of the finished chunks 0..chunk_count-1, with their slices.
        source, entries: the source and its entries in key order.
        workers: number of processes.

    Returns:
        Row of the set -> what was found.
    """
    pairs = _candidates(chunks_folder, chunk_count)
    if not pairs:
        return {}
    wanted = {content for pair in pairs for content in pair}
    rows: dict[int, list[int]] = {}
    keys: dict[int, str] = {}
    start = 0
    for pictures, _ in image_set.pictures_of(chunks_folder, chunk_count):
        for row, picture in enumerate(pictures, start):
            if (content := _content(picture["sha256"])) in wanted:
                rows.setdefault(content, []).append(row)
                keys.setdefault(content, image_set.source_key(picture))
        start += len(pictures)
    first: dict[str, Entry] = {}
    named = set(keys.values())
    for entry in only_pictures(entries):
        if entry.key in named:
            first.setdefault(entry.key, entry)
    read = [(first[keys[left]], first[keys[right]]) for left, right in pairs]
    blocks = [read[at : at + _BLOCK] for at in range(0, len(read), _BLOCK)]
    outcomes: list[int | None] = []
    with progress.bar("compare damaged files", len(read), unit="pairs") as advance:
        for block in engine.map_chunks(functools.partial(_compare, source), blocks, workers=workers):
            outcomes += block
            advance(len(block))
    found: dict[int, str] = {}
    for pair, damaged in zip(pairs, outcomes, strict=True):
        if damaged is not None:
            whole = keys[pair[1 - damaged]]
            detail = f"it breaks off where its bytes begin to differ from those of {whole}, which does not"
            for row in rows[pair[damaged]]:
                found.setdefault(row, detail)
    return found


def _content(sha256: str) -> int:
    return int(sha256[:16], 16)


def _candidates(chunks_folder: Path, chunk_count: int) -> list[tuple[int, int]]:
    """The pairs of contents of equal length that share most parts of their data."""
    if not chunk_count:
        return []
    paths = [chunks_folder / f"{number:06d}.slices.npy" for number in range(chunk_count)]
    contents = np.concatenate([np.load(path, mmap_mode="r")["content"] for path in paths])
    contents, rows = np.unique(contents, return_index=True)
    numbers = []
    for part in range(SLICES):  # one after the other, so that the parts of a large set need not be in memory at once
        sums = np.concatenate([np.load(path, mmap_mode="r")["slices"][:, part] for path in paths])[rows]
        numbers.append(_equal_pairs(sums))
    pairs, shared = np.unique(np.concatenate(numbers), return_counts=True)
    left, right = np.divmod(pairs[shared >= _SHARED], max(1, len(contents)))
    return list(zip(contents[left].tolist(), contents[right].tolist(), strict=True))


def _equal_pairs(sums: npt.NDArray[np.uint32]) -> npt.NDArray[np.int64]:
    """The pairs of places with equal sums, unless too frequent, as numbers: smaller place × length + larger place."""
    order = np.argsort(sums, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(sums[order]) != 0][: len(sums)])
    lengths = np.diff(np.r_[starts, len(sums)])
    pairs = [np.empty(0, np.int64)]
    for length in range(2, _MOST_ALIKE + 1):
        alike = order[starts[lengths == length][:, None] + np.arange(length)]  # increasing, since the sort is stable
        pairs += [alike[:, a] * len(sums) + alike[:, b] for a in range(length) for b in range(a + 1, length)]
    return np.concatenate(pairs)


def _compare(source: Source, pairs: Sequence[Pair]) -> list[int | None]:
    """For each pair 0 or 1, the damaged one of the two, or None."""
    outcomes: list[int | None] = []
    with source.open() as read:
        for left, right in pairs:
            try:
                outcomes.append(damaged_of(read(left.place), read(right.place)))
            except (UnreadableEntry, OSError):  # it has changed since it was prepared
                outcomes.append(None)
    return outcomes
