"""Compare the sources of duplicates: which picture of a group is most likely the source of the others.

An image set holds reduced squares only, so the sources of the pictures in groups are read again and decoded whole, each
once. Of large groups, only some pictures are compared; see `groups`. `pairs.originals_table` describes the files.
"""

import contextlib
import functools
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.core import engine, files, progress
from pipeline.core.code_dependencies import code_digest
from pipeline.core.errors import PipelineError
from pipeline.core.workspace import workspace
from pipeline.datasets.pictures.raw_folder import open_source
from pipeline.dedup.originals.alignment import align, mirrored
from pipeline.dedup.originals.comparison import UNDECIDED, Preference, compare, damaged_loses
from pipeline.dedup.originals.differences import Differences, find_differences
from pipeline.dedup.originals.examination import Examined, examine
from pipeline.dedup.originals.groups import MOST_COMPARED, Group, find_groups
from pipeline.dedup.pairs.classes_table import load_classes
from pipeline.dedup.pairs.originals_table import ORIGINALS, PREFERENCES, SCHEMA_VERSION
from pipeline.dedup.pairs.pairs_table import load_pairs
from pipeline.imageset.append import source_keys
from pipeline.imageset.format.image_set import ImageSet
from pipeline.readers.base import Place, Read, Source, UnreadableEntry

_CHUNK_PICTURES = 16

Location = tuple[Path, Path | None]
"""A source and the folder of its archive, as for `raw_folder.open_source`."""


@dataclass(frozen=True)
class _Member:
    """A picture to examine.

    Attributes:
        row: row of the image set.
        sha256: of its source file.
        box: left, top, right, bottom in the source; None for the whole.
        damaged: whether the image set lists it as damaged.
        source: number of the source that has it, or None.
        place: position in the source.
    """

    row: int
    sha256: str
    box: tuple[int, int, int, int] | None
    damaged: bool
    source: int | None
    place: Place | None


_Chunk = list[tuple[list[_Member], Group]]
"""For each group its members, and the group."""

_Compared = list[tuple[list[dict[str, Any]], list[dict[str, Any]]]]
"""For each group its rows of both tables."""


def compare_sources(
    images_folder: Path, pairs_folder: Path, locations: Sequence[Location], *, workers: int, to: Path
) -> dict[str, Any]:
    """Compare the sources of all pictures in groups of duplicates, and write the result; see `originals_table`.

    A picture whose source cannot be read, or has changed, is not compared.

    Args:
        images_folder: the image set.
        pairs_folder: written by `find_pairs` for this set.
        locations: the sources of the set; empty if they are not at hand, and then nothing is compared.
        workers: number of processes.
        to: folder to write.

    Returns:
        The content of `originals.json`: `groups`, `pictures` in them, `unreadable` sources, pairs `compared`,
        and `reasons` with the number of pairs that each decided.

    Raises:
        MissingInput, CorruptData: the image set or the pairs are missing or damaged, or do not belong together.
    """
    images = ImageSet(images_folder)
    pairs, classes = load_pairs(pairs_folder, images), load_classes(pairs_folder, images)
    made_from = {
        "schema_version": SCHEMA_VERSION,
        "images": images.digest,
        "pairs": files.sha256_file(pairs_folder / "pairs.parquet"),
    }
    places = [[str(path) for path in location if path] for location in locations]
    work_digest = files.digest(
        {
            **made_from,
            "classes": files.sha256_file(pairs_folder / "classes.parquet"),
            "sources": places,
            "code": code_digest(__name__),
        }
    )
    with workspace(to, work_digest) as work:
        if work is None:
            return dict(files.read_json(to / "originals.json"))
        groups = find_groups(images, classes, pairs)
        if groups and not locations:
            progress.warn("the sources are not at hand: of a group, the picture with the most pixels is kept")
            groups = []
        sources, members = _find_sources(images, groups, locations)
        chunks = _cut(groups, members)
        measured: list[dict[str, Any]] = []
        preferences: list[dict[str, Any]] = []
        total = sum(len(group.rows) for group in groups)
        with progress.bar("compare sources", total) as advance:
            for compared in engine.map_chunks(functools.partial(_compare_chunk, sources), chunks, workers=workers):
                for rows, outcomes in compared:
                    measured += rows
                    preferences += outcomes
                    advance(len(rows))
        measured += [{"row": row, "net_wins": -MOST_COMPARED} for group in groups for row in group.others]
        reasons = [outcome["reason"] for outcome in preferences]
        unreadable = sum(row["width"] is None for row in measured if "width" in row)
        summary = {
            **made_from,
            "groups": len(groups),
            "pictures": total,
            "unreadable": unreadable,
            "compared": len(preferences),
            "reasons": {reason: reasons.count(reason) for reason in sorted(set(filter(None, reasons)))},
        }
        _write(work.result / "originals.parquet", measured, ORIGINALS, "row")
        _write(work.result / "preferences.parquet", preferences, PREFERENCES, "left", "right")
        files.write_json(work.result / "originals.json", summary)
        work.publish()
    if unreadable:
        progress.warn(
            f"{unreadable:,} of {total:,} sources of duplicates cannot be read or have changed: of their groups, the "
            "picture with the most pixels is kept"
        )
    return summary


def _write(path: Path, rows: list[dict[str, Any]], schema: pa.Schema, *order: str) -> None:
    table = pa.Table.from_pylist(rows, schema).sort_by([(name, "ascending") for name in order])
    pq.write_table(table.combine_chunks(), path, compression="zstd")


def _find_sources(
    images: ImageSet, groups: Sequence[Group], locations: Sequence[Location]
) -> tuple[list[Source], dict[int, _Member]]:
    """Open the sources, and find the compared pictures in them."""
    rows = sorted(row for group in groups for row in group.rows)
    index = images.index.take(pa.array(rows, pa.int64()))
    keys = source_keys(index).to_pylist()
    wanted = set(keys)
    sources: list[Source] = []
    places: dict[str, list[tuple[int, Place]]] = {}
    for location in locations if rows else ():
        try:
            source = open_source(*location)
            entries = source.entries()
        except (PipelineError, OSError) as error:
            progress.warn(f"{error}; its pictures are not compared")
            continue
        seen = set()
        for entry in entries:
            if entry.key in wanted and entry.key not in seen:  # the image set has the first of several with one key
                seen.add(entry.key)
                places.setdefault(entry.key, []).append((len(sources), entry.place))
        sources.append(source)
    damaged = index.column("damaged").fill_null(False).to_pylist()
    part_of = _parts(images, rows)
    members = {}
    for n, row in enumerate(rows):
        found = places.get(keys[n], [])
        number, place = min(found, key=lambda at: at[0] != part_of[n]) if found else (None, None)
        box = index.column("box")[n].as_py()
        members[row] = _Member(
            row,
            index.column("sha256")[n].as_py(),
            tuple(box) if box else None,
            damaged[n],
            number,
            place,
        )
    return sources, members


def _parts(images: ImageSet, rows: Sequence[int]) -> list[int]:
    """The part of the set that each row, in increasing order, belongs to."""
    parts = []
    part, end = 0, images.parts[0]
    for row in rows:
        while row >= end:
            part += 1
            end += images.parts[part]
        parts.append(part)
    return parts


def _cut(groups: Sequence[Group], members: dict[int, _Member]) -> list[_Chunk]:
    """Cut groups into chunks of about `_CHUNK_PICTURES` pictures."""
    chunks: list[_Chunk] = []
    count = _CHUNK_PICTURES
    for group in groups:
        if count >= _CHUNK_PICTURES:
            chunks.append([])
            count = 0
        chunks[-1].append(([members[row] for row in group.rows], group))
        count += len(group.rows)
    return chunks


def _compare_chunk(sources: Sequence[Source], chunk: _Chunk) -> _Compared:
    """Examine and compare the pictures of some groups."""
    with contextlib.ExitStack() as stack:
        opened: dict[int, Read] = {}

        def examined(member: _Member) -> Examined | None:
            if member.source is None or member.place is None:
                return None
            if member.source not in opened:
                opened[member.source] = stack.enter_context(sources[member.source].open())
            try:
                data = opened[member.source](member.place)
            except (UnreadableEntry, OSError):
                return None
            return examine(data, member.sha256, member.box)

        return [_compare_group(members, group, [examined(member) for member in members]) for members, group in chunk]


def _compare_group(
    members: Sequence[_Member], group: Group, pictures: Sequence[Examined | None]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Compare the pairs of one group; return its rows of both tables."""
    number = {member.row: n for n, member in enumerate(members)}
    net_wins = [0] * len(members)
    outcomes = []
    for left, right in group.pairs:
        a, b = number[left], number[right]
        # The order of two pictures follows from their contents, so that names decide nothing.
        swapped = members[a].sha256 > members[b].sha256
        first, second = (b, a) if swapped else (a, b)
        differences = _differences(pictures[first], pictures[second], are_mirrored=(left, right) in group.mirrored)
        damaged = damaged_loses(members[first].damaged, members[second].damaged)
        preference = damaged if damaged.winner is not None else _prefer(pictures[first], pictures[second], differences)
        if preference.winner is not None:
            winner, loser = (first, second) if preference.winner == 0 else (second, first)
            net_wins[winner] += 1
            net_wins[loser] -= 1
        outcomes.append(_outcome(left, right, preference, differences, swapped=swapped))
    rows = [
        {"row": member.row, "net_wins": wins, "damaged": member.damaged, **_measured(picture)}
        for member, wins, picture in zip(members, net_wins, pictures, strict=True)
    ]
    return rows, outcomes


def _differences(left: Examined | None, right: Examined | None, *, are_mirrored: bool) -> Differences | None:
    if left is None or right is None:
        return None
    sides = max(left.measures.width, left.measures.height), max(right.measures.width, right.measures.height)
    other = mirrored(right.reduced) if are_mirrored else right.reduced
    affine = align(left.reduced, other)
    if affine is None and not are_mirrored:  # pairs of another program may be mirrored copies as well
        other = mirrored(other)
        affine = align(left.reduced, other)
    return None if affine is None else find_differences(left.reduced, other, affine, sides)


def _prefer(left: Examined | None, right: Examined | None, differences: Differences | None) -> Preference:
    return compare(left, right, differences) if left and right else UNDECIDED


def _outcome(
    left: int, right: int, preference: Preference, differences: Differences | None, *, swapped: bool
) -> dict[str, Any]:
    """A row of `preferences.parquet`; `swapped` if the pair was compared in the other order."""
    preferred = None if preference.winner is None else (left, right)[preference.winner ^ swapped]
    row: dict[str, Any] = {"left": left, "right": right, "preferred": preferred, "reason": preference.reason or None}
    if differences:
        for name in ("added", "cut_off", "chroma"):
            values = getattr(differences, name)
            row |= {f"left_{name}": values[swapped], f"right_{name}": values[not swapped]}
        row["scale"] = round(1e6 / max(differences.scale, 1)) if swapped else differences.scale
    return row


def _measured(picture: Examined | None) -> dict[str, Any]:
    names = [name for name in ORIGINALS.names if name not in ("row", "net_wins", "damaged")]
    return asdict(picture.measures) if picture else dict.fromkeys(names)
