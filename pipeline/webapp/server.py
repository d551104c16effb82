"""Run an app in which people judge on this machine, until somebody ends it; the base that several such apps share."""

import contextlib
import getpass
import socket
import threading
import webbrowser
from collections.abc import Callable, Iterator

import uvicorn
from starlette.types import ASGIApp

from pipeline.core.errors import Busy
from pipeline.webapp.guard import HOST, Guard


@contextlib.contextmanager
def listening(port: int) -> Iterator[socket.socket]:
    """A socket that listens on 127.0.0.1.

    Args:
        port: 0 for a free one.

    Raises:
        Busy: another program listens there.
    """
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # else asyncio sends late
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((HOST, port))
        sock.listen(128)  # refused where another program bound the port as we did, and listens by now
    except OSError as error:
        sock.close()
        raise Busy(f"--port {port}: {error.strerror}; choose another one, or 0 for a free one") from None
    with sock:
        yield sock


def run(app: ASGIApp, sock: socket.socket, *, page: str = "/", browser: bool, announce: Callable[[str], None]) -> None:
    """Serve an app to one browser until Ctrl-C (or SIGTERM).

    Args:
        app: not yet guarded.
        sock: what `listening` gives.
        page: path of the page to which the link leads.
        browser: whether to open the link in one.
        announce: told the link, once the server answers.
    """
    guard = Guard(app, sock.getsockname()[1], page)
    config = uvicorn.Config(
        guard, log_level="warning", access_log=False, server_header=False, ws="none", timeout_graceful_shutdown=3
    )

    def open_link() -> None:
        announce(guard.link)
        if browser:
            webbrowser.open(guard.link)

    # Connections wait in the socket until the server is up; a browser that blocks shall not keep us from ending.
    opening = threading.Thread(target=open_link, daemon=True)
    opening.start()
    with contextlib.suppress(KeyboardInterrupt):  # uvicorn has ended in order, and says so in this way
        uvicorn.Server(config).run(sockets=[sock])


def login() -> str:
    """The login name; empty where there is none."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user need not have a name
        return ""
