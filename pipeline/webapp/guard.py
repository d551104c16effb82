"""Who may talk to the server: the browser that was given the link, from the server's own page, and nobody else."""

import secrets
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HOST = "127.0.0.1"
MOST_BYTES = 1 << 16
"""Of a request's body."""

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'none'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
}

_USED = "403: open the link that the command has printed; it works once, then for that browser only\n"


class Guard:
    """ASGI middleware; every answer has `HEADERS`, and every request without the session's cookie is refused (403).

    The page that is linked with `?token=…` hands out the cookie, once. Requests that name another host are refused
    (403), as are POSTs from another origin or without one (403), those that are not JSON (415), and long ones (413).

    Args:
        app: what is guarded.
        port: that the server listens at, on `HOST`.
        page: path of the page to which the link leads.

    Attributes:
        token: of the link; empty once it was used.
    """

    def __init__(self, app: ASGIApp, port: int, page: str = "/") -> None:
        self.app, self.page = app, page
        self.authority = f"{HOST}:{port}"
        self.token = secrets.token_urlsafe(32)
        self._cookie = f"dcgan-review-{port}"  # browsers share cookies among ports
        self._session = secrets.token_urlsafe(32)

    @property
    def link(self) -> str:
        """What to open in a browser."""
        return f"http://{self.authority}{self.page}?token={self.token}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":  # no websockets here: the connection is closed
            return
        headers = Headers(scope=scope)
        fresh = False

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                answered = MutableHeaders(scope=message)
                answered.update(HEADERS)
                if fresh:
                    value = f"{self._cookie}={self._session}; HttpOnly; SameSite=Strict; Path=/"
                    answered.append("set-cookie", value)
            await send(message)

        refusal = self._refusal(scope, headers)
        if refusal is None and not self._known(headers):
            fresh = self._redeem(scope)
            refusal = None if fresh else PlainTextResponse(_USED, 403)
        await (refusal or self.app)(scope, receive, send_guarded)

    def _refusal(self, scope: Scope, headers: Headers) -> PlainTextResponse | None:
        if headers.getlist("host") != [self.authority]:
            return PlainTextResponse("403: another host was asked for\n", 403)
        if scope["method"] in ("GET", "HEAD"):
            return None
        if headers.getlist("origin") != [f"http://{self.authority}"]:
            return PlainTextResponse("403: asked from another page\n", 403)
        if not self._known(headers):
            return PlainTextResponse(_USED, 403)
        if headers.get("content-type", "").partition(";")[0].strip() != "application/json":
            return PlainTextResponse("415: expected application/json\n", 415)
        length = headers.get("content-length", "")
        if not length.isdecimal() or int(length[:20]) > MOST_BYTES:
            return PlainTextResponse(f"413: expected at most {MOST_BYTES} bytes, of known length\n", 413)
        return None

    def _known(self, headers: Headers) -> bool:
        cookies = [part.strip().partition("=") for line in headers.getlist("cookie") for part in line.split(";")]
        found = [value for name, _, value in cookies if name == self._cookie]
        return any(secrets.compare_digest(value.encode(), self._session.encode()) for value in found)

    def _redeem(self, scope: Scope) -> bool:
        """Whether the request brings the token, which is then used up."""
        if not self.token or scope["method"] != "GET" or scope["path"] != self.page:
            return False
        given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        if not secrets.compare_digest(given.encode(), self.token.encode()):
            return False
        self.token = ""
        return True
