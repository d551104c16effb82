"""Render the files of a labelled benchmark if the profile's source is `miniature`: `draw-benchmarks`."""

import functools
from collections.abc import Callable
from pathlib import Path

from pipeline.acquire.config import BenchmarkConfig
from pipeline.core import files, progress
from pipeline.core.code_dependencies import code_digest
from pipeline.miniature.drawn_folder import write_drawn_folder
from pipeline.miniature.labelled_archives import draw_cifar10, draw_mnist, draw_svhn

_DRAWN: dict[str, tuple[str, Callable[..., None]]] = {
    "cifar10": ("drawn textures", draw_cifar10),
    "svhn": ("drawn house numbers", draw_svhn),
    "mnist": ("drawn digits", draw_mnist),
}
"""For each benchmark, what is drawn, and the function that draws it."""


def draw_benchmark(section: BenchmarkConfig, *, to: Path, seed: int) -> bool:
    """Render a benchmark's files, with the published names, to the folder `to`; for another source write only the note.

    Args:
        to: folder for the files and `drawn.json`.
        seed: root seed.

    Returns:
        Whether something was drawn.
    """
    if section.source != "miniature":
        return write_drawn_folder(to, files.digest({"source": "not drawn"}), None, lambda _: None)
    stand_in, draw = _DRAWN[section.data_set]
    progress.say(f"drawing {section.train + section.test:,} pictures: {stand_in}")
    return write_drawn_folder(
        to,
        files.digest({"code": code_digest(__name__), "seed": seed, **section.model_dump()}),
        stand_in,
        functools.partial(draw, train=section.train, test=section.test, seed=seed),
    )
