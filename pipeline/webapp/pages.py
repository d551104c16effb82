"""Helpers for the routes of the local web apps: templates, static files, posted JSON, pictures, errors."""

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
    """Convertor for `{…:number}` in a route: at most 18 digits, so that the number fits in int64."""

    regex = "[0-9]{1,18}"


register_url_convertor("number", _Number())

Answer = Mapping[str, Any]

_HERE = Path(__file__).parent
_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}


def render(template: str, *, folder: Path, **values: Any) -> str:
    """Render a template of `folder/templates` with `values`; the template may extend the shared `page.html`."""
    folders = [folder / "templates", _HERE / "templates"]
    environment = Environment(
        loader=FileSystemLoader(folders), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    return environment.get_template(template).render(**values)


def static(*folders: Path) -> Callable[[Request], Response]:
    """A route that serves the shared scripts and styles and those in `static` of each folder. Files are read once."""
    paths = [path for folder in (_HERE, *folders) for path in (folder / "static").iterdir() if path.suffix in _TYPES]
    files = {path.name: path.read_bytes() for path in paths}

    def send(request: Request) -> Response:
        name = request.path_params["name"]
        if name not in files:
            raise HTTPException(404)
        return Response(files[name], media_type=_TYPES[Path(name).suffix])

    return send


async def post(answer: Callable[[Mapping[str, Any]], Answer], request: Request) -> Response:
    """Call `answer` with the posted JSON object, and send what it returns.

    Raises:
        BadParameters: the body is not a JSON object.
    """
    try:
        body = json.loads(await request.body())
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        raise BadParameters("expected a JSON object")
    return JSONResponse(await run_in_threadpool(answer, body))


def png_response(data: bytes | None) -> Response:
    """A response with PNG bytes. None raises an HTTP error 404."""
    if data is None:
        raise HTTPException(404)
    return Response(data, media_type="image/png")


def _bad_request(request: Request, error: Exception) -> Response:
    return JSONResponse({"error": str(error)}, 400)


def _try_again(request: Request, error: Exception) -> Response:
    """Answer 503 if a file cannot be read or written; the page then keeps the edit and sends it again."""
    return JSONResponse({"error": str(error)}, 503)


ERRORS: Mapping[Any, Callable[[Request, Exception], Response]] = {
    BadParameters: _bad_request,
    PipelineError: _try_again,
    OSError: _try_again,
}
"""Exception class -> function that makes the error response; for `exception_handlers` of an app."""
