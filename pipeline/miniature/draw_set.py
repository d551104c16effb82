"""Draw the archive of a set of pictures, if the profile says that its pictures are drawn: `draw-miniature`."""

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
"""What each archive that can be drawn shows, and the function that draws it, by file name."""


def draw_set(section: AcquireConfig, *, to: Path, seed: int, workers: int) -> bool:
    """Draw the archive that a section names into the folder `to`; only the note where its source is another one.

    Args:
        to: gets the archive, `planted.csv` and the set's other tables of what was drawn, and `drawn.json`.
        seed: root seed.
        workers: processes to draw with; they change no byte.

    Returns:
        Whether something was drawn.

    Raises:
        BadParameters: no archive of this name can be drawn, or the numbers leave too few pictures.
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
