"""Run a local web app until Ctrl-C."""

import contextlib
import getpass
import re
import socket
import threading
import webbrowser
from collections.abc import Callable, Iterator

import uvicorn
from starlette.types import ASGIApp

from pipeline.core.errors import Busy
from pipeline.webapp.token_check import HOST, TokenCheck


@contextlib.contextmanager
def listening(port: int) -> Iterator[socket.socket]:
    """A socket that listens on 127.0.0.1.

    Args:
        port: port number; 0 for a free port.

    Raises:
        Busy: the port cannot be used, for example because another program listens on it.
    """
    # Without the protocol given, asyncio does not set TCP_NODELAY.
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((HOST, port))
        sock.listen(128)  # fails if another program has bound the same port and already listens
    except OSError as error:
        sock.close()
        raise Busy(f"--port {port}: {error.strerror}; choose another port, or 0 for a free one") from None
    with sock:
        yield sock


def run(app: ASGIApp, sock: socket.socket, *, page: str = "/", browser: bool, announce: Callable[[str], None]) -> None:
    """Serve an app until Ctrl-C (or SIGTERM).

    Args:
        app: the app, without access checks; this function adds them.
        sock: a socket from `listening`.
        page: path of the page that the link opens.
        browser: whether to open the link in a browser.
        announce: function that is called with the link.
    """
    checked = TokenCheck(app, sock.getsockname()[1], page)
    config = uvicorn.Config(
        checked, log_level="warning", access_log=False, server_header=False, ws="none", timeout_graceful_shutdown=3
    )

    def open_link() -> None:
        announce(checked.link)
        if browser:
            webbrowser.open(checked.link_used_once)

    # Connections wait in the socket until the server runs. The thread is a daemon, because the browser can block it.
    opening = threading.Thread(target=open_link, daemon=True)
    opening.start()
    with contextlib.suppress(KeyboardInterrupt):  # uvicorn raises it again after a clean shutdown
        uvicorn.Server(config).run(sockets=[sock])


def rater_name(name: str | None) -> str:
    """The name of the rater for a CSV file.

    A leading `-` and each character that is not an ASCII letter, digit, `.`, `_` or `-` are replaced by `_`.

    Args:
        name: the given name; None for the login name.
    """
    if name is None:
        try:
            name = getpass.getuser()
        except (KeyError, OSError):  # the user of a container may have no name
            name = ""
    return re.sub(r"[^\w.-]|^-", "_", name.strip()[:64], flags=re.ASCII) or "rater"
