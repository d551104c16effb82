"""Measure precision and recall against planted copies, of which `planted.csv` has the list.

Only drawn sets have planted copies. The figures hold for these transforms of these pictures, not for photographs.
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
    """A planted copy: its key, the key of its original, and the transform that made it."""

    key: str
    original: str
    transform: str


def read_planted(path: Path) -> list[Planted]:
    """Read `planted.csv` (`key,original,transform`).

    Raises:
        CorruptData: the file is not such a list; the message names the line.
    """
    with path.open(newline="", encoding="utf-8") as file:
        rows = csv.reader(file, strict=True)
        try:
            if next(rows, None) != HEADER:
                raise ValueError(f"expected the header {','.join(HEADER)}")
            return [Planted(*row) for row in rows]
        except (ValueError, TypeError, csv.Error) as error:
            raise CorruptData(f"--raw {path}, line {max(1, rows.line_num)}: {error}; make the set again") from None


def measure(
    planted: Sequence[Planted], groups: Mapping[str, int | None], representatives: Mapping[str, str]
) -> dict[str, Any]:
    """Recall: planted pairs found, of all planted pairs. Precision: right removals, of all removals.

    A planted pair is found if its two pictures are in the same group. A removal is right if the picture and its
    representative have the same original. Intervals are two-sided and exact, 95 % (Clopper and Pearson).

    Args:
        groups: by key, the group of each picture of the set; None for a picture without a duplicate.
        representatives: by key of each removed picture, the key of its representative.

    Returns:
        recall: by transform, and for `all`: `found`, `of`, `share`, `low`, `high`.
        precision: the same keys.
        missing_pairs: planted pairs that are not counted because one of their pictures is not in the set.
    """
    here = [pair for pair in planted if pair.key in groups and pair.original in groups]
    found: dict[str, list[bool]] = {}
    for pair in here:
        group = groups[pair.key]
        for kind in (pair.transform, "all"):
            found.setdefault(kind, []).append(group is not None and group == groups[pair.original])
    original = {pair.key: pair.original for pair in planted}
    right = [original.get(key, key) == original.get(kept, kept) for key, kept in representatives.items()]
    return {
        "recall": {kind: _share(sum(hits), len(hits)) for kind, hits in sorted(found.items())},
        "precision": _share(sum(right), len(right)),
        "missing_pairs": len(planted) - len(here),
    }


def _share(found: int, of: int) -> dict[str, int | float | None]:
    low, high = binomial_interval(found, of)
    share = round(found / of, 4) if of else None
    return {"found": found, "of": of, "share": share, "low": round(low, 4), "high": round(high, 4)}
