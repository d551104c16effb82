"""The socket that the apps listen on, and the names of raters."""

import socket
from typing import Any

import pytest

from pipeline.core.errors import Busy
from pipeline.webapp.server import listening, rater_name
from pipeline.webapp.token_check import HOST


def test_a_port_that_is_taken_between_bind_and_listen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two processes can bind one port until one listens; the second one to listen gets the usual error."""
    bind = socket.socket.bind
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind((HOST, 0))

        def bind_late(sock: socket.socket, address: Any) -> None:
            bind(sock, address)
            other.listen()

        monkeypatch.setattr(socket.socket, "bind", bind_late)
        port = other.getsockname()[1]
        with pytest.raises(Busy, match=f"--port {port}"), listening(port):
            pass


@pytest.mark.parametrize(
    ("text", "name"), [("ann", "ann"), ("=cmd,x", "_cmd_x"), ("-a-b", "_a-b"), ("Jörg\n", "J_rg"), (" ", "rater")]
)
def test_rater_names_are_safe_in_csv(text: str, name: str) -> None:
    """A rater's name in a CSV file has no comma, formula or control character."""
    assert rater_name(text) == name
