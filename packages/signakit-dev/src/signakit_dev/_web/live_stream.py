"""The live stream: server-sent events that keep the page current.

Other threads count up the revisions of the store, the faults and the log. Each connection polls these revisions, and
keeps what it has sent in variables of its own.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from .views import state_of, update_view

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request

    from .._emulator.event_log import EventLog
    from .._emulator.faults import Faults
    from .._emulator.stopping import Stopping
    from .._emulator.store import ProjectStore

TICK = 0.15
"""Seconds between two messages of a stream, at least."""
HEARTBEAT = 15.0
"""Seconds after which a stream says that it is still there."""


class LiveStream:
    """The endpoint ``/api/stream``."""

    def __init__(self, store: ProjectStore, log: EventLog, faults: Faults, stopping: Stopping) -> None:
        self.store = store
        self.log = log
        self.faults = faults
        self.stopping = stopping

    def routes(self) -> list[Route]:
        """Return the route."""
        return [Route("/api/stream", self.stream, methods=["GET"])]

    async def stream(self, request: Request) -> Response:
        """Server-sent events: ``update`` with the counters and the newest events, ``project`` and ``faults``.

        ``project`` comes first on each connection, too. A page that was away, or that is of before a restart, finds by
        its ``state`` whether it is still right.
        """
        last = request.headers.get("last-event-id", request.query_params.get("after", ""))
        epoch, _, number = last.partition("-")
        seen = int(number) if number.isdecimal() and len(number) < 16 else 0
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(self._messages(epoch, seen), media_type="text/event-stream", headers=headers)

    async def _messages(self, epoch: str, seen: int) -> AsyncIterator[str]:
        """Say what changed, at most every ``TICK`` seconds: a thousand events make one message, not a thousand."""
        store, log, faults = self.store, self.log, self.faults
        known: dict[str, int] = {"project": -1, "faults": faults.revision, "update": -1}
        quiet_since = time.monotonic()
        yield "retry: 1000\n\n"
        while not self.stopping.is_set():
            now: dict[str, int] = {"project": store.revision, "faults": faults.revision, "update": log.revision}
            for name, revision in now.items():
                if revision == known[name]:
                    continue
                quiet_since = time.monotonic()
                if name == "update":
                    if epoch != log.epoch:  # the log was cleared, or another emulator is here now
                        epoch, seen = log.epoch, 0
                    update = update_view(store, log, epoch=epoch, after=seen)
                    seen = update["total"]
                    yield _message(name, update, number=f"{epoch}-{seen}")
                else:
                    yield _message(name, {"version": store.version, "state": state_of(store, faults)})
            known = now
            if time.monotonic() - quiet_since > HEARTBEAT:
                quiet_since = time.monotonic()
                yield ": still here\n\n"
            await self.stopping.wait(TICK)


def _message(name: str, data: Any, *, number: str | None = None) -> str:
    head = "" if number is None else f"id: {number}\n"
    return f"{head}event: {name}\ndata: {json.dumps(data, allow_nan=False)}\n\n"
