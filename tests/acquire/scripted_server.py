"""A real HTTP server on this machine that misbehaves by a script: one fault for each coming request, then honesty."""

import contextlib
import io
import random
import socket
import struct
import threading
import time
import zipfile
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Fault = tuple[str, float]
"""What happens to one request, and how far into its body, as a share."""

FAULTS = (
    *("cut", "cut", "cut", "reset", "reset", "stall", "500", "503", "429", "429 seconds", "429 date"),
    *(
        "longer",
        "shorter",
        "ignore ranges",
        "other range",
        "change",
        "silent change",
        "redirect",
        "html",
        "hidden html",
    ),
    *("packed", "chunked", "undelimited"),
)
PAGE = b"<!DOCTYPE html><html><body>Quota exceeded</body></html>"


@dataclass
class Behaviour:
    """How a server serves.

    Attributes:
        versions: the file, and what replaces it at each `change` or `silent change`.
        faults: see `FAULTS`; `no ranges` switches them off for good.
        validators: `etag`, `date`, `weak` or `none`.
        rate: bytes a second for each connection; None for as fast as can be.
        limit: connections at once, beyond which 503 is answered.
        stall: seconds that a stall lasts.
    """

    versions: list[bytes]
    faults: deque[Fault] = field(default_factory=deque)
    validators: str = "etag"
    rate: float | None = None
    limit: int = 1000
    stall: float = 1.0


class Server(ThreadingHTTPServer):
    """Serves the same file at every path.

    Attributes:
        served: bytes of bodies written so far.
        asked: the Range header of every request so far.
        busiest: the largest number of requests that were answered at the same time.
    """

    daemon_threads = True
    request_queue_size = 32

    def __init__(self, behaviour: Behaviour) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.lock = threading.Lock()
        self.ended = threading.Event()
        self.behaviour = behaviour
        self.content = behaviour.versions[0]
        self.waiting = list(behaviour.versions[1:])
        self.name = 1
        self.ranges = True
        self.served = 0
        self.busy = self.busiest = 0
        self.asked: list[str | None] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, *_: object) -> None:
        """Clients that hang up are no news."""

    def next_fault(self) -> Fault:
        with self.lock:
            kind, share = self.behaviour.faults.popleft() if self.behaviour.faults else ("", 1.0)
            if kind == "no ranges":
                self.ranges = False
            if kind in ("change", "silent change") and self.waiting:
                self.content = self.waiting.pop(0)
                self.name += kind == "change"
            return kind, share


class Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_: object) -> None:
        """Quiet."""

    def validators(self) -> dict[str, str]:
        number, kind = self.server.name, self.server.behaviour.validators
        date = format_datetime(datetime(2015, 11, 19, tzinfo=UTC) + timedelta(days=number), usegmt=True)
        tag = f'"version-{number}"'
        return {"etag": {"ETag": tag, "Last-Modified": date}, "date": {"Last-Modified": date}, "none": {}}.get(
            kind, {"ETag": f"W/{tag}"}
        )

    def answer(self, status: int, headers: dict[str, str], body: bytes = b"") -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        server = self.server
        with server.lock:
            server.asked.append(self.headers.get("Range"))
            server.busy += 1
            server.busiest = max(server.busiest, server.busy)
            crowded = server.busy > server.behaviour.limit
        try:
            if crowded:
                self.answer(503, {})
            else:
                self.serve(*server.next_fault())
        finally:
            with server.lock:
                server.busy -= 1

    def serve(self, kind: str, share: float) -> None:
        content = self.server.content
        if kind[:3] in ("500", "503", "429"):
            soon = format_datetime(datetime.now(UTC) + timedelta(seconds=1), usegmt=True)
            after = {"429 seconds": {"Retry-After": "0"}, "429 date": {"Retry-After": soon}}
            self.answer(int(kind[:3]), after.get(kind, {}))
        elif kind == "redirect":
            self.answer(302, {"Location": f"{self.server.url}/moved-{random.random()}.zip"})
        elif kind == "html":
            self.answer(200, {"Content-Type": "text/html; charset=utf-8"}, PAGE)
        elif kind == "hidden html":
            self.answer(200, {"Content-Type": "application/zip", **self.validators()}, PAGE)
        elif kind == "packed":
            self.answer(200, {"Content-Encoding": "gzip", **self.validators()}, b"\x1f\x8b" + bytes(100))
        else:
            self.serve_file(kind, share, content)

    def serve_file(self, kind: str, share: float, content: bytes) -> None:
        start, end = 0, len(content)
        asked, condition = self.headers.get("Range"), self.headers.get("If-Range")
        partial = bool(asked) and condition in {None, *self.validators().values()} and self.server.ranges
        if partial and kind not in ("ignore ranges", "chunked", "undelimited"):
            first, _, last = asked.removeprefix("bytes=").partition("-")
            start = int(first)
            end = min(end, int(last) + 1) if last else end
            if start >= len(content):
                return self.answer(416, {"Content-Range": f"bytes */{len(content)}"})
            if kind == "other range":
                start //= 2
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{end - 1}/{len(content)}")
        else:
            self.send_response(200)
            if self.server.ranges:
                self.send_header("Accept-Ranges", "bytes")
        body = content[start:end]
        told = len(body) + {"longer": 1000, "shorter": -min(1000, len(body))}.get(kind, 0)
        for name, value in self.validators().items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/zip")
        if kind == "chunked":
            self.send_header("Transfer-Encoding", "chunked")
        elif kind != "undelimited":
            self.send_header("Content-Length", str(told))
        self.end_headers()
        sent = body
        if kind in ("cut", "reset", "stall", "chunked", "undelimited"):
            sent = body[: int(len(body) * share)]
        if kind == "chunked":
            self.send(b"%x\r\n" % len(sent) + sent + b"\r\n")
            if share < 0.5:
                self.send(b"".join([b"%x\r\n" % len(body[len(sent) :]), body[len(sent) :], b"\r\n0\r\n\r\n"]))
        else:
            self.send(sent)
        if kind == "stall":
            self.server.ended.wait(self.server.behaviour.stall)
        if kind == "reset":  # instead of an orderly end
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if kind and kind != "no ranges":
            self.close_connection = True

    def send(self, body: bytes) -> None:
        """Write at the behaviour's rate."""
        server, rate = self.server, self.server.behaviour.rate
        step = 1 << 16 if rate is None or rate > 1e7 else 1 << 13
        begun = time.monotonic()
        view = memoryview(body)
        for offset in range(0, len(body), step):
            if server.ended.is_set():
                return
            block = view[offset : offset + step]
            self.wfile.write(block)
            with server.lock:
                server.served += len(block)
            if rate and (ahead := (offset + len(block)) / rate - (time.monotonic() - begun)) > 0:
                time.sleep(ahead)


@contextlib.contextmanager
def serving(behaviour: Behaviour) -> Iterator[Server]:
    """A running server; it ends with the block."""
    with Server(behaviour) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.ended.set()
            server.shutdown()
            thread.join()


def zip_of(number: int, length: int) -> bytes:
    """A zip with one stored member of random bytes, always the same for a number."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(zipfile.ZipInfo("x_lmdb/data.mdb"), random.Random(number).randbytes(length))
    return buffer.getvalue()
