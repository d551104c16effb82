"""A real HTTP server on this machine that behaves as badly as it is told to."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest


class Server(ThreadingHTTPServer):
    """Serves `content` at every path.

    Attributes:
        content: the file.
        validators: headers that name its version.
        kind: its Content-Type.
        drops: for each coming request, after how many bytes the connection is cut; None for not at all.
        answers: for each coming request, a status to answer instead of the file.
        requests: the headers of every request so far.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content = b""
        self.validators = {"ETag": '"one"'}
        self.kind = "application/zip"
        self.drops: list[int | None] = []
        self.answers: list[int] = []
        self.requests: list[dict[str, str]] = []

    def handle_error(self, *_: object) -> None:
        """Clients that hang up are no news."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Quiet."""

    def do_GET(self) -> None:
        server = self.server
        server.requests.append(dict(self.headers))
        self.close_connection = True
        if server.answers and (status := server.answers.pop(0)) != 200:
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        start, total = 0, len(server.content)
        unchanged = self.headers.get("If-Range") in {None, *server.validators.values()}
        if "Range" in self.headers and unchanged:
            start = int(self.headers["Range"].removeprefix("bytes=").removesuffix("-"))
            if start >= total:
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{total}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
        else:
            self.send_response(200)
        for name, value in server.validators.items():
            self.send_header(name, value)
        self.send_header("Content-Type", server.kind)
        self.send_header("Content-Length", str(total - start))
        self.end_headers()
        drop = server.drops.pop(0) if server.drops else None
        self.wfile.write(server.content[start : total if drop is None else start + drop])


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A running server; it ends with the test."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()
