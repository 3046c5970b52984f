"""What a request is answered under a fault: late, wrong, cut off, or not at all (see ``Fault``)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse, Response

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from .faults import Fault
    from .stopping import Stopping

TRANSPORT = "signakit_dev.transport"
"""Among the extensions of a request's scope: the transport of its connection."""


async def apply_fault(fault: Fault | None, usual: Response, stopping: Stopping) -> Response:
    """Return the usual response, or what the fault makes of it."""
    if fault is None:
        return usual
    match fault.kind:
        case "latency":
            await stopping.wait(fault.seconds or 0.0)
            return usual
        case "status":
            retry_after = {} if fault.retry_after is None else {"Retry-After": f"{fault.retry_after:g}"}
            if fault.status in {204, 304}:
                return Response(status_code=fault.status, headers=retry_after)
            return JSONResponse({"error": "a fault that was asked for"}, fault.status, headers=retry_after)
        case "garbage":
            return Response(b'<!doctype html>\n{"flags": [', media_type="application/json")
        case "truncated":
            return TruncatedResponse(usual)
        case "hang":
            return HangingResponse(stopping)
        case "refuse":
            return ClosingResponse()


class ClosingResponse(Response):
    """Closes the connection without an answer."""

    async def __call__(self, scope: Scope, receive: Receive, _send: Send) -> None:
        """Close it."""
        _transport(scope).abort()
        await _gone(receive)


class HangingResponse(Response):
    """Never answers; it ends when the client leaves or the server stops."""

    def __init__(self, stopping: Stopping) -> None:
        super().__init__()
        self._stopping = stopping

    async def __call__(self, scope: Scope, receive: Receive, _send: Send) -> None:
        """Wait."""
        gone = asyncio.create_task(_gone(receive))
        while not gone.done() and not self._stopping.is_set():
            stopped = asyncio.create_task(self._stopping.wait(60))
            await asyncio.wait({gone, stopped}, return_when=asyncio.FIRST_COMPLETED)
            stopped.cancel()
        _transport(scope).abort()
        await gone


class TruncatedResponse(Response):
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
