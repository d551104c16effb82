"""One self-contained page of bounded size on which a person can see what was removed, and for what."""

import base64
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from pipeline import sheets
from pipeline.csvtext import encode_key
from pipeline.dedup import manifest
from pipeline.imageset import Images, ImageSet
from pipeline.seeding import numpy_rng

REMOVED_SHOWN = 4
"""Removed pictures shown of one group."""

SKIPPED_SHOWN = 50
TEXT_SHOWN = 160
"""Characters shown of a key or a message, for they come from outside and may be of any length."""

DIFFERENCE_GAIN = 8

REASONS = {reason: reason.replace("_", " ") for reason in manifest.REASONS}


@dataclass(frozen=True)
class Member:
    """A picture on the page; what follows `source` is only there for a removed one, and compares it to its keeper.

    Attributes:
        verdict: the line of `verdicts.csv` that brings the picture back.
    """

    key: str
    picture: str
    source: str
    reason: str = ""
    hamming: int | None = None
    similarity: float | None = None
    difference: str = ""
    verdict: str = ""


@dataclass(frozen=True)
class Group:
    """A kept picture and those removed for it; `removed` are the first of `count`."""

    number: int
    kept: Member
    removed: list[Member]
    count: int


def choose_groups(table: pa.Table, largest: int, random: int, random_seed: int) -> tuple[list[int], list[int]]:
    """Numbers of the groups to show.

    Returns:
        The largest groups, in falling order of how many were removed (ties by number); and a draw from the others, in
        rising order.
    """
    # What was removed because it stands in another set is of no group, for its keeper is not here.
    removed = table.filter(pc.equal(table.column("status"), "removed")).column("group").drop_null().to_pylist()
    order = [number for number, _ in sorted(Counter(removed).items(), key=lambda entry: (-entry[1], entry[0]))]
    others = np.array(sorted(order[largest:]), np.int64)
    rng = numpy_rng(random_seed, "audit", "groups")
    drawn = rng.choice(others, min(random, len(others)), replace=False) if len(others) else others
    return order[:largest], sorted(drawn.tolist())


def render(
    images: ImageSet,
    table: pa.Table,
    shown: tuple[Sequence[int], Sequence[int]],
    *,
    name: str,
    metrics: Mapping[str, Any],
    bits: Mapping[str, Any],
    made_from: Mapping[str, Any],
) -> str:
    """The page as HTML: no scripts, nothing fetched, keys and messages escaped.

    Args:
        table: the manifest.
        shown: groups to show: the largest, and a draw from the others.
        name: of the set.
        metrics: what `metrics.json` says.
        bits: what `codes.json` says.
        made_from: what the manifest says it was made from.
    """
    groups = _load_groups(images, table, [*shown[0], *shown[1]])
    causes = Counter(zip(*(images.skipped.column(c).to_pylist() for c in ("kind", "reason")), strict=True))
    return (
        _environment()
        .get_template("gallery.html")
        .render(
            name=name,
            metrics=metrics,
            reasons=REASONS,
            bits=bits,
            made_from=made_from,
            largest=[groups[number] for number in shown[0]],
            random=[groups[number] for number in shown[1]],
            causes=sorted((*cause, count) for cause, count in causes.items()),
            skipped=images.skipped.slice(0, SKIPPED_SHOWN).to_pylist(),
            skipped_total=len(images.skipped),
            side=images.side,
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
    environment.filters["shown"] = shown_text
    return environment


def shown_text(text: str) -> str:
    """Text from outside, made visible and short: invisible and direction-changing characters by their numbers."""
    visible = "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text[: TEXT_SHOWN + 1])
    return visible if len(text) <= TEXT_SHOWN else visible[:TEXT_SHOWN] + "…"


def _load_groups(images: ImageSet, table: pa.Table, numbers: Sequence[int]) -> dict[int, Group]:
    """Groups with their pictures, by number."""
    members = table.append_column("at", pa.array(np.arange(len(table)))).filter(
        pc.is_in(table.column("group"), pa.array(numbers, pa.int64()))
    )
    found: dict[int, list[dict[str, Any]]] = {}
    kept: dict[int, dict[str, Any]] = {}
    for row in members.to_pylist():
        if row["status"] == "removed":
            found.setdefault(row["group"], []).append(row)
        else:
            kept[row["group"]] = row
    return {number: _group(images, number, kept[number], found[number]) for number in numbers}


def _group(images: ImageSet, number: int, kept: Mapping[str, Any], removed: Sequence[Mapping[str, Any]]) -> Group:
    first = removed[:REMOVED_SHOWN]
    rows = [kept["at"], *(row["at"] for row in first)]
    pictures = images.read(np.array(rows))
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


def difference(a: Images, b: Images) -> npt.NDArray[np.uint8]:
    """Absolute difference of two pictures, made stronger and clipped; black where they agree."""
    apart = np.abs(a.astype(np.int16) - b.astype(np.int16)) * DIFFERENCE_GAIN
    clipped: npt.NDArray[np.uint8] = np.minimum(apart, 255).astype(np.uint8)
    return clipped


def data_uri(image: Images) -> str:
    """A picture, uint8 (side, side, 3), as a PNG inside a URI."""
    return "data:image/png;base64," + base64.b64encode(sheets.png(image)).decode()
