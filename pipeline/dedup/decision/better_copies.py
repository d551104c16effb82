"""Better copies: added pictures that would have been kept if they had come first.

Kept pictures stay kept when pictures are added, because other programs may already use them. A better copy is listed in
better_copies.csv, so that a person can prefer it with a verdict or exchange it.
"""

from collections.abc import Sequence

import numpy as np

from pipeline.csv_text import encode_key
from pipeline.imageset.format.image_set import ImageSet, Rows

FILE = "better_copies.csv"


def find_better_copies(representatives: Rows, earlier: Rows, ranks: Rows) -> Rows:
    """Find the added pictures that rank before the earlier picture for which they are removed.

    Args:
        representatives: int64 (n,), for each row the row of its representative.
        earlier: int64 (n,), the earlier representatives; negative for added pictures.
        ranks: int64 (n,), position in the rank order.

    Returns:
        The rows of the better copies, int64, increasing.
    """
    added = (earlier < 0) & (representatives != np.arange(len(representatives)))
    better: Rows = np.flatnonzero(added & (earlier[representatives] >= 0) & (ranks < ranks[representatives]))
    return better


def better_copies_csv(images: ImageSet, rows: Rows, representatives: Rows, reasons: Sequence[str | None]) -> str:
    """The content of better_copies.csv: `key`, `kept_key`, `reason`, `sha256`, `kept_sha256`.

    Args:
        rows: the better copies, int64 (m,).
        representatives: for each of them the row of the kept picture, int64 (m,).
        reasons: why each ranks before the kept picture; see `keep_policy.better_by`.
    """
    lines = ["key,kept_key,reason,sha256,kept_sha256"]
    index = images.index.select(["key", "sha256"])
    pairs = zip(index.take(rows).to_pylist(), index.take(representatives).to_pylist(), reasons, strict=True)
    for row, kept, reason in pairs:
        keys = encode_key(row["key"]), encode_key(kept["key"])
        lines.append(",".join([*keys, reason or "", row["sha256"], kept["sha256"]]))
    return "\n".join(lines) + "\n"
