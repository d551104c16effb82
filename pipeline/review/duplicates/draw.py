"""A frozen draw, opened or made, and where its pictures are now."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.audit import frozen_draw
from pipeline.audit.frozen_draw import CONTROL, Sample
from pipeline.core import files
from pipeline.core.errors import BadParameters, MissingInput
from pipeline.dedup.decision.detector_removals import read_detector_removals
from pipeline.imageset.format.image_set import ImageSet
from pipeline.review.duplicates.locate import Folders
from pipeline.review.duplicates.result import batches

NAME, CONTROLS, SEED = "first", 0.1, 1
"""What is not said otherwise."""


@dataclass(frozen=True)
class Asked:
    """Which draw.

    Attributes:
        name: of the draw, which is made if there is none of this name and `count` is given.
        count: removed pairs, at least 1.
        controls: their number as a share of the pairs.
        seed: of the draw.
    """

    name: str | None = None
    count: int | None = None
    controls: float | None = None
    seed: int | None = None


def open_draw(folders: Folders, detector: str, asked: Asked) -> tuple[Sample, list[str]]:
    """The draw of that name, which is made only if there is none.

    Args:
        folders: of the result; draws lie in `samples/` beside its verdicts.
        detector: digest of the detector of today.

    Returns:
        The draw, and a sentence for each way in which it is not what was asked for, staleness included.

    Raises:
        MissingInput: there is no such draw, and none is to be made.
        BadParameters: a name, count or share that is not allowed, or nothing to draw from.
        CorruptData: the file of that name is no draw.
    """
    name = NAME if asked.name is None else asked.name
    frozen_draw.check_name(name)
    if asked.count is None and not (asked.controls is None and asked.seed is None):
        raise BadParameters("--controls, --seed: expected --sample as well, for they are of a new draw")
    path = folders.verdicts.parent / "samples" / f"{name}.csv"
    if not path.exists():
        if asked.count is None:
            raise MissingInput(f"--name {name}: {path} is not there; draw pairs with --sample")
        with files.locked_for_editing(
            folders.verdicts
        ):  # of two who draw at once, the second finds the draw of the first
            if not path.exists():
                sample = _draw(folders, detector, name, asked.count, asked)
                frozen_draw.write(path, sample)
                return sample, []
    sample = frozen_draw.read(path)
    return sample, _notes(path, sample, detector, asked)


def _draw(folders: Folders, detector: str, name: str, count: int, asked: Asked) -> Sample:
    images = ImageSet(folders.images)
    controls = CONTROLS if asked.controls is None else asked.controls
    seed = SEED if asked.seed is None else asked.seed
    removals = read_detector_removals(folders.dedup, images)
    return frozen_draw.draw(images, removals, detector, name=name, count=count, controls=controls, seed=seed)


def _notes(path: Path, sample: Sample, detector: str, asked: Asked) -> list[str]:
    """In which ways a draw that was there is not what was asked for."""
    notes = []
    if sample.detector != detector:
        notes.append(
            f"the draw {sample.name} is stale: it was made of what another detector removed, so its estimate says "
            f"nothing of the one of today ({path} has {sample.detector[:12]}, expected {detector[:12]}); "
            "draw anew under another --name"
        )
    removed = [pair for pair in sample.pairs if pair.stratum != CONTROL]
    count, controls = len(removed), len(sample.pairs) - len(removed)
    whole = count == sum({pair.stratum: pair.stratum_size for pair in removed}.values())
    differs = {
        "--sample": asked.count not in (None, count) and not (whole and (asked.count or 0) > count),
        "--controls": asked.controls is not None and controls != frozen_draw.control_count(asked.controls, count),
        "--seed": asked.seed not in (None, sample.seed),
    }
    if any(differs.values()):
        notes.append(
            f"the draw {sample.name} is there already and goes on as it is, with {count:,} removed pairs, {controls:,} "
            f"controls and seed {sample.seed}, for a draw is frozen "
            f"({', '.join(name for name in differs if differs[name])} would differ); draw anew under another --name"
        )
    return notes


def find_rows(images: ImageSet, sides: Iterable[tuple[str, str]]) -> dict[tuple[str, str], int]:
    """Rows of an image set that hold given pictures; those that are not there any more are left out.

    Args:
        sides: contents (SHA-256) and key of each. A picture that has another key by now is known by its contents, but
            a face is not: all faces of a photo have those.

    Raises:
        CorruptData: the index is not readable.
    """
    wanted = set(sides)
    contents = pa.array(sorted({sha256 for sha256, _ in wanted}), pa.string())
    named: dict[tuple[str, str], int] = {}
    alike: dict[str, int] = {}
    for start, batch in batches(images.folder / "index.parquet", ["sha256", "key", "box"], "--images"):
        hits = pc.is_in(batch.column("sha256"), value_set=contents)
        at = start + np.flatnonzero(np.asarray(hits))
        for row, found in zip(at.tolist(), batch.filter(hits).to_pylist(), strict=True):
            named.setdefault((found["sha256"], found["key"]), row)
            if found["box"] is None:
                alike.setdefault(found["sha256"], row)
    rows = {side: named.get(side, alike.get(side[0], -1)) for side in wanted}
    return {side: row for side, row in rows.items() if row >= 0}
