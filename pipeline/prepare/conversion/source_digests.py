"""Digests of whole decoded sources, for the pictures whose stored squares are equal.

A stored square is a part of its source at a lower resolution, so equal squares do not prove that two sources are equal.
Decoding every source whole would take several times as long as preparing the set. So only those sources are decoded
whole whose squares are equal although their bytes differ.
"""

import functools
import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from pipeline.core import engine, progress
from pipeline.imageset.format import image_set
from pipeline.readers.base import Entry, Source, UnreadableEntry, only_pictures

Digest = Callable[[bytes], bytes | None]
"""Computes the digest (16 bytes) of an encoded picture; None if it cannot be decoded."""

_BLOCK = 16


def digest_sources(
    chunks_folder: Path,
    chunk_count: int,
    source: Source,
    entries: Sequence[Entry],
    digest: Digest,
    *,
    workers: int,
) -> dict[int, bytes]:
    """Compute the digests of the sources that need to be compared whole.

    Args:
        chunks_folder: folder of the chunks 0..chunk_count-1 that `image_set.write_chunk` wrote.
        source, entries: the source and its entries in key order.
        digest: picklable.
        workers: number of processes.

    Returns:
        Row of the set -> digest, 16 bytes. The digest of a face includes its box. Rows without a digest have a stored
        square of their own, have the same bytes as all other rows with their square, or cannot be decoded.
    """
    keys, boxes, contents, rows = _equal_squares(chunks_folder, chunk_count)
    by_key: dict[str, Entry] = {}
    wanted = set(keys)
    for entry in only_pictures(entries) if wanted else ():
        if entry.key in wanted:
            by_key.setdefault(entry.key, entry)
    first = {content: by_key[key] for content, key in zip(reversed(contents), reversed(keys), strict=True)}
    named = sorted(first)
    blocks = [[first[name] for name in named[start : start + _BLOCK]] for start in range(0, len(named), _BLOCK)]
    digests: list[bytes | None] = []
    if named:
        with progress.bar("compare equal squares", len(named)) as advance:
            for part in engine.map_chunks(functools.partial(_digest_block, source, digest), blocks, workers=workers):
                digests += part
                advance(len(part))
    whole = dict(zip(named, digests, strict=True))
    found: dict[int, bytes] = {}
    for row, content, box in zip(rows, contents, boxes, strict=True):
        value = whole[content]
        if value is not None:
            joined = value + repr(box).encode()
            found[row] = value if box is None else hashlib.sha256(joined).digest()[: image_set.DIGEST_BYTES]
    return found


def _equal_squares(
    chunks_folder: Path, chunk_count: int
) -> tuple[list[str], list[list[int] | None], list[str], list[int]]:
    """The pictures whose square equals that of a picture with other bytes: source keys, boxes, SHA-256, rows."""
    squares: list[np.ndarray] = []
    contents: list[bytes] = []
    for pictures, digests in image_set.pictures_of(chunks_folder, chunk_count):
        squares.append(digests)
        contents += [bytes.fromhex(picture["sha256"])[: image_set.DIGEST_BYTES] for picture in pictures]
    if not contents:
        return [], [], [], []
    square = np.unique(np.concatenate(squares).view("V16"), return_inverse=True)[1].ravel()
    content = np.unique(np.frombuffer(b"".join(contents), "V16"), return_inverse=True)[1].ravel()
    order = np.lexsort((content, square))
    new_square = np.r_[True, np.diff(square[order]) > 0]
    other_content = np.r_[False, np.diff(content[order]) > 0] & ~new_square
    several = np.bincount(square[order], weights=other_content) > 0
    chosen = several[square]
    keys, boxes, hashes, rows = [], [], [], np.flatnonzero(chosen).tolist()
    start = 0
    for pictures, _ in image_set.pictures_of(chunks_folder, chunk_count):
        for number, picture in enumerate(pictures):
            if chosen[start + number]:
                keys.append(image_set.source_key(picture))
                boxes.append(picture["box"])
                hashes.append(picture["sha256"])
        start += len(pictures)
    return keys, boxes, hashes, rows


def _digest_block(source: Source, digest: Digest, entries: Sequence[Entry]) -> list[bytes | None]:
    digests: list[bytes | None] = []
    with source.open() as read:
        for entry in entries:
            try:
                digests.append(digest(read(entry.place)))
            except (UnreadableEntry, OSError):  # it has changed since it was prepared
                digests.append(None)
    return digests
