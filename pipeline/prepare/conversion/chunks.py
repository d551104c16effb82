"""Convert a source to an image set, chunk by chunk: the same bytes for any worker count and after any interruption."""

import functools
import itertools
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pyarrow.compute as pc

from pipeline.core import engine, progress
from pipeline.core.workspace import workspace
from pipeline.imageset.format import image_set
from pipeline.imageset.format.image_set import Images, Picture, Skipped
from pipeline.prepare.conversion.damaged_copies import find_damaged_copies, write_slices
from pipeline.prepare.conversion.source_digests import Digest, digest_sources
from pipeline.prepare.decode.heif import can_decode
from pipeline.prepare.decode.jpeg import Slices, slices
from pipeline.readers import first_bytes
from pipeline.readers.base import UNSUPPORTED_FORMAT, Entry, LeftOut, Read, Source, UnreadableEntry, unreadable

Made = tuple[Images, Picture] | Skipped
"""A picture, uint8 (side, side, 3), with its row of the index; or the reason why it was skipped."""

Convert = Callable[[Entry, bytes], Sequence[Made]]
"""Converts one entry and its bytes to pictures in key order: a single one, or one per face of a photograph."""

Chunk = tuple[int, list[Entry]]


def cut(entries: Sequence[Entry], chunk_keys: int) -> list[Chunk]:
    """Cut entries, in key order, into numbered chunks of `chunk_keys` keys; entries with the same key stay together."""
    by_key = (list(group) for _, group in itertools.groupby(entries, key=lambda entry: entry.key))
    chunks: list[Chunk] = []
    while groups := list(itertools.islice(by_key, chunk_keys)):
        chunks.append((len(chunks), list(itertools.chain.from_iterable(groups))))
    return chunks


def make_image_set(
    open_entries: Callable[[Path], tuple[Source, Sequence[Entry]]],
    convert: Convert,
    digest: Digest,
    *,
    side: int,
    chunk_keys: int,
    max_bad: float,
    work_digest: str,
    to: Path,
    workers: int,
    keep_damaged: bool = False,
) -> dict[str, int]:
    """Convert all entries of a source and publish them as the image set `to`.

    Args:
        open_entries: given a folder for temporary files, opens the source and lists its entries in key order. If
            several have the same key, the first is used and the others are skipped with the reason `repeated_key`.
            Entries that are not pictures are skipped with their own reason.
        convert: picklable function whose result depends only on its arguments.
        digest: picklable function that computes the digest of a whole decoded source; see `source_digests`.
        side: height and width of the pictures that `convert` returns.
        chunk_keys: keys per chunk.
        max_bad: maximum share of bad source pictures (0..1).
        work_digest: digest of everything that affects a chunk's bytes; finished chunks with the same digest are reused.
        to: folder of the new image set.
        workers: number of processes.
        keep_damaged: whether damaged copies of other pictures, which `convert` cannot notice, are in the set and marked
            as damaged; otherwise they are bad pictures.

    Returns:
        Counts: `sources`, `pictures`, `bad`, `filtered`.

    Raises:
        PipelineError: too many sources are bad; the finished chunks are kept.
        CorruptData: the source itself cannot be read.
    """
    with workspace(to, work_digest) as work:
        if work is None:
            return image_set.ImageSet(to).counts
        source, entries = open_entries(work.scratch)
        chunks = cut(entries, chunk_keys)
        to_do = [chunk for chunk in chunks if not image_set.chunk_done(work.scratch, chunk[0])]
        if done := len(chunks) - len(to_do):
            progress.say(f"{done} of {len(chunks)} chunks were done before")
        do_chunk = functools.partial(_do_chunk, source, convert, side, work.scratch)
        left = sum(len(chunk_entries) for _, chunk_entries in to_do)
        with progress.bar(f"making {to.name}", len(entries), done=len(entries) - left) as advance:
            for count in engine.map_chunks(do_chunk, to_do, workers=workers):
                advance(count)
        made = (work.scratch, len(chunks))
        digests = digest_sources(*made, source, entries, digest, workers=workers)
        damaged = find_damaged_copies(*made, source, entries, workers=workers)
        counts = image_set.join_chunks(
            *made,
            work.result,
            side=side,
            max_bad=max_bad,
            source_digests=digests,
            damaged=damaged,
            keep_damaged=keep_damaged,
        )
        work.publish()
    _warn_of_unsupported(image_set.ImageSet(to))
    return counts


def _warn_of_unsupported(made: image_set.ImageSet) -> None:
    """Say how many pictures are in a format that is not read, since their owner can do something about it."""
    found = made.skipped.filter(pc.equal(made.skipped.column("reason"), UNSUPPORTED_FORMAT))
    if len(found):
        (first,) = found.slice(0, 1).to_pylist()
        such = f"{first['key']} ({first['detail']})"
        progress.warn(f"pictures in formats that are not read: {len(found):,}, such as {such}")


def _do_chunk(source: Source, convert: Convert, side: int, folder: Path, chunk: Chunk) -> int:
    """Convert one chunk and write it to `folder`; return its number of entries."""
    number, entries = chunk
    images: list[Images] = []
    pictures: list[Picture] = []
    skipped: list[Skipped] = []
    parts: dict[str, Slices] = {}
    left_out = 0
    with source.open() as read:
        key = None
        for entry in entries:
            if entry.left_out is None and entry.key == key:
                skipped.append(Skipped(entry.key, "filtered", "repeated_key", "the first one counts"))
                continue
            if entry.left_out is None:
                key = entry.key
            data = _read(read, entry)
            if isinstance(data, LeftOut):
                skipped.append(Skipped(entry.key, "bad" if data.is_bad else "filtered", data.reason, data.detail))
                left_out += not data.is_bad
                continue
            for made in convert(entry, data):
                if isinstance(made, Skipped):
                    skipped.append(made)
                else:
                    images.append(made[0])
                    pictures.append(made[1])
                    if made[1].sha256 not in parts and (found := slices(data)) is not None:
                        parts[made[1].sha256] = found
    stack = np.stack(images) if images else np.empty((0, side, side, 3), np.uint8)
    write_slices(folder, number, parts)
    image_set.write_chunk(folder, number, stack, pictures, skipped, sources=len(entries), left_out=left_out)
    return len(entries)


def _read(read: Read, entry: Entry) -> bytes | LeftOut:
    """The bytes of an entry, or why it is not read as a picture."""
    if entry.left_out:
        return entry.left_out
    try:
        data = read(entry.place)
    except (UnreadableEntry, OSError) as error:
        return unreadable(error)
    kind = first_bytes.unsupported_format(data[:32])
    return first_bytes.unsupported(kind) if kind and not can_decode(kind) else data
