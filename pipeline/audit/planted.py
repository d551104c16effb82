"""Precision and recall against planted truth: near-duplicates that were made on purpose, with a list of which they are.

Only drawn sets have such a list. It says how well a detector finds these transforms of these pictures, not how well it
does on photographs.
"""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.core.errors import CorruptData
from pipeline.intervals import binomial_interval

HEADER = ["key", "original", "transform"]


@dataclass(frozen=True)
class Planted:
    """A planted copy: its key, its original's, and what was done to it."""

    key: str
    original: str
    transform: str


def read_planted(path: Path) -> list[Planted]:
    """Read `planted.csv` (`key,original,transform`).

    Raises:
        CorruptData: it is no such list; the message gives the line.
    """
    with path.open(newline="", encoding="utf-8") as file:
        rows = csv.reader(file, strict=True)
        try:
            if next(rows, None) != HEADER:
                raise ValueError(f"expected the header {','.join(HEADER)}")
            return [Planted(*row) for row in rows]
        except (ValueError, TypeError, csv.Error) as error:
            raise CorruptData(f"--raw {path}, line {max(1, rows.line_num)}: {error}; draw the set again") from None


def measure(
    planted: Sequence[Planted], groups: Mapping[str, int | None], removed_for: Mapping[str, str]
) -> dict[str, Any]:
    """How much of what was planted was found, and how much of what was removed was planted.

    A planted pair is found when its two pictures are in the same group. A removal is right when picture and keeper stem
    from the same original. Both with the exact interval of 95 % (Clopper and Pearson).

    Args:
        groups: group of each picture of the set, by key; None for a picture that has no duplicate.
        removed_for: key of the keeper of each removed picture, by key.

    Returns:
        recall: by transform, and over `all`: `found`, `of`, `share`, `low`, `high`.
        precision: likewise.
        missing_pairs: planted pairs of which a picture is not in the set; they do not count.
    """
    here = [pair for pair in planted if pair.key in groups and pair.original in groups]
    found: dict[str, list[bool]] = {}
    for pair in here:
        group = groups[pair.key]
        for kind in (pair.transform, "all"):
            found.setdefault(kind, []).append(group is not None and group == groups[pair.original])
    original = {pair.key: pair.original for pair in planted}
    right = [original.get(key, key) == original.get(keeper, keeper) for key, keeper in removed_for.items()]
    return {
        "recall": {kind: _share(sum(hits), len(hits)) for kind, hits in sorted(found.items())},
        "precision": _share(sum(right), len(right)),
        "missing_pairs": len(planted) - len(here),
    }


def _share(found: int, of: int) -> dict[str, int | float | None]:
    low, high = binomial_interval(found, of)
    share = round(found / of, 4) if of else None
    return {"found": found, "of": of, "share": share, "low": round(low, 4), "high": round(high, 4)}
