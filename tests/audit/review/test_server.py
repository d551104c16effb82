"""The socket that the apps listen on."""

import socket
from typing import Any

import pytest

from pipeline.audit.review.security import HOST
from pipeline.audit.review.server import listening
from pipeline.errors import Busy


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
