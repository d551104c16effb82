"""The routes of the app in which people judge generated samples. `webapp.token_check` protects them.

GET  /                    the page for boxes
GET  /exemplars           the page for exemplars
GET  /api/boxes           rater, model and samples, and the existing boxes
POST /api/boxes           {sample, before, after}: lists of boxes, or null for a sample that was not viewed
GET  /api/exemplars       rater, model and samples, and the existing exemplars
POST /api/exemplars       {sample, concept, chosen}
GET  /picture/SAMPLE.png  a sample
GET /mean.png?samples=… the GAN generator's picture for the mean z of these samples
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
from pipeline.review.samples.boxes import MAX_BOXES, BoxStore, Rectangle
from pipeline.review.samples.csv_table import MAX_NAME
from pipeline.review.samples.exemplars import CONCEPT_PRESETS, MAX_EXEMPLARS, ExemplarStore
from pipeline.review.samples.model_samples import ModelSamples
from pipeline.webapp.pages import ERRORS, Answer, png_response, post, render, static

_HERE = Path(__file__).parent


class SampleReview:
    """The handlers of the routes, without HTTP.

    Args:
        name: name of the model on the pages.
    """

    def __init__(self, samples: ModelSamples, boxes: BoxStore, exemplars: ExemplarStore, name: str) -> None:
        self.samples, self.boxes, self.exemplars, self.name = samples, boxes, exemplars, name

    def show_boxes(self) -> Answer:
        """What the page for boxes needs at its start."""
        return self._session(self.boxes) | {"object": self.boxes.object, "boxes": self.boxes.rectangles()}

    def show_exemplars(self) -> Answer:
        """What the page for exemplars needs at its start."""
        return self._session(self.exemplars) | {"exemplars": self.exemplars.by_concept(), "max": MAX_EXEMPLARS}

    def edit_boxes(self, body: Mapping[str, Any]) -> Answer:
        """Write an edit of one sample's boxes."""
        self.boxes.edit(_sample(body), _rectangles(body, "before"), _rectangles(body, "after"))
        return {}

    def edit_exemplars(self, body: Mapping[str, Any]) -> Answer:
        """Add or remove a sample as exemplar of a concept."""
        concept, chosen = body.get("concept"), body.get("chosen")
        if not isinstance(concept, str) or not isinstance(chosen, bool):
            raise BadParameters("expected a text as concept, and true or false as chosen")
        self.exemplars.choose(_sample(body), concept, chosen)
        return {}

    def picture(self, sample: int) -> bytes | None:
        """A sample as PNG; None if there is no such sample."""
        count = max(self.boxes.count, self.exemplars.count)
        return png(self.samples.picture(sample)) if sample < count else None

    def mean(self, samples: str) -> bytes:
        """The picture of a mean z as PNG; `samples` has the numbers of the samples, separated by commas."""
        texts, count = samples.split(","), self.exemplars.count
        if len(texts) > MAX_EXEMPLARS or not all(re.fullmatch("[0-9]{1,8}", t) and int(t) < count for t in texts):
            raise BadParameters(f"samples: expected 1 to {MAX_EXEMPLARS} whole numbers below {count}")
        return png(self.samples.mean([int(text) for text in texts]))

    def _session(self, store: BoxStore | ExemplarStore) -> dict[str, Any]:
        return {
            "storage_key": f"{self.samples.digest} {self.samples.seed}",
            "seed": self.samples.seed,
            "side": self.samples.side,
            "rater": store.rater,
            "file": str(store.path),
            "count": store.count,
            "hidden": store.count_hidden(),
        }


def make_app(review: SampleReview) -> Starlette:
    """The app, without access checks (see `server.run`)."""
    values = {"name": review.name, "object": review.boxes.object, "longest": MAX_NAME, "presets": CONCEPT_PRESETS}
    boxes, exemplars = (render(f"{kind}.html", folder=_HERE, **values) for kind in ("boxes", "exemplars"))

    def show_sample(request: Request) -> Response:
        return png_response(review.picture(int(request.path_params["sample"])))

    def show_mean(request: Request) -> Response:
        return png_response(review.mean(request.query_params.get("samples", "")))

    app = Starlette(
        routes=[
            Route("/", lambda request: HTMLResponse(boxes)),
            Route("/exemplars", lambda request: HTMLResponse(exemplars)),
            Route("/static/{name}", static(_HERE)),
            Route("/api/boxes", lambda request: JSONResponse(review.show_boxes())),
            Route("/api/boxes", partial(post, review.edit_boxes), methods=["POST"]),
            Route("/api/exemplars", lambda request: JSONResponse(review.show_exemplars())),
            Route("/api/exemplars", partial(post, review.edit_exemplars), methods=["POST"]),
            Route("/picture/{sample:number}.png", show_sample),
            Route("/mean.png", show_mean),
        ],
        exception_handlers=ERRORS,
    )
    app.router.redirect_slashes = False
    return app


def _sample(body: Mapping[str, Any]) -> int:
    sample = body.get("sample")
    if type(sample) is not int:
        raise BadParameters("sample: expected a whole number")
    return sample


def _rectangles(body: Mapping[str, Any], name: str) -> list[Rectangle] | None:
    given = body.get(name, 0)
    if given is None:
        return None
    if not isinstance(given, list) or len(given) > MAX_BOXES:
        raise BadParameters(f"{name}: expected null, or a list of at most {MAX_BOXES} boxes")
    rectangles: list[Rectangle] = []
    for box in given:
        if not isinstance(box, list) or len(box) != 4 or any(type(number) is not int for number in box):
            raise BadParameters(f"{name}: expected boxes of four whole numbers: left, top, width, height")
        rectangles.append((box[0], box[1], box[2], box[3]))
    return rectangles
