"""Requests as bytes on a socket, for what no well-behaved client would send or survive."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
from typing import Any
from urllib.parse import urlsplit


def exchange(url: str, request: bytes, timeout: float = 10.0) -> bytes:
    """Send ``request`` and return everything that comes until the server closes; ``TimeoutError`` if it does not."""
    address = urlsplit(url)
    assert address.hostname is not None
    assert address.port is not None
    received = b""
    with socket.create_connection((address.hostname, address.port), timeout=timeout) as connection:
        connection.sendall(request)
        with contextlib.suppress(ConnectionResetError):
            while chunk := connection.recv(65_536):
                received += chunk
    return received


class Answer:
    """Status, headers and body of a response."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    @property
    def text(self) -> str:
        return self.body.decode()

    def json(self) -> Any:
        return json.loads(self.body)


def ask(url: str, method: str = "GET", body: Any = None, **headers: str) -> Answer:
    """Make one request. A body that is no bytes is sent as JSON; ``Content_Type="..."`` sets a header."""
    address = urlsplit(url)
    assert address.hostname is not None
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=10)
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    if body is not None and not isinstance(body, bytes):
        body = json.dumps(body).encode()
        sent.setdefault("Content-Type", "application/json")
    target = address.path + (f"?{address.query}" if address.query else "")
    try:
        connection.request(method, target or "/", body=body, headers=sent)
        return Answer(connection.getresponse())
    finally:
        connection.close()
