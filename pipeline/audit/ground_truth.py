"""Measure precision and recall on planted copies: copies made on purpose, which `planted.csv` lists.

Only synthetic sets have planted copies. The results are valid for these transforms of these pictures, not for
photographs.
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
        CorruptData: the file is not such a list; the message contains the line number.
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
    """Measure recall, the share of planted pairs that were found, and precision, the share of removals that are right.

    A planted pair is found if its two pictures are in the same group. A removal is right if the picture and its
    representative have the same original. Intervals are two-sided exact 95 % intervals (Clopper and Pearson).

    Args:
        groups: key of each picture of the set to its group; None for a picture without a duplicate.
        representatives: key of each removed picture to the key of its representative.

    Returns:
        recall: for each transform and for `all`: `found`, `of`, `share`, `low`, `high`.
        precision: `found`, `of`, `share`, `low`, `high`.
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
