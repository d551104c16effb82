"""Kept and removed pictures side by side, ready for a page and of bounded size."""

import base64
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.csv_text import encode_key
from pipeline.dedup.decision import manifest
from pipeline.imageset import image_grid
from pipeline.imageset.format.image_set import Images, ImageSet
from pipeline.prepare.resize import resize

REMOVED_SHOWN = 4
"""Removed pictures shown of one group."""

SIDE_SHOWN = 128
"""Pixels of a picture's side at most; a larger one is averaged down, and its difference is that of the small ones."""

TEXT_SHOWN = 160
"""Characters shown of a key or a message, for they come from outside and may be of any length."""

DIFFERENCE_GAIN = 8

REASONS = {reason: reason.replace("_", " ") for reason in manifest.REASONS}


@dataclass(frozen=True)
class Member:
    """A picture on the page; what follows `source` is only there for a removed one, and compares it to its keeper.

    Attributes:
        score: of the pair, where the search gave one.
        verdict: the line of `verdicts.csv` that brings the picture back.
    """

    key: str
    picture: str
    source: str
    reason: str = ""
    hamming: int | None = None
    similarity: float | None = None
    score: float | None = None
    difference: str = ""
    verdict: str = ""


@dataclass(frozen=True)
class Group:
    """A kept picture and those removed for it; `removed` are the first of `count`."""

    number: int
    kept: Member
    removed: list[Member]
    count: int

    @property
    def characters(self) -> int:
        """Of its pictures on the page."""
        return len(self.kept.picture) + sum(len(one.picture) + len(one.difference) for one in self.removed)


def within(groups: Iterable[Group], characters: int) -> list[Group]:
    """The first groups, as many as have no more than so many characters of pictures together."""
    taken: list[Group] = []
    for group in groups:
        characters -= group.characters
        if characters < 0:
            break
        taken.append(group)
    return taken


def load_groups(images: ImageSet, table: pa.Table, numbers: Sequence[int]) -> Iterator[Group]:
    """Groups with their pictures, in the order of the numbers.

    Args:
        table: the manifest, with the columns `row` and `score`.
    """
    found: dict[int, list[dict[str, Any]]] = {}
    kept: dict[int, dict[str, Any]] = {}
    for row in table.filter(pc.is_in(table.column("group"), pa.array(numbers, pa.int64()))).to_pylist():
        if row["status"] == "removed":
            found.setdefault(row["group"], []).append(row)
        else:
            kept[row["group"]] = row
    return (_group(images, number, kept[number], found[number]) for number in numbers)


def load_pairs(images: ImageSet, table: pa.Table, rows: Sequence[int]) -> Iterator[Group]:
    """Removed pictures, each alone with its keeper, in the order of the rows; see `load_groups`."""
    removed = table.take(pa.array(rows, pa.int64()))
    kept = table.take(pc.index_in(removed.column("kept_key"), value_set=table.column("key")))
    pairs = zip(removed.to_pylist(), kept.to_pylist(), strict=True)
    return (_group(images, one["group"], keeper, [one]) for one, keeper in pairs)


def _group(images: ImageSet, number: int, kept: Mapping[str, Any], removed: Sequence[Mapping[str, Any]]) -> Group:
    first = removed[:REMOVED_SHOWN]
    rows = [kept["row"], *(row["row"] for row in first)]
    pictures = [small(picture) for picture in images.read(np.array(rows))]
    sources = [_source(entry) for entry in images.index.take(pa.array(rows)).to_pylist()]
    return Group(
        number,
        Member(kept["key"], data_uri(pictures[0]), sources[0]),
        [
            Member(
                row["key"],
                data_uri(picture),
                source,
                REASONS[row["reason"]],
                row["hamming"],
                row["similarity"],
                row["score"],
                "" if np.array_equal(picture, pictures[0]) else data_uri(difference(pictures[0], picture)),
                verdict_line(row, kept),
            )
            for row, picture, source in zip(first, pictures[1:], sources[1:], strict=True)
        ],
        len(removed),
    )


def verdict_line(removed: Mapping[str, Any], kept: Mapping[str, Any]) -> str:
    """The verdict that a removed picture has nothing to do with the one it was removed for.

    Its contents count; its keys are for people, and so a long one is cut. What does not print is percent-encoded too.

    Args:
        removed, kept: rows of the manifest.
    """
    line = ",".join(
        [removed["sha256"], kept["sha256"], *(encode_key(row["key"][:TEXT_SHOWN]) for row in (removed, kept))]
    )
    return "".join(c if c.isprintable() else quote(c) for c in line) + ",different,,,"


def _source(entry: Mapping[str, Any]) -> str:
    return f"{entry['source_width']}×{entry['source_height']}, {entry['source_bytes']:,} bytes"


def small(image: Images) -> Images:
    """A picture, uint8 (side, side, 3), at no more than the side that is shown."""
    return image if len(image) <= SIDE_SHOWN else resize(image, side=SIDE_SHOWN, method="area")


def difference(a: Images, b: Images) -> Images:
    """Absolute difference of two pictures, in the channel where it is largest, made stronger and clipped.

    Grey, for it is to show where they differ, and is three times as small; black where they agree.

    Args:
        a, b: uint8 (side, side, 3).
    """
    apart = np.abs(a.astype(np.int16) - b.astype(np.int16)).max(axis=2, keepdims=True) * DIFFERENCE_GAIN
    grey: Images = np.minimum(apart, 255).astype(np.uint8)
    return grey.repeat(3, axis=2)


def data_uri(image: Images) -> str:
    """A picture, uint8 (side, side, 3), as a PNG inside a URI."""
    return "data:image/png;base64," + base64.b64encode(image_grid.png(image)).decode()
