"""Run the app in which people judge samples on this machine, until somebody ends it."""

from collections.abc import Callable
from pathlib import Path

from pipeline.review.duplicates.verdict_store import rater_name
from pipeline.review.samples.app import Judging, make_app
from pipeline.review.samples.boxes import BoxStore
from pipeline.review.samples.exemplars import ExemplarStore
from pipeline.review.samples.model_samples import Samples
from pipeline.webapp.server import listening, login, run

EXEMPLAR_SAMPLES = 2000
"""To choose exemplars from."""


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
        model: the model whose samples are judged.
        to: folder of `boxes.csv` and `exemplars.csv`.
        count: samples to draw boxes on, from number 0.
        seed: of the samples.
        object: what the boxes are drawn around.
        rater: who judges, made fit for a CSV file; None for the login name.
        port: 0 for a free one.
        browser: whether to open the link in one.
        announce: told the link, once the server answers.

    Returns:
        This rater's, for this model and seed: `boxes` around the object, `boxed` samples that have any, samples
        `looked_at`, `concepts` and their `exemplars`.

    Raises:
        BadParameters: the object is no name.
        MissingInput, CorruptData: of the model, or of the files that are there.
        Busy: another program listens at the port.
    """
    samples = Samples(model, seed)
    who = rater_name(login() if rater is None else rater)
    boxes = BoxStore(to / "boxes.csv", samples.digest, seed, object, who, side=samples.side, count=count)
    exemplars = ExemplarStore(to / "exemplars.csv", samples.digest, seed, who, count=EXEMPLAR_SAMPLES)

    def summary() -> dict[str, int]:
        drawn, chosen = boxes.said(), exemplars.said()
        return {
            "boxes": sum(map(len, drawn.values())),
            "boxed": sum(map(bool, drawn.values())),
            "looked_at": len(drawn),
            "concepts": len(chosen),
            "exemplars": sum(map(len, chosen.values())),
        }

    summary()  # a broken file is told now, not at the first edit
    with listening(port) as sock:
        run(
            make_app(Judging(samples, boxes, exemplars, model.resolve().name)), sock, browser=browser, announce=announce
        )
    return summary()
