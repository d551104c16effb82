"""Serve the review app on this machine until Ctrl-C."""

import contextlib
from collections.abc import Callable

import pyarrow as pa
from starlette.routing import BaseRoute

from pipeline.audit.pair_sample import PairSample
from pipeline.core import progress
from pipeline.dedup.decision.verdicts import read_verdicts
from pipeline.dedup.results.result_folders import ResultFolders
from pipeline.imageset.format.image_set import ImageSet
from pipeline.review.duplicates.app import Review, make_app
from pipeline.review.duplicates.blind_judging import PATH, BlindJudging, SampleOptions, open_sample, routes
from pipeline.review.duplicates.dedup_result import DedupResult, read_detector
from pipeline.review.duplicates.pair_lists import PairLists
from pipeline.review.duplicates.source_pictures import SourcePictures
from pipeline.review.duplicates.verdict_store import VerdictStore
from pipeline.webapp.server import listening, rater_name, run


def review(
    folders: ResultFolders,
    *,
    rater: str | None,
    sample_options: SampleOptions | None = None,
    port: int = 0,
    browser: bool = True,
    announce: Callable[[str], None],
) -> dict[str, int]:
    """Serve the review app on 127.0.0.1 until Ctrl-C (or SIGTERM).

    Args:
        rater: name of the rater; None for the login name.
        sample_options: the pair sample to judge, whose page then opens first; None for browsing only.
        port: port number; 0 for a free port.
        browser: whether to open the link in a browser.
        announce: called with the link.

    Returns:
        `verdicts`: this rater's verdicts at the end; `removed`: removed pictures of the result. With a sample also
        `sampled`: its pairs, and `judged`: those that this rater has judged.

    Raises:
        MissingInput, CorruptData, BadParameters: the result or the sample cannot be read or made.
        Busy: another program listens on the port.
    """
    pa.set_memory_pool(pa.system_memory_pool())  # gives memory back after reading: 100 MB for 300,000 removals
    rater = rater_name(rater)
    store = VerdictStore(folders.verdicts, rater)
    store.verdicts()  # a damaged file is an error now, not at the first verdict
    opened = None if sample_options is None else _open_sample(folders, sample_options)
    release = pa.default_memory_pool().release_unused  # after sampling and after reading: 120 MB for 300,000 removals
    release()
    result = DedupResult(folders)
    release()
    sources = SourcePictures(result.pictures, folders.raw, folders.archives)
    name = result_name(folders)
    with listening(port) as sock, contextlib.ExitStack() as open_files:
        open_files.callback(sources.close)
        judging = None
        if opened is not None:
            sample, notes = opened
            judging = BlindJudging(sample, result, VerdictStore(folders.verdicts, rater, sample.name), notes)
        more_routes: list[BaseRoute] = []
        if judging is not None:
            open_files.callback(judging.sources.close)
            more_routes = routes(judging, name)
        links = {PATH: f"Judge the sample “{judging.sample.name}”"} if judging else {}
        app = make_app(Review(PairLists(result, store), sources, name), more_routes, links)
        run(app, sock, page=PATH if judging else "/", browser=browser, announce=announce)
    verdicts = read_verdicts(folders.verdicts) if folders.verdicts.exists() else []
    summary = {"verdicts": sum(v.rater == store.rater for v in verdicts), "removed": len(result.lists["removed"])}
    if judging is not None:
        summary |= {"sampled": len(judging.sides), "judged": sum(map(bool, judging.session()["labels"]))}
    return summary


def _open_sample(folders: ResultFolders, options: SampleOptions) -> tuple[PairSample, list[str]]:
    sample, notes = open_sample(folders, read_detector(folders, ImageSet(folders.images)), options)
    for note in notes:
        progress.warn(note)
    return sample, notes


def result_name(folders: ResultFolders) -> str:
    """Name of a result on the pages: the set, or the folder given to `dcgan dedup`."""
    steps = folders.dedup.parent
    return steps.parent.name if steps.name == "steps" else folders.dedup.name
