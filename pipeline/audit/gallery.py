"""One self-contained page of bounded size on which a person can see what was removed, and for what."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from pipeline.audit import histograms
from pipeline.audit.exhibits import DIFFERENCE_GAIN, REASONS, SIDE_SHOWN, TEXT_SHOWN, load_groups, load_pairs, within
from pipeline.audit.uncertain import Uncertain
from pipeline.imageset.format.image_set import ImageSet
from pipeline.seeding import numpy_rng

SKIPPED_SHOWN = 50

PICTURES_SHOWN = 5_000_000
"""Characters of pictures in each of the three selections."""


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
    doubtful: Uncertain,
    *,
    name: str,
    metrics: Mapping[str, Any],
    bits: Mapping[str, Any],
    made_from: Mapping[str, Any],
) -> str:
    """The page as HTML: no scripts, nothing fetched, keys and messages escaped.

    Its size is bounded whatever the set: pictures of at most `SIDE_SHOWN` pixels, `REMOVED_SHOWN` removed ones a group,
    `PICTURES_SHOWN` characters of them a selection; text from outside is cut after `TEXT_SHOWN`. So there are at
    most 15 MB of pictures, and some kilobytes of text a group; a hundred groups of photographs at 64×64 take 2.7 MB.

    Args:
        table: the manifest.
        shown: groups to show: the largest, and a draw from the others.
        doubtful: removals to show because they are the least certain.
        name: of the set.
        metrics: what `metrics.json` says.
        bits: what `codes.json` says.
        made_from: what the manifest says it was made from.
    """
    table = table.append_column("row", pa.array(np.arange(len(table))))
    table = table.append_column("score", pa.array(doubtful.scores, from_pandas=True))
    largest, random = (within(load_groups(images, table, numbers), PICTURES_SHOWN) for numbers in shown)
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
            by_distance=histograms.by_distance(table),
            by_size=histograms.by_group_size(table),
            bits=bits,
            made_from=made_from,
            pairs=within(load_pairs(images, table, doubtful.rows), PICTURES_SHOWN),
            largest=largest,
            random=random,
            chosen={"largest": len(shown[0]), "random": len(shown[1]), "pairs": len(doubtful.rows)},
            doubtful=doubtful,
            causes=sorted((*cause, count) for cause, count in causes.items()),
            skipped=images.skipped.slice(0, SKIPPED_SHOWN).to_pylist(),
            skipped_total=len(images.skipped),
            side=min(images.side, SIDE_SHOWN),
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
