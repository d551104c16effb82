"""The routes of the review app. What may reach them is `security`'s business, and what they say `listing`'s.

GET  /                  the page
GET  /static/NAME       its script and style
GET  /api/session       who judges what, and how many pairs of each kind there are
GET  /api/pairs         a page of a list: either `list` and `position` or `seek`, or a new query; see `_query`
POST /api/verdict       {kind, id, label, keep, always, group}: all there is to say of a pair, or of its group
POST /api/undo          {nonce}: take the last edit back; the same nonce again changes nothing more
GET  /picture/ROW.png   a picture as the image set has it
GET  /source/ROW.png    its source, where that is at hand
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Literal, cast

import numpy as np
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Route

from pipeline.core.errors import BadParameters
from pipeline.imageset.image_grid import png
from pipeline.review.duplicates.labels import HERE, render
from pipeline.review.duplicates.listing import SORTS, Listing, Query, Range
from pipeline.review.duplicates.result import KINDS
from pipeline.review.duplicates.source_pictures import Sources
from pipeline.review.duplicates.verdict_store import Judgement, Side
from pipeline.webapp.pages import ERRORS, Answer, picture, post, static


class Review:
    """What the routes do, without HTTP.

    Args:
        listing: lists and verdicts.
        sources: what reads sources.
        name: of the result, for people.
    """

    def __init__(self, listing: Listing, sources: Sources, name: str) -> None:
        self.listing, self.sources, self.name = listing, sources, name
        self.result, self.store = listing.result, listing.store

    def session(self) -> Answer:
        """What the page needs once."""
        return {
            "name": self.name,
            "rater": self.store.rater,
            "verdicts": str(self.store.path),
            "undoable": self.store.undoable(),
            "kinds": {kind: len(pairs) for kind, pairs in self.result.lists.items()},
            "reasons": list(self.result.lists["removed"].reasons),
            "sources": self.sources.at_hand,
            "side": self.result.images.side,
        }

    def pairs(self, asked: Mapping[str, str]) -> Answer:
        """A page of a list, known or new; `sought` says whether what was looked for is there."""
        name = asked.get("list", "")
        if not self.listing.known(name):
            name = self.listing.make(_query(asked))
        position = _whole(asked, "position")
        seek = asked.get("seek", "")
        if not seek:
            return self.listing.page(name, position)
        if seek not in ("pair", "key", "unjudged"):
            raise BadParameters(f"seek {seek!r}: expected pair, key or unjudged")
        wanted = cast(Literal["pair", "key", "unjudged"], seek)
        found = self.listing.seek(name, wanted, asked.get("value", ""), position)
        page = self.listing.page(name, position if found is None else found)
        return {**page, "sought": found is not None}

    def judge(self, said: Mapping[str, Any]) -> Answer:
        """Write a verdict; the answer has the pair as it now is."""
        kind, number = said.get("kind", ""), said.get("id", -1)
        pairs = self.result.lists.get(kind) if isinstance(kind, str) else None
        if pairs is None or type(number) is not int or not 0 <= number < len(pairs):
            raise BadParameters("kind, id: no such pair")
        label, keep, always, group = (said.get(name) for name in ("label", "keep", "always", "group"))
        if not isinstance(label, str) or not all(isinstance(flag, bool) for flag in (keep, always, group)):
            raise BadParameters("expected a text label, and true or false for keep, always and group")
        numbers = [number]
        if group and pairs.group[number] >= 0:
            numbers = np.flatnonzero(pairs.group == pairs.group[number]).tolist()
        judgements = {}
        for pair in self.listing.describe(kind, numbers):
            before = pair["verdict"]
            wanted = (label, bool(keep), bool(always))
            if kind != "removed":  # neither was removed for the other: what was said of one of them elsewhere stays
                if (keep and not before["keep"]) or (always and not before["always"]):
                    raise BadParameters("keep, always: expected false, for neither picture was removed for the other")
                wanted = (label, bool(keep), before["always"])
            if group:  # one thing is said of all, and what was said of each besides stays
                wanted = (before["label"], before["keep"], True) if always else (label, False, before["always"])
            kept = None if pair["kept"]["row"] is None else _side(pair["kept"])
            judgement = Judgement(_side(pair["removed"]), kept, *wanted, swapped=self.listing.swapped(pair))
            judgements[pair["removed"]["sha256"], pair["kept"]["sha256"]] = judgement
        self.store.judge(list(judgements.values()), f"{kind} {number}")
        return {
            "undoable": self.store.undoable(),
            "count": len(numbers),
            "pair": self.listing.describe(kind, [number])[0],
        }

    def undo(self, said: Mapping[str, Any]) -> Answer:
        """Take the last edit back; the answer names its pair."""
        nonce = said.get("nonce")
        if not isinstance(nonce, str):
            raise BadParameters("nonce: expected a text")
        kind, _, number = (self.store.undo(nonce) or "").partition(" ")
        return {"kind": kind, "id": int(number) if number else None, "undoable": self.store.undoable()}

    def picture(self, row: int) -> bytes | None:
        """A stored picture as PNG; None where there is no such row."""
        if row >= len(self.result.images):
            return None
        return png(self.result.images.read(np.array([row]))[0])

    def source(self, row: int) -> bytes | None:
        """A source as PNG; None where there is none to show."""
        at = self.result.pictures.at(row)
        return None if at is None else self.sources.png(at)


def make_app(review: Review, more: Sequence[BaseRoute] = (), links: Mapping[str, str] | None = None) -> Starlette:
    """The app, not yet guarded.

    Args:
        more: routes of other pages on the same base.
        links: to those pages, each with its words.
    """
    page = render(
        "review.html",
        name=review.name,
        links=links or {},
        sorts=SORTS,
        kinds={kind: KINDS[kind] for kind in review.result.lists},
        reasons=[reason for reason in review.result.lists["removed"].reasons if reason],
    )

    def show_page(request: Request) -> Response:
        return HTMLResponse(page)

    def show_session(request: Request) -> Response:
        return JSONResponse(review.session())

    def show_pairs(request: Request) -> Response:
        return JSONResponse(review.pairs(dict(request.query_params)))

    def show_picture(read: Callable[[int], bytes | None], request: Request) -> Response:
        return picture(read(int(request.path_params["row"])))

    app = Starlette(
        routes=[
            Route("/", show_page),
            Route("/static/{name}", static(HERE)),
            Route("/api/session", show_session),
            Route("/api/pairs", show_pairs),
            Route("/api/verdict", partial(post, review.judge), methods=["POST"]),
            Route("/api/undo", partial(post, review.undo), methods=["POST"]),
            Route("/picture/{row:number}.png", partial(show_picture, review.picture)),
            Route("/source/{row:number}.png", partial(show_picture, review.source)),
            *more,
        ],
        exception_handlers=ERRORS,
    )
    app.router.redirect_slashes = False
    return app


def _side(picture: Mapping[str, Any]) -> Side:
    return Side(picture["sha256"], picture["key"])


def _query(asked: Mapping[str, str]) -> Query:
    """A query as the page asks it: `distance_least`, `distance_most` and so on are numbers, or empty."""
    texts: dict[str, Any] = {
        name: asked[name] for name in ("kind", "sort", "reason", "verdict", "text") if name in asked
    }
    ranges: dict[str, Any] = {name: _range(asked, name) for name in ("distance", "similarity", "group_size")}
    return Query(**texts, **ranges, falling=asked.get("falling", "1") == "1")


def _range(asked: Mapping[str, str], name: str) -> Range:
    try:
        least, most = (
            float(text) if text else None for text in (asked.get(f"{name}_{end}") for end in ("least", "most"))
        )
    except ValueError:
        raise BadParameters(f"{name}: expected numbers") from None
    return least, most


def _whole(asked: Mapping[str, str], name: str) -> int:
    text = asked.get(name) or "0"
    if not text.isascii() or not text.isdecimal() or len(text) > 12:
        raise BadParameters(f"{name} {text[:20]!r}: expected a whole number")
    return int(text)
