"""Requests of the commands: they reach a URL as the client of an application would."""

from __future__ import annotations

import httpx

from signakit_flags.integration import http_transport


class Transport(httpx.BaseTransport):
    """Makes the transport for a URL when that is requested. What cannot be used is a ``ConnectError`` then."""

    def __init__(self) -> None:
        self._made: dict[tuple[str, str, int | None], httpx.HTTPTransport] = {}

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Request a URL."""
        where = (request.url.scheme, request.url.host, request.url.port)
        if where not in self._made:
            try:
                self._made[where] = http_transport(str(request.url))
            except ValueError as error:
                raise httpx.ConnectError(str(error)) from error
        return self._made[where].handle_request(request)

    def close(self) -> None:
        """Close all connections."""
        for transport in self._made.values():
            transport.close()
