"""The output of draw-miniature and draw-benchmarks: a folder with synthetic archives and a note of what they show."""

from collections.abc import Callable
from pathlib import Path

from pipeline.acquire.config import DRAWN_NOTE
from pipeline.core import files
from pipeline.core.workspace import workspace


def write_drawn_folder(to: Path, work_digest: str, stand_in: str | None, draw: Callable[[Path], None]) -> bool:
    """Make the folder `to`.

    Args:
        work_digest: digest of everything that affects the bytes of the archives.
        stand_in: what is drawn, such as `drawn rooms`; None to write only the note, so that every set of every profile
            has this folder.
        draw: called with a folder; writes the archives to it.

    Returns:
        Whether something was drawn.
    """
    with workspace(to, work_digest) as work:
        if work is not None:
            if stand_in is not None:
                draw(work.result)
            files.write_json(work.result / DRAWN_NOTE, {"stand_in": stand_in})
            work.publish()
    return stand_in is not None
