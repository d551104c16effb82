"""Checks of token, cookie, host and origin, so that only browsers that opened the link can use the server."""

import secrets
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HOST = "127.0.0.1"
MAX_BODY_BYTES = 1 << 16

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

_FORBIDDEN = "403: open the link that the command printed; it works in every browser until the command ends\n"


class TokenCheck:
    """ASGI middleware that answers 403 to requests without the session's cookie and adds `HEADERS` to all responses.

    A request for the link (`?token=…`) sets the cookie. The link works in any number of browsers until the server ends.
    Requests for another host are refused (403). POST requests are refused if they have no origin or another one (403),
    if they are not JSON (415), or if they are too long (413).

    Args:
        app: the app to protect.
        port: port of `HOST` that the server listens on.
        page: path of the page that the link opens.
    """

    def __init__(self, app: ASGIApp, port: int, page: str = "/") -> None:
        self.app, self.page = app, page
        self.authority = f"{HOST}:{port}"
        self._token = secrets.token_urlsafe(32)
        self._token_used_once = secrets.token_urlsafe(32)  # empty after its use
        self._cookie = f"dcgan-review-{port}"  # browsers share cookies among ports
        self._session = secrets.token_urlsafe(32)

    @property
    def link(self) -> str:
        """The link to show to the user."""
        return self._link(self._token)

    @property
    def link_used_once(self) -> str:
        """A link that works once, for a command that opens it: other users of the machine see the command's options."""
        return self._link(self._token_used_once)

    def _link(self, token: str) -> str:
        return f"http://{self.authority}{self.page}?token={token}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":  # a websocket: returning closes the connection
            return
        headers = Headers(scope=scope)
        first_visit = False

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                response = MutableHeaders(scope=message)
                response.update(HEADERS)
                if first_visit:
                    value = f"{self._cookie}={self._session}; HttpOnly; SameSite=Strict; Path=/"
                    response.append("set-cookie", value)
            await send(message)

        refusal = self._refusal(scope, headers)
        if refusal is None and not self._has_cookie(headers):
            first_visit = self._redeem_token(scope)
            refusal = None if first_visit else PlainTextResponse(_FORBIDDEN, 403)
        await (refusal or self.app)(scope, receive, send_with_headers)

    def _refusal(self, scope: Scope, headers: Headers) -> PlainTextResponse | None:
        if headers.getlist("host") != [self.authority]:
            return PlainTextResponse("403: the request names another host\n", 403)
        if scope["method"] in ("GET", "HEAD"):
            return None
        if headers.getlist("origin") != [f"http://{self.authority}"]:
            return PlainTextResponse("403: the request comes from another page\n", 403)
        if not self._has_cookie(headers):
            return PlainTextResponse(_FORBIDDEN, 403)
        if headers.get("content-type", "").partition(";")[0].strip() != "application/json":
            return PlainTextResponse("415: expected application/json\n", 415)
        length = headers.get("content-length", "")
        if not length.isdecimal() or int(length[:20]) > MAX_BODY_BYTES:
            return PlainTextResponse(f"413: expected at most {MAX_BODY_BYTES} bytes, of known length\n", 413)
        return None

    def _has_cookie(self, headers: Headers) -> bool:
        cookies = [part.strip().partition("=") for line in headers.getlist("cookie") for part in line.split(";")]
        found = [value for name, _, value in cookies if name == self._cookie]
        return any(secrets.compare_digest(value.encode(), self._session.encode()) for value in found)

    def _redeem_token(self, scope: Scope) -> bool:
        """Whether the request has one of the two tokens."""
        if scope["method"] != "GET" or scope["path"] != self.page:
            return False
        given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0].encode()
        if self._token_used_once and secrets.compare_digest(given, self._token_used_once.encode()):
            self._token_used_once = ""
            return True
        return secrets.compare_digest(given, self._token.encode())
