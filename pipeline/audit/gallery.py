"""The gallery: one HTML file of limited size, without other files, that shows which pictures were removed and why."""

import base64
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from pipeline.audit.least_certain import LeastCertain
from pipeline.csv_text import encode_key
from pipeline.dedup.decision import manifest
from pipeline.imageset import image_grid
from pipeline.imageset.format.image_set import Images, ImageSet
from pipeline.prepare.resize import resize
from pipeline.seeding import numpy_rng

MAX_SKIPPED = 50
"""Maximum number of skipped sources that are listed by name."""

MAX_SECTION_CHARACTERS = 5_000_000
"""Maximum number of characters of encoded pictures in each of the three sections with pictures."""

MAX_REMOVED = 4
"""Maximum number of removed pictures shown per group."""

MAX_SIDE = 128
"""Maximum side of a shown picture, in pixels; larger ones are averaged down before the difference is computed."""

MAX_TEXT = 160
"""Maximum number of characters shown of a key or a message; these come from input files and can have any length."""

DIFFERENCE_GAIN = 8

REASONS = {reason: reason.replace("_", " ") for reason in manifest.REASONS}

Bars = list[tuple[str, int]]
"""A label and a count for each bar of a histogram."""


@dataclass(frozen=True)
class Member:
    """A picture on the page; the fields after `source` are set for removed pictures only.

    Attributes:
        picture: PNG as a data URI.
        source: width, height and number of bytes of the source, as text.
        reason, hamming, similarity: columns of the manifest.
        score: score of the pair, if the search computed one.
        difference: PNG as a data URI; empty if the shown pixels are equal.
        verdict: the line of `verdicts.csv` that restores the picture.
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
    """A kept picture and the pictures removed for it: `count` is their number, and `removed` has the first ones."""

    number: int
    kept: Member
    removed: list[Member]
    count: int

    @property
    def characters(self) -> int:
        """Number of characters of its encoded pictures."""
        return len(self.kept.picture) + sum(len(one.picture) + len(one.difference) for one in self.removed)


def choose_groups(table: pa.Table, largest: int, random: int, random_seed: int) -> tuple[list[int], list[int]]:
    """Choose the groups to show.

    Args:
        table: the manifest.
        largest, random: how many groups to choose by size, and at random from the others.

    Returns:
        Numbers of the largest groups, those with most removed pictures first, then by number; numbers of the random
        ones, increasing.
    """
    # A picture that was removed because of another set has no group.
    removed = table.filter(pc.equal(table.column("status"), "removed")).column("group").drop_null().to_pylist()
    order = [number for number, _ in sorted(Counter(removed).items(), key=lambda entry: (-entry[1], entry[0]))]
    others = np.array(sorted(order[largest:]), np.int64)
    rng = numpy_rng(random_seed, "audit", "groups")
    chosen = rng.choice(others, min(random, len(others)), replace=False) if len(others) else others
    return order[:largest], sorted(chosen.tolist())


def render(
    images: ImageSet,
    table: pa.Table,
    chosen: tuple[Sequence[int], Sequence[int]],
    least_certain: LeastCertain,
    *,
    name: str,
    metrics: Mapping[str, Any],
    bits: Mapping[str, Any],
    made_from: Mapping[str, Any],
) -> str:
    """Render the page as HTML without scripts and external files; keys and messages are escaped.

    Its size is limited for any set by `MAX_SIDE` (pixels), `MAX_REMOVED` (removed pictures per group),
    `MAX_SECTION_CHARACTERS` (of pictures per section) and `MAX_TEXT` (characters per text). There are at most 15 MB of
    pictures, and a few kilobytes of text per group; 100 groups of photographs at 64×64 need 2.7 MB.

    Args:
        table: the manifest.
        chosen: numbers of the groups to show: those of the largest groups, and those of the random ones.
        least_certain: removed pictures to show because their removal is least certain.
        name: name of the set.
        metrics: content of `metrics.json`; its `title` is the name of the set on the page.
        bits: content of `codes.json`.
        made_from: metadata of the manifest, with the digests of its inputs.
    """
    table = table.append_column("row", pa.array(np.arange(len(table))))
    table = table.append_column("score", pa.array(least_certain.scores, from_pandas=True))
    largest, random = (_fit_section(load_groups(images, table, numbers)) for numbers in chosen)
    causes = Counter(zip(*(images.skipped.column(c).to_pylist() for c in ("kind", "reason")), strict=True))
    return (
        _environment()
        .get_template("gallery.html")
        .render(
            name=name,
            metrics=metrics,
            by_reason=[
                (words, metrics["by_reason"][reason])
                for reason, words in REASONS.items()
                if metrics["by_reason"][reason]
            ],
            by_distance=distance_histogram(table),
            by_size=group_size_histogram(table),
            bits=bits,
            made_from=made_from,
            pairs=_fit_section(load_removed_pairs(images, table, least_certain.rows)),
            largest=largest,
            random=random,
            chosen={"largest": len(chosen[0]), "random": len(chosen[1]), "pairs": len(least_certain.rows)},
            least_certain=least_certain,
            causes=sorted((*cause, count) for cause, count in causes.items()),
            skipped=images.skipped.slice(0, MAX_SKIPPED).to_pylist(),
            skipped_total=len(images.skipped),
            side=min(images.side, MAX_SIDE),
            gain=DIFFERENCE_GAIN,
        )
    )


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["shown"] = visible_text
    return environment


def visible_text(text: str) -> str:
    """Cut a text after `MAX_TEXT` characters, and escape its invisible and direction-changing characters."""
    visible = "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text[: MAX_TEXT + 1])
    return visible if len(text) <= MAX_TEXT else visible[:MAX_TEXT] + "…"


def _fit_section(groups: Iterable[Group]) -> list[Group]:
    """As many of the first groups as fit: their pictures have at most `MAX_SECTION_CHARACTERS` in total."""
    characters = MAX_SECTION_CHARACTERS
    fitting: list[Group] = []
    for group in groups:
        characters -= group.characters
        if characters < 0:
            break
        fitting.append(group)
    return fitting


def load_groups(images: ImageSet, table: pa.Table, numbers: Sequence[int]) -> Iterator[Group]:
    """Yield the groups with their pictures, in the order of the numbers.

    Args:
        table: the manifest, with the columns `row` and `score`.
    """
    removed: dict[int, list[dict[str, Any]]] = {}
    kept: dict[int, dict[str, Any]] = {}
    for row in table.filter(pc.is_in(table.column("group"), pa.array(numbers, pa.int64()))).to_pylist():
        if row["status"] == "removed":
            removed.setdefault(row["group"], []).append(row)
        else:
            kept[row["group"]] = row
    return (_group(images, number, kept[number], removed[number]) for number in numbers)


def load_removed_pairs(images: ImageSet, table: pa.Table, rows: Sequence[int]) -> Iterator[Group]:
    """Yield a group for each removed picture, with it and its representative only, in the order of the rows.

    Args:
        table: the manifest, with the columns `row` and `score`.
    """
    removed = table.take(pa.array(rows, pa.int64()))
    kept = table.take(pc.index_in(removed.column("kept_key"), value_set=table.column("key")))
    pairs = zip(removed.to_pylist(), kept.to_pylist(), strict=True)
    return (_group(images, one["group"], representative, [one]) for one, representative in pairs)


def _group(images: ImageSet, number: int, kept: Mapping[str, Any], removed: Sequence[Mapping[str, Any]]) -> Group:
    first = removed[:MAX_REMOVED]
    rows = [kept["row"], *(row["row"] for row in first)]
    pictures = [shrink(picture) for picture in images.read(np.array(rows))]
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
    """The line of `verdicts.csv` that labels a removed picture and its representative as different.

    Verdicts refer to contents; the keys are there for people, so long ones are cut. Unprintable characters are
    percent-encoded.

    Args:
        removed, kept: rows of the manifest.
    """
    line = ",".join(
        [removed["sha256"], kept["sha256"], *(encode_key(row["key"][:MAX_TEXT]) for row in (removed, kept))]
    )
    return "".join(c if c.isprintable() else quote(c) for c in line) + ",different,,,"


def _source(entry: Mapping[str, Any]) -> str:
    return f"{entry['source_width']}×{entry['source_height']}, {entry['source_bytes']:,} bytes"


def shrink(image: Images) -> Images:
    """A picture, uint8 (side, side, 3), averaged down to `MAX_SIDE` if it is larger."""
    return image if len(image) <= MAX_SIDE else resize(image, side=MAX_SIDE, method="area")


def difference(a: Images, b: Images) -> Images:
    """A grey picture: for each pixel, the largest difference of a channel times `DIFFERENCE_GAIN`, clipped.

    Grey suffices to show where the pictures differ, and needs a third of the bytes of colour.

    Args:
        a, b: uint8 (side, side, 3).
    """
    largest = np.abs(a.astype(np.int16) - b.astype(np.int16)).max(axis=2, keepdims=True) * DIFFERENCE_GAIN
    grey: Images = np.minimum(largest, 255).astype(np.uint8)
    return grey.repeat(3, axis=2)


def data_uri(image: Images) -> str:
    """A picture, uint8 (side, side, 3), as a PNG in a data URI."""
    return "data:image/png;base64," + base64.b64encode(image_grid.png(image)).decode()


def distance_histogram(table: pa.Table) -> Bars:
    """Histogram of the Hamming distance of removed pictures to their representatives; bars from 0 to the largest.

    Pictures with equal bytes or pixels are left out: their distance is always 0, and their bar would be far longer than
    the others.

    Args:
        table: the manifest.
    """
    equal = pc.is_in(table.column("reason"), pa.array(["same_bytes", "same_pixels"]))
    distances = table.filter(pc.invert(equal)).column("hamming").drop_null()
    return [(str(bits), count) for bits, count in enumerate(np.bincount(np.asarray(distances, np.int64)).tolist())]


def group_size_histogram(table: pa.Table) -> Bars:
    """Histogram of the number of pictures in a group, including the kept one: bars for 2, 3, 4, 5 to 8, 9 to 16, ….

    Args:
        table: the manifest.
    """
    removed = table.filter(pc.equal(table.column("status"), "removed")).column("group").drop_null()
    sizes = np.asarray(removed.value_counts().field("counts"), np.int64) + 1
    bars: Bars = []
    low, high = 2, 2
    while low <= sizes.max(initial=0):
        bars.append(
            (f"{low:,}" if low == high else f"{low:,} to {high:,}", int(((low <= sizes) & (sizes <= high)).sum()))
        )
        low, high = high + 1, high + 1 if high < 4 else 2 * high
    return bars
