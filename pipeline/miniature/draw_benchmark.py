"""Draw the files of a labelled benchmark, if the profile says that its pictures are drawn: `draw-benchmarks`."""

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
"""What is drawn for each benchmark, and the function that draws it."""


def draw_benchmark(section: BenchmarkConfig, *, to: Path, seed: int) -> bool:
    """Draw a benchmark's files, named as upstream's, into the folder `to`; only the note where its source is another.

    Args:
        to: gets the files and `drawn.json`.
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
