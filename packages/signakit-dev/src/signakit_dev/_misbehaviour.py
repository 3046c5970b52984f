"""Answers that are none, made at the socket (see ``Fault`` for what each is)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

TRANSPORT = "signakit_dev.transport"
"""Among the extensions of a request's scope: the transport of its connection."""


class Stopping:
    """Becomes set when the server is about to stop: whoever waits for a client has to let go."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def set(self) -> None:
        """Say that the server stops. In its loop only."""
        self._event.set()

    def is_set(self) -> bool:
        """Say whether the server stops."""
        return self._event.is_set()

    async def wait(self, seconds: float) -> bool:
        """Wait so long, or shorter when the server stops; say whether it does."""
        try:
            await asyncio.wait_for(self._event.wait(), seconds)
        except TimeoutError:
            return False
        return True


class Refused(Response):
    """Closes the connection without an answer."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002  # sends nothing
        """Close it."""
        _transport(scope).abort()
        await _gone(receive)


class Hung(Response):
    """Never answers; the client leaves, or the server stops."""

    def __init__(self, stopping: Stopping) -> None:
        super().__init__()
        self._stopping = stopping

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002  # as above
        """Wait."""
        gone = asyncio.create_task(_gone(receive))
        while not gone.done() and not self._stopping.is_set():
            stopped = asyncio.create_task(self._stopping.wait(60))
            await asyncio.wait({gone, stopped}, return_when=asyncio.FIRST_COMPLETED)
            stopped.cancel()
        _transport(scope).abort()
        await gone


class Truncated(Response):
    """Promises the whole of another response, and breaks off in the middle of its body."""

    def __init__(self, whole: Response) -> None:
        super().__init__()
        self._whole = whole

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send a part of it."""
        body = bytes(self._whole.body)
        await send(
            {"type": "http.response.start", "status": self._whole.status_code, "headers": self._whole.raw_headers}
        )
        await send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
        _transport(scope).close()
        await _gone(receive)


def _transport(scope: Scope) -> Any:
    return scope["extensions"][TRANSPORT]


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
