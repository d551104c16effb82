"""Serve the app for judging samples on this machine until Ctrl-C."""

from collections.abc import Callable
from pathlib import Path

from pipeline.review.samples.app import SampleReview, make_app
from pipeline.review.samples.boxes import BoxStore
from pipeline.review.samples.exemplars import ExemplarStore
from pipeline.review.samples.model_samples import ModelSamples
from pipeline.webapp.server import listening, rater_name, run

EXEMPLAR_SAMPLES = 2000
"""Samples to choose exemplars from."""


def review_samples(
    model: Path,
    to: Path,
    *,
    count: int,
    seed: int,
    object: str,
    rater: str | None,
    port: int = 0,
    browser: bool = True,
    announce: Callable[[str], None],
) -> dict[str, int]:
    """Serve the app on 127.0.0.1 until Ctrl-C (or SIGTERM).

    Args:
        model: folder of the model.
        to: folder of `boxes.csv` and `exemplars.csv`.
        count: number of samples to draw boxes on.
        seed: seed of the samples.
        object: what the boxes are drawn around.
        rater: name of the rater; None for the login name.
        port: port number; 0 for a free port.
        browser: whether to open the link in a browser.
        announce: called with the link.

    Returns:
        Counts of this rater for this model and seed: `boxes` around the object, samples with boxes (`boxed`), samples
        `viewed`, `concepts` and their `exemplars`.

    Raises:
        BadParameters: the name of the object is not allowed.
        MissingInput, CorruptData: the model or an existing file cannot be read.
        Busy: another program listens on the port.
    """
    samples = ModelSamples(model, seed)
    rater = rater_name(rater)
    boxes = BoxStore(to / "boxes.csv", samples.digest, seed, object, rater, side=samples.side, count=count)
    exemplars = ExemplarStore(to / "exemplars.csv", samples.digest, seed, rater, count=EXEMPLAR_SAMPLES)

    def summary() -> dict[str, int]:
        rectangles, concepts = boxes.rectangles(), exemplars.by_concept()
        return {
            "boxes": sum(map(len, rectangles.values())),
            "boxed": sum(map(bool, rectangles.values())),
            "viewed": len(rectangles),
            "concepts": len(concepts),
            "exemplars": sum(map(len, concepts.values())),
        }

    summary()  # a damaged file is an error now, not at the first edit
    with listening(port) as sock:
        app = make_app(SampleReview(samples, boxes, exemplars, model.resolve().name))
        run(app, sock, browser=browser, announce=announce)
    return summary()
