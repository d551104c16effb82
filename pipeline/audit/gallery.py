"""The gallery: one HTML file of limited size that shows which pictures were removed and why.

Its pictures and its script are embedded. The pairs and statistics can be read without the script, which sorts and
filters the pairs, draws their differences, and collects ticked pairs.
"""

import base64
import hashlib
import io
import os
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
from PIL import Image

from pipeline.audit.least_certain import LeastCertain
from pipeline.csv_text import encode_key
from pipeline.dedup.decision import manifest
from pipeline.dedup.decision.mirrored_copies import MirroredCopy
from pipeline.dedup.decision.verdicts import HEADER, LABELS, NOT_DUPLICATES
from pipeline.dedup.pairs.pairs_table import MIRRORED
from pipeline.imageset.format.image_set import Images, ImageSet
from pipeline.prepare.resize import resize
from pipeline.seeding import numpy_rng

MAX_SKIPPED = 50
"""Maximum number of skipped sources that are listed by name."""

MAX_CHARACTERS = 16_000_000
"""Maximum number of characters of encoded pictures. It suffices for about 1,500 pairs of photographs at 64×64."""

MAX_REMOVED = 4
"""Maximum number of removed pictures shown of a group, besides those that are shown because they are least certain."""

MAX_MIRRORED = 60
"""Maximum number of mirrored copies shown, those with the lowest scores."""

MAX_SIDE = 128
"""Maximum side of an embedded picture, in pixels; larger ones are averaged down."""

MAX_TEXT = 160
"""Maximum number of characters shown of a key or a message; these come from input files and can have any length."""

JPEG_QUALITY = 90

REASONS = {reason: reason.replace("_", " ") for reason in manifest.REASONS}

Bars = list[tuple[str, int]]
"""A label and a count for each bar of a histogram."""

_HERE = Path(__file__).parent


@dataclass(frozen=True)
class Picture:
    """A picture of a pair.

    Attributes:
        embedded: JPEG as a data URI.
        source: width, height and number of bytes of the source, as text.
        pixels: number of pixels of the source.
        link: URL of the original file; empty if it is not known.
    """

    key: str
    embedded: str
    source: str
    pixels: int
    link: str


@dataclass(frozen=True)
class Pair:
    """A removed picture and the kept picture that it was removed for.

    Attributes:
        reason, hamming, similarity, group: columns of the manifest.
        score: score of the pair, if the search computed one.
        group_size: number of pictures in the group, the kept one included.
        equal: whether the stored pictures are equal.
        verdict: the line of `verdicts.csv` that restores the picture.
        encoded_key: key of the removed picture as in `removed.csv`, without unprintable characters.
    """

    removed: Picture
    kept: Picture
    reason: str
    hamming: int
    similarity: float | None
    score: float | None
    group: int
    group_size: int
    equal: bool
    verdict: str
    encoded_key: str

    @property
    def mirrored(self) -> bool:
        """Whether the removed picture is a mirrored copy of the kept one."""
        return self.reason == MIRRORED


@dataclass(frozen=True)
class MirroredPair:
    """Two kept pictures, of which one is probably a mirrored copy of the other.

    Attributes:
        picture: the probable mirrored copy.
        other: the other picture.
        score: score of the match.
        verdict: the line of `verdicts.csv` that labels them as mirrored copies.
    """

    picture: Picture
    other: Picture
    score: float
    verdict: str


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


def choose_rows(table: pa.Table, least_certain: Sequence[int], groups: Sequence[int]) -> list[int]:
    """Rows of the removed pictures to show: the least certain ones, then the first `MAX_REMOVED` of each group.

    Args:
        table: the manifest.
        least_certain: rows of removed pictures.
        groups: numbers of groups, in the order of the result.
    """
    members: dict[int, list[int]] = {number: [] for number in groups}
    removed = pc.and_(
        pc.equal(table.column("status"), "removed"), pc.is_in(table.column("group"), pa.array(groups, pa.int64()))
    )
    rows = np.flatnonzero(np.asarray(removed))
    for row, number in zip(rows.tolist(), table.column("group").take(pa.array(rows)).to_pylist(), strict=True):
        members[number].append(row)
    return list(dict.fromkeys([*least_certain, *(row for rows in members.values() for row in rows[:MAX_REMOVED])]))


def render(
    images: ImageSet,
    table: pa.Table,
    groups: Sequence[int],
    least_certain: LeastCertain,
    mirrored: Sequence[MirroredCopy],
    *,
    name: str,
    metrics: Mapping[str, Any],
    bits: Mapping[str, Any],
    made_from: Mapping[str, Any],
    restore_command: str,
    restore_folder: str,
    originals: Sequence[Path] = (),
) -> str:
    """Render the page as HTML; keys and messages are escaped.

    Its size is limited for any set by `MAX_SIDE` (pixels), `MAX_REMOVED` (removed pictures per group),
    `MAX_CHARACTERS` (of pictures) and `MAX_TEXT` (characters per text). A content security policy allows only the
    script of the page.

    Args:
        table: the manifest.
        groups: numbers of the groups to show.
        least_certain: removed pictures to show because their removal is least certain.
        mirrored: the kept mirrored copies; those with the lowest scores are shown.
        name: name of the set.
        metrics: content of `metrics.json`; its `title` is the name of the set on the page.
        bits: content of `codes.json`.
        made_from: metadata of the manifest, with the digests of its inputs.
        restore_command: the command that restores pictures, without its options `--key`.
        restore_folder: the folder in which this command is run, in words.
        originals: absolute paths of folders of picture files, for links to them; the key of a picture is its path in
            one of them.
    """
    table = table.append_column("score", pa.array(least_certain.scores, from_pandas=True))
    rows = choose_rows(table, least_certain.rows, groups)
    pairs = sorted(_fit(load_pairs(images, table, rows, originals)), key=_certainty)
    causes = Counter(zip(*(images.skipped.column(c).to_pylist() for c in ("kind", "reason")), strict=True))
    script = "".join((_HERE / "static" / file).read_text() for file in ("difference.js", "gallery.js"))
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
            pairs=pairs,
            left_out=len(rows) - len(pairs),
            mirrored=load_mirrored(images, mirrored, originals),
            mirrored_total=len(mirrored),
            max_removed=MAX_REMOVED,
            linked=any(picture.link for pair in pairs for picture in (pair.removed, pair.kept)),
            labels={label: LABELS[label] for label in LABELS if label in NOT_DUPLICATES},
            header=",".join(HEADER),
            least_certain=least_certain,
            causes=sorted((*cause, count) for cause, count in causes.items()),
            skipped=images.skipped.slice(0, MAX_SKIPPED).to_pylist(),
            skipped_total=len(images.skipped),
            side=min(images.side, MAX_SIDE),
            restore_command=restore_command,
            restore_folder=restore_folder,
            script=script,
            script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        )
    )


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
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


def _fit(pairs: Iterable[Pair]) -> list[Pair]:
    """As many of the first pairs as fit: their pictures have at most `MAX_CHARACTERS` in total."""
    characters = MAX_CHARACTERS
    fitting: list[Pair] = []
    for pair in pairs:
        characters -= len(pair.removed.embedded) + len(pair.kept.embedded)
        if characters < 0:
            break
        fitting.append(pair)
    return fitting


def _certainty(pair: Pair) -> tuple[float, bool, float, str]:
    """Sorts pairs by score. Those without a score come last, in the order of `least_certain`; equal ones at the end."""
    score = np.inf if pair.score is None else pair.score
    similarity = -np.inf if pair.similarity is None else pair.similarity
    return score, pair.equal, similarity, pair.removed.key


def load_pairs(images: ImageSet, table: pa.Table, rows: Sequence[int], originals: Sequence[Path]) -> Iterator[Pair]:
    """Yield the pairs of removed pictures and their representatives, in the order of the rows.

    Args:
        table: the manifest, with the column `score`.
        rows: rows of removed pictures that have a group.
    """
    removed = table.take(pa.array(rows, pa.int64()))
    representatives = pc.index_in(removed.column("kept_key"), value_set=table.column("key"))
    kept = table.take(representatives).to_pylist()
    sizes = Counter(table.filter(pc.equal(table.column("status"), "removed")).column("group").to_pylist())
    for row, representative, one, other in zip(
        rows, representatives.to_pylist(), removed.to_pylist(), kept, strict=True
    ):
        stored = images.read(np.array([row, representative]))
        sources = images.index.take(pa.array([row, representative])).to_pylist()
        yield Pair(
            _picture(one, stored[0], sources[0], originals),
            _picture(other, stored[1], sources[1], originals),
            REASONS[one["reason"]],
            one["hamming"],
            one["similarity"],
            one["score"],
            one["group"],
            sizes[one["group"]] + 1,
            np.array_equal(*stored),
            verdict_line(one, other),
            _printable(encode_key(one["key"])),
        )


def _picture(row: Mapping[str, Any], stored: Images, source: Mapping[str, Any], originals: Sequence[Path]) -> Picture:
    width, height = source["source_width"], source["source_height"]
    text = f"{width}×{height}, {source['source_bytes']:,} bytes"
    return Picture(row["key"], data_uri(shrink(stored)), text, width * height, _link(row["key"], originals))


def _link(key: str, folders: Sequence[Path]) -> str:
    """URL of the file of a picture; empty if no folder has it.

    It is absolute, so that neither the place of the page nor a later move of the result changes it.
    """
    for folder in folders:
        if os.path.isfile(folder / key):  # noqa: PTH113 (Path.is_file raises an error for a key that is too long)
            return (folder / key).as_uri()
    return ""


def load_mirrored(images: ImageSet, copies: Sequence[MirroredCopy], originals: Sequence[Path]) -> list[MirroredPair]:
    """The `MAX_MIRRORED` mirrored copies with the lowest scores, the lowest first."""
    made = []
    for copy in sorted(copies, key=lambda copy: (copy.score, copy.row))[:MAX_MIRRORED]:
        rows = np.array([copy.row, copy.other])
        stored, (one, other) = images.read(rows), images.index.take(pa.array(rows)).to_pylist()
        made.append(
            MirroredPair(
                _picture(one, stored[0], one, originals),
                _picture(other, stored[1], other, originals),
                copy.score,
                verdict_line(one, other, label=MIRRORED),
            )
        )
    return made


def verdict_line(removed: Mapping[str, Any], kept: Mapping[str, Any], *, label: str = "different") -> str:
    """The line of `verdicts.csv` that gives a removed picture and its representative a label.

    Verdicts refer to contents; the keys are there for people, so long ones are cut. Unprintable characters are
    percent-encoded.

    Args:
        removed, kept: rows of the manifest, or of the index.
    """
    keys = (encode_key(row["key"][:MAX_TEXT]) for row in (removed, kept))
    return _printable(",".join([removed["sha256"], kept["sha256"], *keys])) + f",{label},,,"


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else quote(c) for c in text)


def shrink(image: Images) -> Images:
    """A picture, uint8 (side, side, 3), averaged down to `MAX_SIDE` if it is larger."""
    return image if len(image) <= MAX_SIDE else resize(image, side=MAX_SIDE, method="area")


def data_uri(image: Images) -> str:
    """A picture, uint8 (side, side, 3), as a JPEG in a data URI.

    JPEG needs a third of the bytes of PNG. Chroma is not subsampled, so that equal regions of two pictures stay nearly
    equal.
    """
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format="JPEG", quality=JPEG_QUALITY, subsampling=0)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


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
