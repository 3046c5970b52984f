"""When a request of a thread has to be over. On an event loop ``asyncio.timeout`` does the same."""

from __future__ import annotations

import threading
import time
from math import inf
from typing import Any

_MIN_CONNECT = 0.5
"""Seconds for connecting to one of several addresses, at least, while there is as much time."""
_PIECE = 65_536


class Deadline(threading.local):
    """When the request of this thread has to be over, and what is left of the time meanwhile.

    httpx's timeouts start anew with every address that is tried and with every byte, so that a server which drips its
    headers could hold a thread for days. Its ``trace`` extension shows us each step of connecting before it is taken,
    with the arguments that it takes, and each stream as it is opened. On a loop ``asyncio.timeout`` does the same.

    Attributes:
        at: In seconds of ``time.monotonic()``; infinite between our requests: what comes then is the application's own,
            on a client that was injected.
        one_by_one: Connect to one address at a time. The sender has to retry for as long as there is another address.
        addresses: Those of the host that are still to be tried; None before it was looked up.
    """

    at = inf
    one_by_one = False
    addresses: list[str] | None = None

    def begin(self, timeout: float, *, one_by_one: bool) -> None:
        """Set the deadline to ``timeout`` seconds from now."""
        self.at = time.monotonic() + timeout
        self.one_by_one = one_by_one
        self.addresses = None

    def end(self) -> None:
        """Set no deadline any more."""
        self.at = inf

    def rest(self, timeout: float | None = None) -> float | None:
        """Return the seconds that something may take which may take ``timeout`` by itself.

        Raises:
            TimeoutError: None are left.
        """
        if self.at == inf:
            return timeout
        rest = self.at - time.monotonic()
        if rest <= 0:
            raise TimeoutError
        return rest if timeout is None else min(timeout, rest)

    def trace(self, event: str, info: dict[str, Any]) -> None:
        """Take note of a step of connecting; see httpx's documentation of request extensions."""
        if event.endswith(("connect_tcp.complete", "start_tls.complete")):
            self._bound(info["return_value"])
        elif event.endswith(("connect_tcp.started", "start_tls.started")) and "timeout" in info:
            info["timeout"] = rest = self.rest(info["timeout"])
            if rest is not None and self.one_by_one and "host" in info:
                self._choose(info, rest)

    def _choose(self, info: dict[str, Any], rest: float) -> None:
        """Connect to the next address, and leave time for the others; dead ones may come first."""
        import socket

        import httpx

        if self.addresses is None:
            try:
                found = socket.getaddrinfo(info["host"], info["port"], 0, socket.SOCK_STREAM)
            except OSError as error:
                raise httpx.ConnectError(str(error)) from error
            self.addresses = [str(address[4][0]) for address in found]
        if self.addresses:
            info["timeout"] = max(rest / len(self.addresses), min(rest, _MIN_CONNECT))
            info["host"] = self.addresses.pop(0)

    def _bound(self, stream: Any) -> None:
        """Let reads from a network stream, and writes to it, end at the deadline."""
        read, write = stream.read, stream.write

        def read_in_time(max_bytes: int, timeout: float | None = None) -> bytes:
            data: bytes = read(max_bytes, self.rest(timeout))
            return data

        def write_in_time(buffer: bytes, timeout: float | None = None) -> None:
            # In pieces, as the timeout starts anew whenever a part was taken.
            for start in range(0, len(buffer), _PIECE):
                write(buffer[start : start + _PIECE], self.rest(timeout))

        stream.read, stream.write = read_in_time, write_in_time


deadline = Deadline()
"""One for the process: several clients may share a connection of one that was injected."""
