"""The routes of the app in which people judge samples, on the base of `audit.review`: `security`, `server`, `pages`.

GET  /                    the page on which boxes are drawn
GET  /exemplars           the page on which exemplars are chosen
GET  /api/boxes           what is judged, and the boxes that are there
POST /api/boxes           {sample, before, after}: lists of boxes, or null for a sample not looked at
GET  /api/exemplars       what is judged, and the exemplars that are there
POST /api/exemplars       {sample, concept, chosen}
GET  /picture/SAMPLE.png  a sample
GET  /mean.png?samples=…  what the generator makes of the mean z of these samples
"""

import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from pipeline.core.errors import BadParameters
from pipeline.imageset.image_grid import png
from pipeline.review.samples.boxes import MOST_BOXES, BoxStore, Place
from pipeline.review.samples.csv_table import LONGEST_NAME
from pipeline.review.samples.exemplars import MOST_EXEMPLARS, PRESETS, ExemplarStore
from pipeline.review.samples.model_samples import Samples
from pipeline.webapp.pages import ERRORS, Answer, picture, post, render, static

_HERE = Path(__file__).parent


class Judging:
    """What the routes do, without HTTP.

    Args:
        name: of the model, for people.
    """

    def __init__(self, samples: Samples, boxes: BoxStore, exemplars: ExemplarStore, name: str) -> None:
        self.samples, self.boxes, self.exemplars, self.name = samples, boxes, exemplars, name

    def show_boxes(self) -> Answer:
        """What the page of boxes needs once."""
        return self._session(self.boxes) | {"object": self.boxes.object, "boxes": self.boxes.said()}

    def show_exemplars(self) -> Answer:
        """What the page of exemplars needs once."""
        return self._session(self.exemplars) | {"exemplars": self.exemplars.said(), "most": MOST_EXEMPLARS}

    def edit_boxes(self, said: Mapping[str, Any]) -> Answer:
        """Write an edit of one sample's boxes."""
        self.boxes.edit(_sample(said), _places(said, "before"), _places(said, "after"))
        return {}

    def edit_exemplars(self, said: Mapping[str, Any]) -> Answer:
        """Write that a sample is an exemplar, or is none."""
        concept, chosen = said.get("concept"), said.get("chosen")
        if not isinstance(concept, str) or not isinstance(chosen, bool):
            raise BadParameters("expected a text as concept, and true or false as chosen")
        self.exemplars.choose(_sample(said), concept, chosen)
        return {}

    def picture(self, sample: int) -> bytes | None:
        """A sample as PNG; None where there is no such."""
        most = max(self.boxes.count, self.exemplars.count)
        return png(self.samples.picture(sample)) if sample < most else None

    def mean(self, samples: str) -> bytes:
        """The picture of a mean z as PNG; the samples' numbers are parted by commas."""
        texts, most = samples.split(","), self.exemplars.count
        if len(texts) > MOST_EXEMPLARS or not all(re.fullmatch("[0-9]{1,8}", t) and int(t) < most for t in texts):
            raise BadParameters(f"samples: expected 1 to {MOST_EXEMPLARS} whole numbers below {most}")
        return png(self.samples.mean([int(text) for text in texts]))

    def _session(self, store: BoxStore | ExemplarStore) -> dict[str, Any]:
        return {
            "place": f"{self.samples.digest} {self.samples.seed}",
            "seed": self.samples.seed,
            "side": self.samples.side,
            "rater": store.rater,
            "file": str(store.path),
            "count": store.count,
            "elsewhere": store.elsewhere(),
        }


def make_app(judging: Judging) -> Starlette:
    """The app, not yet guarded."""

    words = {"name": judging.name, "object": judging.boxes.object, "longest": LONGEST_NAME, "presets": PRESETS}
    boxes, exemplars = (render(f"{kind}.html", folder=_HERE, **words) for kind in ("boxes", "exemplars"))

    def show_sample(request: Request) -> Response:
        return picture(judging.picture(int(request.path_params["sample"])))

    def show_mean(request: Request) -> Response:
        return picture(judging.mean(request.query_params.get("samples", "")))

    app = Starlette(
        routes=[
            Route("/", lambda request: HTMLResponse(boxes)),
            Route("/exemplars", lambda request: HTMLResponse(exemplars)),
            Route("/static/{name}", static(_HERE)),
            Route("/api/boxes", lambda request: JSONResponse(judging.show_boxes())),
            Route("/api/boxes", partial(post, judging.edit_boxes), methods=["POST"]),
            Route("/api/exemplars", lambda request: JSONResponse(judging.show_exemplars())),
            Route("/api/exemplars", partial(post, judging.edit_exemplars), methods=["POST"]),
            Route("/picture/{sample:number}.png", show_sample),
            Route("/mean.png", show_mean),
        ],
        exception_handlers=ERRORS,
    )
    app.router.redirect_slashes = False
    return app


def _sample(said: Mapping[str, Any]) -> int:
    sample = said.get("sample")
    if type(sample) is not int:
        raise BadParameters("sample: expected a whole number")
    return sample


def _places(said: Mapping[str, Any], name: str) -> list[Place] | None:
    given = said.get(name, 0)
    if given is None:
        return None
    if not isinstance(given, list) or len(given) > MOST_BOXES:
        raise BadParameters(f"{name}: expected null, or a list of at most {MOST_BOXES} boxes")
    places: list[Place] = []
    for box in given:
        if not isinstance(box, list) or len(box) != 4 or any(type(number) is not int for number in box):
            raise BadParameters(f"{name}: expected boxes of four whole numbers: left, top, width, height")
        places.append((box[0], box[1], box[2], box[3]))
    return places
