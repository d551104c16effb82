"""What an earlier removal decided of the pictures that a set had before others were added to it."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.core import files
from pipeline.core.errors import BadParameters, CorruptData
from pipeline.dedup.decision import manifest
from pipeline.dedup.decision.detector_removals import read_detector_removals
from pipeline.dedup.decision.groups import CannotLink
from pipeline.dedup.pairs.matches_table import NONE, Matches
from pipeline.imageset.format.image_set import ImageSet, Rows

NEW = -1


@dataclass(frozen=True)
class PriorDecisions:
    """Decisions that stand.

    Attributes:
        keepers: int64 (n,) for all rows of the set: the row of the keeper, a kept picture's being its own; `NEW` for
            pictures that are still to be decided on.
        alone: likewise, had nobody judged.
        others: what was removed because it stands in another set; the contents of the others are not known any more.
        digest: of the files that say so; None for no decision.
    """

    keepers: Rows
    alone: Rows
    others: Matches = NONE
    digest: str | None = None

    def with_matches(self, found: Matches) -> Matches:
        """What was removed for another set, and of the new pictures those that are found in one."""
        new = found.only(np.flatnonzero(self.keepers[found.rows] == NEW))
        before = self.others
        return Matches(
            np.concatenate([before.rows, new.rows]),
            before.keys + new.keys,
            before.contents + new.contents,
            before.hamming + new.hamming,
        )


def no_prior_decisions(count: int) -> PriorDecisions:
    """No earlier decision on any of `count` pictures."""
    new = np.full(count, NEW, np.int64)
    return PriorDecisions(new, new)


def load_prior_decisions(folder: Path, images: ImageSet, mode: str) -> PriorDecisions:
    """What stands in the folder of an earlier result, whose pictures are the first rows of `images`.

    Args:
        mode: how pairs are found now.

    Raises:
        MissingInput: there is no result in `folder`.
        CorruptData: it is of other pictures, or not readable.
        BadParameters: it was made in another mode.
    """
    table, made_from = manifest.read_any(folder)
    count = len(table)
    for name in ("key", "sha256"):
        if not table.column(name).equals(images.index.column(name).slice(0, count)):
            raise CorruptData(
                f"{folder}: its {count:,} pictures are not the first ones of {images.folder}; run dcgan dedup --append "
                "on the result that they were added to"
            )
    if made_from["mode"] != mode:
        raise BadParameters(f"--mode {mode}: the earlier result was made with {made_from['mode']}; use that")
    detected = read_detector_removals(folder, images)
    digest = files.digest([files.sha256_file(folder / f"{name}.parquet") for name in ("manifest", "detected")])
    is_removed = pc.equal(table.column("status"), "removed")
    in_other = pc.and_(is_removed, pc.equal(pc.fill_null(table.column("reason"), ""), "in_other_set"))
    removed, elsewhere = (np.flatnonzero(np.asarray(mask)) for mask in (pc.and_not(is_removed, in_other), in_other))
    for_whom = table.column("kept_key").take(pa.array(removed))
    of = np.asarray(pc.index_in(for_whom, value_set=table.column("key")), np.int64)
    gone = table.take(pa.array(elsewhere))
    others = Matches(
        elsewhere, gone.column("kept_key").to_pylist(), [""] * len(gone), gone.column("hamming").to_pylist()
    )
    alone = tuple(np.asarray(detected.column(name), np.int64) for name in ("row", "keeper"))
    return PriorDecisions(_spread(len(images), count, removed, of), _spread(len(images), count, *alone), others, digest)


def _spread(total: int, count: int, rows: Rows, keepers: Rows) -> Rows:
    settled = np.full(total, NEW, np.int64)
    settled[:count] = np.arange(count)
    settled[rows] = keepers
    return settled


def release(settled: Rows, contents: Rows, apart: CannotLink) -> Rows:
    """The decisions but those on pictures that people have judged apart from their keeper: they are as new."""
    if not apart:
        return settled
    removed: Iterable[int] = np.flatnonzero((settled != NEW) & (settled != np.arange(len(settled)))).tolist()
    free = [row for row in removed if int(contents[settled[row]]) in apart.get(int(contents[row]), ())]
    settled = settled.copy()
    settled[free] = NEW
    return settled
