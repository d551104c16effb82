"""The page on which a frozen draw is judged, and its routes. Nothing here tells what could sway a rater.

GET  /sample                    the page
GET  /api/sample/session        who judges which draw, and what this rater has said so far
GET  /api/sample/estimate       what follows from all verdicts on the draw; see `estimates.estimate`
POST /api/sample/verdict        {number, label}: of a pair, by its place in the draw; an empty label takes it away
POST /api/sample/undo           {nonce}: take the last edit back; the same nonce again changes nothing more
GET  /sample/N/a.png, b.png     the two pictures of a pair, by its place in the draw, from 0
GET  /sample/N/source/a.png     their sources, where those are at hand

No answer has a key, a content, a row, a distance, a score, a reason or a stratum of a pair, or says which of two was
kept, which pairs are controls, or what others said.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Route

from pipeline.audit.frozen_draw import Sample
from pipeline.core.errors import BadParameters
from pipeline.imageset.image_grid import png
from pipeline.review.duplicates.draw import find_rows
from pipeline.review.duplicates.labels import render
from pipeline.review.duplicates.result import Result, read_pictures
from pipeline.review.duplicates.source_pictures import Sources
from pipeline.review.duplicates.verdict_store import Judgement, Side, VerdictStore
from pipeline.webapp.pages import Answer, picture, post

PATH = "/sample"


class Judging:
    """What the routes do, without HTTP.

    Args:
        sample: the draw.
        result: whose removals were drawn.
        store: of the rater's verdicts on this draw.
        notes: what is to be known of the draw before it is judged.

    Attributes:
        rows: int64 (n, 2): rows of the pictures of each pair; -1 of those that are not in the set any more.
    """

    def __init__(self, sample: Sample, result: Result, store: VerdictStore, notes: Sequence[str] = ()) -> None:
        self.sample, self.result, self.store, self.notes = sample, result, store, list(notes)
        self.sides = [(Side(pair.sha256_a, pair.key_a), Side(pair.sha256_b, pair.key_b)) for pair in sample.pairs]
        named = [[(side.sha256, side.key) for side in sides] for sides in self.sides]
        found = find_rows(result.images, (side for pair in named for side in pair))
        self.rows = np.array([[found.get(side, -1) for side in pair] for pair in named], np.int64)
        self.pictures = read_pictures(result.images, np.unique(self.rows[self.rows >= 0]))
        self.sources = Sources(self.pictures, result.folders.raw, result.folders.archives)

    def session(self) -> Answer:
        """What the page needs once: `said` has this rater's label of each pair, `missing` whether it can be judged."""
        mine = self.store.mine()
        said = [mine.get(self._contents(number)) for number in range(len(self.sides))]
        return {
            "name": self.sample.name,
            "rater": self.store.rater,
            "verdicts": str(self.store.path),
            "notes": self.notes,
            "said": [verdict.label if verdict else "" for verdict in said],
            "missing": (self.rows < 0).any(axis=1).tolist(),
            "sources": self.sources.at_hand,
            "undoable": self.store.undoable(),
        }

    def estimate(self) -> Answer:
        """What follows from all verdicts on the draw."""
        from pipeline.audit import estimates  # scipy takes a second and 50 MB, and many a session looks at no estimate

        return estimates.estimate(self.sample, self.store.verdicts(), detector=self.result.detector)

    def judge(self, said: Mapping[str, Any]) -> Answer:
        """Write a verdict.

        Raises:
            BadParameters: there is no such pair, or no such label, or its pictures cannot be seen.
        """
        number, label = said.get("number"), said.get("label")
        if type(number) is not int or not 0 <= number < len(self.sides):
            raise BadParameters("number: no such pair")
        if not isinstance(label, str):
            raise BadParameters("label: expected a text")
        if label and (self.rows[number] < 0).any():
            raise BadParameters("number: a picture of this pair is not in the set any more, so it cannot be judged")
        self.store.judge([Judgement(*self.sides[number], label)], str(number))
        return {"number": number, "label": self._label(number), "undoable": self.store.undoable()}

    def undo(self, said: Mapping[str, Any]) -> Answer:
        """Take the last edit back; the answer has its pair, and null where there was nothing to undo."""
        nonce = said.get("nonce")
        if not isinstance(nonce, str):
            raise BadParameters("nonce: expected a text")
        note = self.store.undo(nonce)
        number = int(note) if note else None
        label = "" if number is None else self._label(number)
        return {"number": number, "label": label, "undoable": self.store.undoable()}

    def picture(self, number: int, side: int) -> bytes | None:
        """A stored picture as PNG; None where there is none."""
        row = self._row(number, side)
        return None if row is None else png(self.result.images.read(np.array([row]))[0])

    def source(self, number: int, side: int) -> bytes | None:
        """A source as PNG; None where there is none to show."""
        row = self._row(number, side)
        at = None if row is None else self.pictures.at(row)
        return None if at is None else self.sources.png(at)

    def _row(self, number: int, side: int) -> int | None:
        row = int(self.rows[number, side]) if number < len(self.rows) else -1
        return row if row >= 0 else None

    def _contents(self, number: int) -> tuple[str, str]:
        first, second = sorted(side.sha256 for side in self.sides[number])
        return first, second

    def _label(self, number: int) -> str:
        verdict = self.store.mine().get(self._contents(number))
        return verdict.label if verdict else ""


def routes(judging: Judging, name: str) -> list[BaseRoute]:
    """The routes of the page.

    Args:
        name: of the result, for people.
    """
    page = render("sample.html", name=name, sample=judging.sample.name)

    def show_page(request: Request) -> Response:
        return HTMLResponse(page)

    def show(tell: Callable[[], Answer], request: Request) -> Response:
        return JSONResponse(tell())

    def show_picture(read: Callable[[int, int], bytes | None], request: Request) -> Response:
        number, side = request.path_params["number"], request.path_params["side"]
        return picture(read(number, "ab".index(side)) if side in ("a", "b") else None)

    return [
        Route(PATH, show_page),
        Route("/api/sample/session", partial(show, judging.session)),
        Route("/api/sample/estimate", partial(show, judging.estimate)),
        Route("/api/sample/verdict", partial(post, judging.judge), methods=["POST"]),
        Route("/api/sample/undo", partial(post, judging.undo), methods=["POST"]),
        Route(PATH + "/{number:number}/{side}.png", partial(show_picture, judging.picture)),
        Route(PATH + "/{number:number}/source/{side}.png", partial(show_picture, judging.source)),
    ]
