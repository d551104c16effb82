"""Judge a pair sample blind: open or make the sample, the page, and its routes. No answer can influence the rater.

GET  /sample                    the page
GET  /api/sample/session        rater, sample, and this rater's labels so far
GET  /api/sample/estimate       the estimate from all verdicts on the sample; see `false_removal_rate.estimate`
POST /api/sample/verdict        {number, label}: label of a pair, by its place in the sample; empty to delete it
POST /api/sample/undo           {nonce}: undo the last edit; a repeated nonce undoes nothing more
GET  /sample/N/a.png, b.png     the two pictures of a pair, by its place in the sample, from 0
GET  /sample/N/source/a.png     their sources, if available

No answer contains a key, contents, row, distance, score, reason or stratum of a pair, which picture was kept, which
pairs are controls, or verdicts of other raters.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Route

from pipeline.audit import pair_sample
from pipeline.audit.pair_sample import CONTROL, PairSample
from pipeline.core import files
from pipeline.core.errors import BadParameters, MissingInput
from pipeline.dedup.decision.detector_removals import read_detector_removals
from pipeline.dedup.results.result_folders import ResultFolders
from pipeline.imageset.format.image_set import ImageSet
from pipeline.imageset.image_grid import png
from pipeline.review.duplicates.app import render
from pipeline.review.duplicates.dedup_result import DedupResult, read_batches, read_pictures
from pipeline.review.duplicates.source_pictures import SourcePictures
from pipeline.review.duplicates.verdict_store import Judgement, Side, VerdictStore
from pipeline.webapp.pages import Answer, png_response, post

PATH = "/sample"
DEFAULT_NAME, DEFAULT_CONTROLS, DEFAULT_SEED = "first", 0.1, 1


@dataclass(frozen=True)
class SampleOptions:
    """The requested sample.

    Attributes:
        name: name of the sample. It is made if it does not exist and `count` is given.
        count: number of removed pairs, at least 1.
        controls: number of controls as a share of the pairs.
        seed: seed of the sample.
    """

    name: str | None = None
    count: int | None = None
    controls: float | None = None
    seed: int | None = None


def open_sample(folders: ResultFolders, detector: str, options: SampleOptions) -> tuple[PairSample, list[str]]:
    """Open the sample of a name, or make it if it does not exist.

    Args:
        folders: of the result; samples are in `samples/` beside its verdicts.
        detector: digest of the current detector.

    Returns:
        The sample, and a sentence for each way in which it differs from what was requested or is outdated.

    Raises:
        MissingInput: the sample does not exist, and no count was given to make it.
        BadParameters: a name, count or share is not allowed, or there is no pair to sample.
        CorruptData: the file of that name is not a pair sample.
    """
    name = DEFAULT_NAME if options.name is None else options.name
    pair_sample.check_name(name)
    if options.count is None and not (options.controls is None and options.seed is None):
        raise BadParameters("--controls, --seed: expected --sample as well, because they apply to a new sample only")
    path = folders.verdicts.parent / "samples" / f"{name}.csv"
    if not path.exists():
        if options.count is None:
            raise MissingInput(f"--name {name}: {path} does not exist; make the sample with --sample COUNT")
        # The lock makes a second process find the sample that the first one makes.
        with files.locked_for_editing(folders.verdicts):
            if not path.exists():
                sample = _make_sample(folders, detector, name, options.count, options)
                pair_sample.write_pair_sample(path, sample)
                return sample, []
    sample = pair_sample.read_pair_sample(path)
    return sample, _notes(path, sample, detector, options)


def _make_sample(folders: ResultFolders, detector: str, name: str, count: int, options: SampleOptions) -> PairSample:
    images = ImageSet(folders.images)
    controls = DEFAULT_CONTROLS if options.controls is None else options.controls
    seed = DEFAULT_SEED if options.seed is None else options.seed
    removals = read_detector_removals(folders.dedup, images)
    return pair_sample.sample_pairs(images, removals, detector, name=name, count=count, controls=controls, seed=seed)


def _notes(path: Path, sample: PairSample, detector: str, options: SampleOptions) -> list[str]:
    """How an existing sample differs from the requested one."""
    notes = []
    if sample.detector != detector:
        notes.append(
            f"sample {sample.name} is outdated: it holds pairs that another detector removed, so its estimate does not "
            f"apply to the current one ({path} has {sample.detector[:12]}, expected {detector[:12]}); "
            "make a new sample under another --name"
        )
    removed = [pair for pair in sample.pairs if pair.stratum != CONTROL]
    count, controls = len(removed), len(sample.pairs) - len(removed)
    complete = count == sum({pair.stratum: pair.stratum_size for pair in removed}.values())
    differs = {
        "--sample": options.count not in (None, count) and not (complete and (options.count or 0) > count),
        "--controls": options.controls is not None and controls != pair_sample.control_count(options.controls, count),
        "--seed": options.seed not in (None, sample.seed),
    }
    if any(differs.values()):
        notes.append(
            f"sample {sample.name} already exists and is used unchanged, with {count:,} removed pairs, {controls:,} "
            f"controls and seed {sample.seed} ({', '.join(name for name in differs if differs[name])} ignored); "
            "make a new sample under another --name"
        )
    return notes


def find_rows(images: ImageSet, sides: Iterable[tuple[str, str]]) -> dict[tuple[str, str], int]:
    """Find the rows of pictures in an image set; pictures that are not in the set are left out.

    Args:
        sides: contents (SHA-256) and key of each picture. A picture whose key has changed is found by its contents. A
            face is not, because all faces of a photo have the same contents.

    Raises:
        CorruptData: the index is not readable.
    """
    wanted = set(sides)
    contents = pa.array(sorted({sha256 for sha256, _ in wanted}), pa.string())
    by_key: dict[tuple[str, str], int] = {}
    by_contents: dict[str, int] = {}
    for start, batch in read_batches(images.folder / "index.parquet", ["sha256", "key", "box"], "--images"):
        hits = pc.is_in(batch.column("sha256"), value_set=contents)
        rows = start + np.flatnonzero(np.asarray(hits))
        for row, found in zip(rows.tolist(), batch.filter(hits).to_pylist(), strict=True):
            by_key.setdefault((found["sha256"], found["key"]), row)
            if found["box"] is None:
                by_contents.setdefault(found["sha256"], row)
    found_rows = {side: by_key.get(side, by_contents.get(side[0], -1)) for side in wanted}
    return {side: row for side, row in found_rows.items() if row >= 0}


class BlindJudging:
    """The handlers of the routes, without HTTP.

    Args:
        sample: the pair sample.
        result: the result that was sampled.
        store: the rater's verdicts on this sample.
        notes: sentences to show above the pairs.

    Attributes:
        rows: int64 (n, 2): rows of the pictures of each pair; -1 for pictures that are no longer in the set.
    """

    def __init__(self, sample: PairSample, result: DedupResult, store: VerdictStore, notes: Sequence[str] = ()) -> None:
        self.sample, self.result, self.store, self.notes = sample, result, store, list(notes)
        self.sides = [(Side(pair.sha256_a, pair.key_a), Side(pair.sha256_b, pair.key_b)) for pair in sample.pairs]
        pairs = [[(side.sha256, side.key) for side in sides] for sides in self.sides]
        found = find_rows(result.images, (side for pair in pairs for side in pair))
        self.rows = np.array([[found.get(side, -1) for side in pair] for pair in pairs], np.int64)
        self.pictures = read_pictures(result.images, np.unique(self.rows[self.rows >= 0]))
        self.sources = SourcePictures(self.pictures, result.folders.raw, result.folders.archives)

    def session(self) -> Answer:
        """What the page needs at its start.

        Among them, for each pair: `labels`: this rater's label, or empty; `missing`: whether a picture is missing.
        """
        mine = self.store.mine()
        verdicts = [mine.get(self._contents(number)) for number in range(len(self.sides))]
        return {
            "name": self.sample.name,
            "rater": self.store.rater,
            "verdicts": str(self.store.path),
            "notes": self.notes,
            "labels": [verdict.label if verdict else "" for verdict in verdicts],
            "missing": (self.rows < 0).any(axis=1).tolist(),
            "sources": self.sources.available,
            "undoable": self.store.undoable(),
        }

    def estimate(self) -> Answer:
        """The estimate from all verdicts on the sample."""
        from pipeline.audit import false_removal_rate  # imported late: scipy takes a second and 50 MB

        return false_removal_rate.estimate(self.sample, self.store.verdicts(), detector=self.result.detector)

    def judge(self, body: Mapping[str, Any]) -> Answer:
        """Write a verdict.

        Raises:
            BadParameters: there is no such pair or label, or a picture of the pair is no longer in the set.
        """
        number, label = body.get("number"), body.get("label")
        if type(number) is not int or not 0 <= number < len(self.sides):
            raise BadParameters("number: no such pair")
        if not isinstance(label, str):
            raise BadParameters("label: expected a text")
        if label and (self.rows[number] < 0).any():
            raise BadParameters("number: a picture of this pair is no longer in the set, so the pair cannot be judged")
        self.store.judge([Judgement(*self.sides[number], label)], str(number))
        return {"number": number, "label": self._label(number), "undoable": self.store.undoable()}

    def undo(self, body: Mapping[str, Any]) -> Answer:
        """Undo the last edit; the answer has the number of its pair, or null if there was nothing to undo."""
        nonce = body.get("nonce")
        if not isinstance(nonce, str):
            raise BadParameters("nonce: expected a text")
        note = self.store.undo(nonce)
        number = int(note) if note else None
        label = "" if number is None else self._label(number)
        return {"number": number, "label": label, "undoable": self.store.undoable()}

    def picture(self, number: int, side: int) -> bytes | None:
        """A stored picture as PNG; None if it is not in the set."""
        row = self._row(number, side)
        return None if row is None else png(self.result.images.read(np.array([row]))[0])

    def source(self, number: int, side: int) -> bytes | None:
        """A source as PNG; None if it is not available."""
        row = self._row(number, side)
        position = None if row is None else self.pictures.find(row)
        return None if position is None else self.sources.png(position)

    def _row(self, number: int, side: int) -> int | None:
        row = int(self.rows[number, side]) if number < len(self.rows) else -1
        return row if row >= 0 else None

    def _contents(self, number: int) -> tuple[str, str]:
        first, second = sorted(side.sha256 for side in self.sides[number])
        return first, second

    def _label(self, number: int) -> str:
        verdict = self.store.mine().get(self._contents(number))
        return verdict.label if verdict else ""


def routes(judging: BlindJudging, name: str) -> list[BaseRoute]:
    """The routes of the page.

    Args:
        name: name of the result on the page.
    """
    page = render("sample.html", name=name, sample=judging.sample.name)

    def show_page(request: Request) -> Response:
        return HTMLResponse(page)

    def send(answer: Callable[[], Answer], request: Request) -> Response:
        return JSONResponse(answer())

    def send_picture(read: Callable[[int, int], bytes | None], request: Request) -> Response:
        number, side = request.path_params["number"], request.path_params["side"]
        return png_response(read(number, "ab".index(side)) if side in ("a", "b") else None)

    return [
        Route(PATH, show_page),
        Route("/api/sample/session", partial(send, judging.session)),
        Route("/api/sample/estimate", partial(send, judging.estimate)),
        Route("/api/sample/verdict", partial(post, judging.judge), methods=["POST"]),
        Route("/api/sample/undo", partial(post, judging.undo), methods=["POST"]),
        Route(PATH + "/{number:number}/{side}.png", partial(send_picture, judging.picture)),
        Route(PATH + "/{number:number}/source/{side}.png", partial(send_picture, judging.source)),
    ]
