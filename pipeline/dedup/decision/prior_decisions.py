"""Prior decisions: the result of an earlier removal, reused for a set to which pictures were added later."""

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
    """Decisions of an earlier result, which do not change.

    Attributes:
        representatives: int64 (n,), for each row of the set the row of its representative, which is the row itself for
            a kept picture; `NEW` for pictures without an earlier decision.
        detector_only: the same for the detector without verdicts.
        others: pictures that were removed because they are also in another set; their `contents` are empty, because the
            manifest does not contain them.
        digest: digest of the files that were read; None if there is no earlier result.
    """

    representatives: Rows
    detector_only: Rows
    others: Matches = NONE
    digest: str | None = None

    def with_matches(self, found: Matches) -> Matches:
        """The earlier removals because of another set, and the new matches of pictures without an earlier decision."""
        new = found.take(np.flatnonzero(self.representatives[found.rows] == NEW))
        earlier = self.others
        return Matches(
            np.concatenate([earlier.rows, new.rows]),
            earlier.keys + new.keys,
            earlier.contents + new.contents,
            earlier.hamming + new.hamming,
        )


def no_prior_decisions(count: int) -> PriorDecisions:
    """The prior decisions of `count` new pictures: none."""
    new = np.full(count, NEW, np.int64)
    return PriorDecisions(new, new)


def load_prior_decisions(folder: Path, images: ImageSet, mode: str) -> PriorDecisions:
    """Read an earlier result, whose pictures are the first rows of `images`.

    Args:
        folder: the earlier result of `remove_duplicates`.
        images: the set, with added pictures.
        mode: the mode in which pairs are found now.

    Raises:
        MissingInput: `folder` contains no result.
        CorruptData: the result belongs to other pictures, or is not readable.
        BadParameters: the result was made in another mode.
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
        raise BadParameters(f"--mode {mode}: the earlier result was made with {made_from['mode']}; use this mode")
    detected = read_detector_removals(folder, images)
    digest = files.digest([files.sha256_file(folder / f"{name}.parquet") for name in ("manifest", "detected")])
    is_removed = pc.equal(table.column("status"), "removed")
    in_other = pc.and_(is_removed, pc.equal(pc.fill_null(table.column("reason"), ""), "in_other_set"))
    removed, matched = (np.flatnonzero(np.asarray(mask)) for mask in (pc.and_not(is_removed, in_other), in_other))
    kept_keys = table.column("kept_key").take(pa.array(removed))
    of = np.asarray(pc.index_in(kept_keys, value_set=table.column("key")), np.int64)
    other_keys, hamming = (table.column(name).take(pa.array(matched)).to_pylist() for name in ("kept_key", "hamming"))
    others = Matches(matched, other_keys, [""] * len(matched), hamming)
    detector_removed, detector_of = (np.asarray(detected.column(name), np.int64) for name in ("row", "representative"))
    decided = _for_all_rows(len(images), count, removed, of)
    return PriorDecisions(decided, _for_all_rows(len(images), count, detector_removed, detector_of), others, digest)


def _for_all_rows(total: int, count: int, rows: Rows, representatives: Rows) -> Rows:
    """Representatives of `total` rows, of which the first `count` have prior decisions: int64 (total,)."""
    prior = np.full(total, NEW, np.int64)
    prior[:count] = np.arange(count)
    prior[rows] = representatives
    return prior


def release(prior: Rows, contents: Rows, cannot_link: CannotLink) -> Rows:
    """Set pictures to `NEW` if a verdict says that they are not copies of their representative."""
    if not cannot_link:
        return prior
    removed: Iterable[int] = np.flatnonzero((prior != NEW) & (prior != np.arange(len(prior)))).tolist()
    released = [row for row in removed if int(contents[prior[row]]) in cannot_link.get(int(contents[row]), ())]
    prior = prior.copy()
    prior[released] = NEW
    return prior
