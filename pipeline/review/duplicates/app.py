"""The routes of the app for browsing and judging removed pictures. `webapp.token_check` protects them.

GET  /                  the page
GET  /static/NAME       its scripts and styles
GET  /api/session       rater, file of verdicts, and number of pairs of each kind
GET  /api/pairs         a page of a list: an existing `list` with `position` or `seek`, or a new query; see `_query`
POST /api/verdict       {list, kind, id, label, keep, always, group}: the complete judgement of a pair, or of its whole
                        group
POST /api/undo          {nonce}: undo the last edit; a repeated nonce undoes nothing more
GET  /picture/ROW.png   a picture as stored in the image set
GET  /source/ROW.png    its source, if available
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Route

from pipeline import audit
from pipeline.core.errors import BadParameters
from pipeline.dedup.decision.verdicts import LABELS
from pipeline.imageset.image_grid import png
from pipeline.review.duplicates.dedup_result import LIST_TITLES
from pipeline.review.duplicates.pair_lists import SORTS, PairLists, Query, Range
from pipeline.review.duplicates.source_pictures import SourcePictures
from pipeline.review.duplicates.verdict_store import Judgement, Side
from pipeline.webapp import pages
from pipeline.webapp.pages import ERRORS, Answer, png_response, post, static

LABEL_LETTERS = {"same_pixels": "p", "near": "n", "mirrored": "m", "similar": "s", "different": "d"}
"""Keyboard shortcuts that set a label, in addition to the digits 1 to 6."""

_HERE = Path(__file__).parent
_AUDIT = Path(audit.__file__).parent  # difference.js, which the gallery has too


class Review:
    """The handlers of the routes, without HTTP.

    Args:
        lists: lists of pairs, with verdicts.
        sources: reads the sources.
        name: name of the result on the page.
    """

    def __init__(self, lists: PairLists, sources: SourcePictures, name: str) -> None:
        self.lists, self.sources, self.name = lists, sources, name
        self.result, self.store = lists.result, lists.store

    def session(self) -> Answer:
        """What the page needs at its start."""
        return {
            "name": self.name,
            "rater": self.store.rater,
            "verdicts": str(self.store.path),
            "undoable": self.store.undoable(),
            "kinds": {kind: len(pairs) for kind, pairs in self.result.lists.items()},
            "reasons": list(self.result.lists["removed"].reasons),
            "sources": self.sources.available,
            "side": self.result.images.side,
        }

    def pairs(self, parameters: Mapping[str, str]) -> Answer:
        """A page of an existing or new list; `found` tells whether `seek` found a pair."""
        name = parameters.get("list", "")
        if not self.lists.exists(name):
            name = self.lists.create(_query(parameters))
        position = _whole_number(parameters, "position")
        seek = parameters.get("seek", "")
        if not seek:
            return self.lists.page(name, position)
        if seek not in ("pair", "key", "unjudged"):
            raise BadParameters(f"seek {seek!r}: expected pair, key or unjudged")
        wanted = cast(Literal["pair", "key", "unjudged"], seek)
        found = self.lists.seek(name, wanted, parameters.get("value", ""), position)
        page = self.lists.page(name, position if found is None else found)
        return {**page, "found": found is not None}

    def judge(self, body: Mapping[str, Any]) -> Answer:
        """Write a verdict; the answer has the changed pair, and the number of judged pairs if its list still exists."""
        kind, number = body.get("kind", ""), body.get("id", -1)
        pairs = self.result.lists.get(kind) if isinstance(kind, str) else None
        if pairs is None or type(number) is not int or not 0 <= number < len(pairs):
            raise BadParameters("kind, id: no such pair")
        label, keep, always, group = (body.get(name) for name in ("label", "keep", "always", "group"))
        if not isinstance(label, str) or not all(isinstance(flag, bool) for flag in (keep, always, group)):
            raise BadParameters("expected a text as label, and true or false as keep, always and group")
        numbers = [number]
        if group and pairs.group[number] >= 0:
            numbers = np.flatnonzero(pairs.group == pairs.group[number]).tolist()
        judgements = {}
        for pair in self.lists.describe(kind, numbers):
            before = pair["verdict"]
            wanted = (label, bool(keep), bool(always))
            if kind != "removed":  # a near miss or mirrored match: verdicts on single pictures must not change
                if (keep and not before["keep"]) or (always and not before["always"]):
                    raise BadParameters(
                        "keep, always: expected false, because neither picture was removed for the other"
                    )
                wanted = (label, bool(keep), before["always"])
            if group:  # change one value of all pairs and leave their other values
                wanted = (before["label"], before["keep"], True) if always else (label, False, before["always"])
            kept = None if pair["kept"]["row"] is None else _side(pair["kept"])
            judgement = Judgement(_side(pair["removed"]), kept, *wanted, swapped=self.lists.swapped(pair))
            judgements[pair["removed"]["sha256"], pair["kept"]["sha256"]] = judgement
        self.store.judge(list(judgements.values()), f"{kind} {number}")
        return {
            "undoable": self.store.undoable(),
            "count": len(numbers),
            "judged": self.lists.judged(str(body.get("list"))),
            "pair": self.lists.describe(kind, [number])[0],
        }

    def undo(self, body: Mapping[str, Any]) -> Answer:
        """Undo the last edit; the answer names its pair."""
        nonce = body.get("nonce")
        if not isinstance(nonce, str):
            raise BadParameters("nonce: expected a text")
        kind, _, number = (self.store.undo(nonce) or "").partition(" ")
        return {"kind": kind, "id": int(number) if number else None, "undoable": self.store.undoable()}

    def picture(self, row: int) -> bytes | None:
        """A stored picture as PNG; None if there is no such row."""
        if row >= len(self.result.images):
            return None
        return png(self.result.images.read(np.array([row]))[0])

    def source(self, row: int) -> bytes | None:
        """A source as PNG; None if it is not available."""
        position = self.result.pictures.find(row)
        return None if position is None else self.sources.png(position)


def render(template: str, **values: Any) -> str:
    """Render a template of this app, with `labels` and `label_letters` as further values."""
    return pages.render(template, folder=_HERE, labels=LABELS, label_letters=LABEL_LETTERS, **values)


def make_app(
    review: Review, more_routes: Sequence[BaseRoute] = (), links: Mapping[str, str] | None = None
) -> Starlette:
    """The app, without access checks (see `server.run`).

    Args:
        more_routes: routes of further pages.
        links: path and text of links to those pages.
    """
    page = render(
        "review.html",
        name=review.name,
        links=links or {},
        sorts=SORTS,
        kinds={kind: LIST_TITLES[kind] for kind in review.result.lists},
        reasons=[reason for reason in review.result.lists["removed"].reasons if reason],
    )

    def show_page(request: Request) -> Response:
        return HTMLResponse(page)

    def show_session(request: Request) -> Response:
        return JSONResponse(review.session())

    def show_pairs(request: Request) -> Response:
        return JSONResponse(review.pairs(dict(request.query_params)))

    def show_picture(read: Callable[[int], bytes | None], request: Request) -> Response:
        return png_response(read(int(request.path_params["row"])))

    app = Starlette(
        routes=[
            Route("/", show_page),
            Route("/static/{name}", static(_HERE, _AUDIT)),
            Route("/api/session", show_session),
            Route("/api/pairs", show_pairs),
            Route("/api/verdict", partial(post, review.judge), methods=["POST"]),
            Route("/api/undo", partial(post, review.undo), methods=["POST"]),
            Route("/picture/{row:number}.png", partial(show_picture, review.picture)),
            Route("/source/{row:number}.png", partial(show_picture, review.source)),
            *more_routes,
        ],
        exception_handlers=ERRORS,
    )
    app.router.redirect_slashes = False
    return app


def _side(picture: Mapping[str, Any]) -> Side:
    return Side(picture["sha256"], picture["key"])


def _query(parameters: Mapping[str, str]) -> Query:
    """The query in the parameters of a request; `distance_least`, `distance_most` and so on are numbers or empty."""
    texts: dict[str, Any] = {
        name: parameters[name] for name in ("kind", "sort", "reason", "verdict", "text") if name in parameters
    }
    ranges: dict[str, Any] = {name: _range(parameters, name) for name in ("distance", "similarity", "group_size")}
    return Query(**texts, **ranges, descending=parameters.get("descending") == "1")


def _range(parameters: Mapping[str, str], name: str) -> Range:
    try:
        least, most = (
            float(text) if text else None for text in (parameters.get(f"{name}_{end}") for end in ("least", "most"))
        )
    except ValueError:
        raise BadParameters(f"{name}: expected numbers") from None
    return least, most


def _whole_number(parameters: Mapping[str, str], name: str) -> int:
    text = parameters.get(name) or "0"
    if not text.isascii() or not text.isdecimal() or len(text) > 12:
        raise BadParameters(f"{name} {text[:20]!r}: expected a whole number")
    return int(text)
