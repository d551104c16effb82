"""The socket that the apps listen on."""

import socket
from typing import Any

import pytest

from pipeline.core.errors import Busy
from pipeline.webapp.guard import HOST
from pipeline.webapp.server import listening


def test_a_port_that_is_taken_at_the_last_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two may bind one port while nobody listens on it; the one that listens second is told, as any other."""
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
