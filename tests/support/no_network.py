"""A plugin for a run of pytest in which no socket may be connected but to this machine."""

from __future__ import annotations

import socket
from typing import Any

_connect = socket.socket.connect


def _local_alone(self: socket.socket, address: Any) -> None:
    if self.family in {socket.AF_INET, socket.AF_INET6} and address[0] not in {"127.0.0.1", "::1", "localhost"}:
        raise AssertionError(f"a test connects to {address}")
    _connect(self, address)


def pytest_configure() -> None:
    socket.socket.connect = _local_alone  # type: ignore[method-assign]  # what it is for
