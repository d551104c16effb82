"""What the routes of all pages share: templates, files of the pages themselves, JSON that is posted, pictures."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.concurrency import run_in_threadpool
from starlette.convertors import IntegerConvertor, register_url_convertor
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from pipeline.core.errors import BadParameters, PipelineError


class _Number(IntegerConvertor):
    """`{…:number}` of a route: no longer than int64 holds, and than Python reads."""

    regex = "[0-9]{1,18}"


register_url_convertor("number", _Number())

Answer = Mapping[str, Any]

_HERE = Path(__file__).parent
_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}


def render(template: str, *, folder: Path, **values: Any) -> str:
    """A page from `folder/templates`, which extends `page.html`; the template sees `values`."""
    folders = [folder / "templates", _HERE / "templates"]
    environment = Environment(
        loader=FileSystemLoader(folders), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    return environment.get_template(template).render(**values)


def static(*folders: Path) -> Callable[[Request], Response]:
    """A route for scripts and styles, read once: those shared by all pages, and those in `static` of each folder."""
    paths = [path for folder in (_HERE, *folders) for path in (folder / "static").iterdir() if path.suffix in _TYPES]
    files = {path.name: path.read_bytes() for path in paths}

    def show(request: Request) -> Response:
        name = request.path_params["name"]
        if name not in files:
            raise HTTPException(404)
        return Response(files[name], media_type=_TYPES[Path(name).suffix])

    return show


async def post(act: Callable[[Mapping[str, Any]], Answer], request: Request) -> Response:
    """Let `act` answer the JSON object that was posted.

    Raises:
        BadParameters: it is none.
    """
    try:
        said = json.loads(await request.body())
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict):
        raise BadParameters("expected a JSON object")
    return JSONResponse(await run_in_threadpool(act, said))


def picture(data: bytes | None) -> Response:
    """A PNG; 404 for None."""
    if data is None:
        raise HTTPException(404)
    return Response(data, media_type="image/png")


def _refused(request: Request, error: Exception) -> Response:
    return JSONResponse({"error": str(error)}, 400)


def _failed(request: Request, error: Exception) -> Response:
    """What was judged cannot be read or written: the page keeps what it has, and tries again."""
    return JSONResponse({"error": str(error)}, 503)


ERRORS: Mapping[Any, Callable[[Request, Exception], Response]] = {
    BadParameters: _refused,
    PipelineError: _failed,
    OSError: _failed,
}
"""Answers to errors, for an app's `exception_handlers`."""
