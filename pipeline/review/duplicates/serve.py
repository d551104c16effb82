"""Run the review app on this machine until somebody ends it."""

import contextlib
from collections.abc import Callable

import pyarrow as pa
from starlette.routing import BaseRoute

from pipeline.audit.frozen_draw import Sample
from pipeline.core import progress
from pipeline.dedup.decision.verdicts import read_verdicts
from pipeline.imageset.format.image_set import ImageSet
from pipeline.review.duplicates.app import Review, make_app
from pipeline.review.duplicates.draw import Asked, open_draw
from pipeline.review.duplicates.judging import PATH, Judging, routes
from pipeline.review.duplicates.listing import Listing
from pipeline.review.duplicates.locate import Folders
from pipeline.review.duplicates.result import Result, detector_of
from pipeline.review.duplicates.source_pictures import Sources
from pipeline.review.duplicates.verdict_store import VerdictStore, rater_name
from pipeline.webapp.server import listening, login, run


def review(
    folders: Folders,
    *,
    rater: str | None,
    asked: Asked | None = None,
    port: int = 0,
    browser: bool = True,
    announce: Callable[[str], None],
) -> dict[str, int]:
    """Serve the review app on 127.0.0.1 until Ctrl-C (or SIGTERM).

    Args:
        rater: who judges, made fit for a CSV file; None for the login name.
        asked: the draw to judge; its page is opened then. None for none.
        port: 0 for a free one.
        browser: whether to open the link in one.
        announce: told the link, once the server answers.

    Returns:
        `verdicts`: this rater's, in the end; `removed`: pictures that were to be looked at; with a draw, `drawn`: its
        pairs, and `judged`: those that this rater has judged.

    Raises:
        MissingInput, CorruptData, BadParameters: of the result or the draw.
        Busy: another program listens at the port.
    """
    pa.set_memory_pool(pa.system_memory_pool())  # gives back what reading took: 100 MB of 300,000 removals
    rater = rater_name(login() if rater is None else rater)
    store = VerdictStore(folders.verdicts, rater)
    store.verdicts()  # a broken file is told now, not at the first verdict
    drawn = None if asked is None else _draw(folders, asked)
    release = pa.default_memory_pool().release_unused  # after drawing and reading: 120 MB each of 300,000 removals
    release()
    result = Result(folders)
    release()
    sources = Sources(result.pictures, folders.raw, folders.archives)
    name = name_of(folders)
    with listening(port) as sock, contextlib.ExitStack() as open_files:
        open_files.callback(sources.close)
        judging = None
        if drawn is not None:
            sample, notes = drawn
            judging = Judging(sample, result, VerdictStore(folders.verdicts, rater, sample.name), notes)
        more: list[BaseRoute] = []
        if judging is not None:
            open_files.callback(judging.sources.close)
            more = routes(judging, name)
        links = {PATH: f"Judge the draw “{judging.sample.name}”"} if judging else {}
        app = make_app(Review(Listing(result, store), sources, name), more, links)
        run(app, sock, page=PATH if judging else "/", browser=browser, announce=announce)
    there = read_verdicts(folders.verdicts) if folders.verdicts.exists() else []
    summary = {"verdicts": sum(v.rater == store.rater for v in there), "removed": len(result.lists["removed"])}
    if judging is not None:
        summary |= {"drawn": len(judging.sides), "judged": sum(map(bool, judging.session()["said"]))}
    return summary


def _draw(folders: Folders, asked: Asked) -> tuple[Sample, list[str]]:
    sample, notes = open_draw(folders, detector_of(folders, ImageSet(folders.images)), asked)
    for note in notes:
        progress.warn(note)
    return sample, notes


def name_of(folders: Folders) -> str:
    """What people call a result: its set, or the folder that `dcgan dedup` was told."""
    steps = folders.dedup.parent
    return steps.parent.name if steps.name == "steps" else folders.dedup.name
