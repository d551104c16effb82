"""How removals are spread, as labelled counts to draw: a bounded number of bars, whatever the set."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

Bars = list[tuple[str, int]]
"""A label and a count for each bar."""


def by_distance(table: pa.Table) -> Bars:
    """Removed pictures by the bits in which their codes differ from their keepers', from 0 to the most that occurs.

    Those of equal bytes or pixels are left out: they are at 0 by nature, and would dwarf the others.

    Args:
        table: the manifest.
    """
    equal = pc.is_in(table.column("reason"), pa.array(["same_bytes", "same_pixels"]))
    distances = table.filter(pc.invert(equal)).column("hamming").drop_null()
    return [(str(bits), count) for bits, count in enumerate(np.bincount(np.asarray(distances, np.int64)).tolist())]


def by_group_size(table: pa.Table) -> Bars:
    """Groups by how many pictures they have, the kept one included: 2, 3, 4, then 5 to 8, 9 to 16 and so on.

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
