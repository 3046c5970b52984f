"""A fast, small HTTP server on loopback, in a process of its own: it counts events and hands out configs.

``python sink.py`` prints its port and serves until its standard input ends. Any POST is a delivery of events: of its
body, decompressed, the occurrences of a marker are counted. What is below ``/_sink/`` steers the server:

- ``PUT /_sink/store{path}``: a later GET of ``path`` gets this body.
- ``POST /_sink/reset`` with ``{"marker", "delay", "hold"}``: count anew; answer each delivery after so many seconds, or
  not before ``release``.
- ``POST /_sink/release``: answer what was held, and hold no longer.
- ``POST /_sink/wait`` with ``{"count", "posts", "timeout"}``: answers once that many came, or after so many seconds.

``reset`` and ``wait`` answer with the state: ``count``, ``posts``, and ``first`` and ``last``, when the first and the
last delivery had come, in nanoseconds of the monotonic clock, which all processes of a machine share.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
import zlib
from typing import Any

PREFIX = "/_sink/"
ACCEPTED = (
    b"HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nContent-Length: 16\r\n\r\n" + b'{"success":true}'
)
NOT_FOUND = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"


class Sink:
    """The state that all connections share. One thread, no locks.

    Attributes:
        store: Bodies to hand out, by path.
        delay: Seconds before a delivery is answered.
        hold: Deliveries are not answered at all.
        held: Connections whose delivery waits for ``release``.
    """

    def __init__(self) -> None:
        self.store: dict[str, bytes] = {}
        self.delay = 0.0
        self.hold = False
        self.held: list[Connection] = []
        self._waits: list[tuple[int, int, Connection]] = []
        self._clear("")

    def _clear(self, marker: str) -> None:
        self._marker = marker.encode()
        self._count = 0
        self._posts = 0
        self._first = self._last = 0

    def _state(self) -> bytes:
        state = {"count": self._count, "posts": self._posts, "first": self._first, "last": self._last}
        return json.dumps(state).encode()

    def deliver(self, body: bytes, encoding: str) -> None:
        """Count the events of one delivery."""
        if encoding == "gzip":
            body = zlib.decompress(body, wbits=31)
        self._count += body.count(self._marker) if self._marker else 0
        self._posts += 1
        self._last = time.monotonic_ns()
        self._first = self._first or self._last
        self._answer_waits()

    def control(self, verb: str, body: bytes, connection: Connection) -> None:
        """Carry out a command of the benchmark."""
        if verb.startswith("store/"):
            self.store[verb.removeprefix("store")] = body
            connection.answer(b"{}")
            return
        arguments: dict[str, Any] = json.loads(body or b"{}")
        if verb == "wait":
            self._waits.append((arguments["count"], arguments["posts"], connection))
            asyncio.get_running_loop().call_later(arguments["timeout"], self._give_up, connection)
            self._answer_waits()
            return
        if verb == "reset":
            self._clear(arguments["marker"])
            self.delay = arguments["delay"]
            self.hold = arguments["hold"]
        elif verb == "release":
            self.hold = False
            for held in self.held:
                held.write(ACCEPTED)
            self.held.clear()
        connection.answer(self._state())

    def _answer_waits(self) -> None:
        due = [wait for wait in self._waits if self._count >= wait[0] and self._posts >= wait[1]]
        for wait in due:
            self._waits.remove(wait)
            wait[2].answer(self._state())

    def _give_up(self, connection: Connection) -> None:
        waits = [wait for wait in self._waits if wait[2] is connection]
        if waits:
            self._waits = [wait for wait in self._waits if wait[2] is not connection]
            connection.answer(self._state())


class Connection(asyncio.Protocol):
    """One connection, kept alive."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note the transport."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  # asyncio's signature
        """Answer nothing any more."""
        self._transport = None
        if self in self._sink.held:
            self._sink.held.remove(self)

    def data_received(self, data: bytes) -> None:
        """Serve each request that is complete."""
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            first, *lines = self._buffer[:end].decode("latin-1").split("\r\n")
            headers = {
                name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)
            }
            whole = end + 4 + int(headers.get("content-length", "0"))
            if len(self._buffer) < whole:
                return
            body = bytes(self._buffer[end + 4 : whole])
            del self._buffer[:whole]
            method, path, _version = first.split(" ", 2)
            self._serve(method, path, headers, body)

    def _serve(self, method: str, path: str, headers: dict[str, str], body: bytes) -> None:
        sink = self._sink
        if path.startswith(PREFIX):
            sink.control(path.removeprefix(PREFIX), body, self)
        elif method == "POST":
            sink.deliver(body, headers.get("content-encoding", ""))
            if sink.hold:
                sink.held.append(self)
            elif sink.delay:
                asyncio.get_running_loop().call_later(sink.delay, self.write, ACCEPTED)
            else:
                self.write(ACCEPTED)
        elif path in sink.store:
            self.answer(sink.store[path])
        else:
            self.write(NOT_FOUND)

    def answer(self, body: bytes) -> None:
        """Answer 200."""
        head = f'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nETag: "1"\r\nContent-Length: {len(body)}\r\n\r\n'
        self.write(head.encode() + body)

    def write(self, data: bytes) -> None:
        """Send, unless the other side is gone."""
        if self._transport is not None:
            self._transport.write(data)


async def serve() -> None:
    """Serve until standard input ends: whoever started us has then ended."""
    loop = asyncio.get_running_loop()
    sink = Sink()
    server = await loop.create_server(lambda: Connection(sink), "127.0.0.1", 0, backlog=128)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    asyncio.run(serve())
