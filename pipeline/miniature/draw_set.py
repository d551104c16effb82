"""Render the archive of a set of pictures if the profile's source is `miniature`: `draw-miniature`."""

import functools
from collections.abc import Callable
from pathlib import Path

from pipeline.acquire.config import AcquireConfig
from pipeline.core import files, progress
from pipeline.core.code_dependencies import code_digest
from pipeline.core.errors import BadParameters
from pipeline.miniature.drawn_folder import write_drawn_folder
from pipeline.miniature.photos import draw_faces
from pipeline.miniature.picture_archives import draw_imagenet, draw_lsun

_DRAWN: dict[str, tuple[str, Callable[..., None]]] = {
    "bedroom_train_lmdb.zip": ("drawn rooms", draw_lsun),
    "ILSVRC2012_img_train.tar": ("drawn textures", draw_imagenet),
    "photos.zip": ("drawn portraits", draw_faces),
}
"""For each archive that can be drawn, by file name: what it shows, and the function that draws it."""


def draw_set(section: AcquireConfig, *, to: Path, seed: int, workers: int) -> bool:
    """Render the archive that a section names to the folder `to`; for another source write only the note.

    Args:
        to: folder for the archive, `planted.csv`, the set's other ground-truth tables, and `drawn.json`.
        seed: root seed.
        workers: number of processes; it does not affect the result.

    Returns:
        Whether something was drawn.

    Raises:
        BadParameters: no archive of this name can be drawn, or `count` and `planted_share` leave too few originals.
    """
    if section.source != "miniature":
        return write_drawn_folder(to, files.digest({"source": "not drawn"}), None, lambda _: None)
    if section.archive not in _DRAWN:
        raise BadParameters(
            f"archive: {section.archive}: with source: miniature, expected one of {', '.join(_DRAWN)}; write one of "
            "these, or another source"
        )
    stand_in, draw = _DRAWN[section.archive]
    progress.say(f"drawing {section.count:,} pictures: {stand_in}")
    return write_drawn_folder(
        to,
        files.digest({"code": code_digest(__name__), "seed": seed, **section.model_dump()}),
        stand_in,
        functools.partial(draw, count=section.count, planted_share=section.planted_share, seed=seed, workers=workers),
    )
