"""The JSON endpoints: what the page shows, for programs, and the stream that keeps the page up to date."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from ._emulator.faults import WHERES, fault_from
from ._project.attributes import parse_assignments
from ._project.edits import change_flag
from ._refusals import BadRequest, refusing, small_body
from ._view import decisions_view, flags_view, problems_view, state_of, update_view

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request

    from ._emulator.event_log import EventLog
    from ._emulator.faults import Faults
    from ._emulator.stopping import Stopping
    from ._emulator.store import ProjectStore
    from ._refusals import Endpoint, Refusal

TICK = 0.15
"""Seconds between two messages of a stream, at least."""
HEARTBEAT = 15.0
"""Seconds after which a stream says that it is still there."""


class Admin:
    """Everything under ``/api/``."""

    def __init__(self, store: ProjectStore, log: EventLog, faults: Faults, stopping: Stopping) -> None:
        self.store = store
        self.log = log
        self.faults = faults
        self.stopping = stopping

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route("/api/state", self.state, methods=["GET"]),
            Route("/api/flags/{key:path}", _reporting(self.change_flag), methods=["POST"]),
            Route("/api/decide", _reporting(self.decide), methods=["GET"]),
            Route("/api/faults", self.get_faults, methods=["GET"]),
            Route("/api/faults", _reporting(self.set_fault), methods=["POST"]),
            Route("/api/faults", self.clear_faults, methods=["DELETE"]),
            Route("/api/events", _reporting(self.events), methods=["GET"]),
            Route("/api/events", self.clear_events, methods=["DELETE"]),
            Route("/api/stream", self.stream, methods=["GET"]),
        ]

    async def state(self, _request: Request) -> Response:
        """Everything at once."""
        return JSONResponse(
            {
                "config": {
                    "version": self.store.version,
                    "path": None if self.store.path is None else str(self.store.path),
                    **problems_view(self.store),
                },
                "flags": [asdict(flag) for flag in flags_view(self.store, self.log)],
                "events": self.log.as_json(),
                "faults": self.faults.as_json(),
            }
        )

    async def change_flag(self, request: Request) -> Response:
        """Change a flag: ``{"running": true, "rule": "r", "traffic": 50, "split": {"a": 50, "b": 50}}``, any of it."""
        body = await _json_object(request, {"running", "rule", "traffic", "split"})
        running, split, rule = body.get("running"), body.get("split"), body.get("rule")
        if running is not None and not isinstance(running, bool):
            raise BadRequest("running must be true or false")
        if split is not None and not isinstance(split, dict):
            raise BadRequest("split must be an object of percentages by variation")
        if rule is not None and not isinstance(rule, str):
            raise BadRequest("rule must be text")
        key, traffic = request.path_params["key"], body.get("traffic")
        self.store.edit(
            lambda project: change_flag(project, key, running=running, traffic=traffic, split=split, rule=rule)
        )
        [flag] = [flag for flag in flags_view(self.store, self.log) if flag.key == key]
        return JSONResponse({"version": self.store.version, "flag": asdict(flag)})

    async def decide(self, request: Request) -> Response:
        """Say what a user gets: ``?user=ada&attr=plan=pro&attr=age:=30``, and why."""
        user = request.query_params.get("user")
        if not user:
            raise BadRequest("a user is needed: ?user=ada")
        attributes = parse_assignments(request.query_params.getlist("attr"))
        return JSONResponse({"user": user, "decisions": decisions_view(self.store, user, attributes)})

    async def get_faults(self, _request: Request) -> Response:
        """Say which faults there are."""
        return JSONResponse(self.faults.as_json())

    async def set_fault(self, request: Request) -> Response:
        """Set faults: ``{"config": {"kind": "status", "status": 503}, "events": null}``, either or both."""
        body = await _json_object(request, set(WHERES))
        faults = {where: None if data is None else fault_from(_object(where, data)) for where, data in body.items()}
        for where, fault in faults.items():
            self.faults.set(where, fault)
        return JSONResponse(self.faults.as_json())

    async def clear_faults(self, _request: Request) -> Response:
        """Take all faults away."""
        self.faults.clear()
        return JSONResponse(self.faults.as_json())

    async def events(self, request: Request) -> Response:
        """Return the events that are kept: ``?kind=exposure|conversion``."""
        kind = request.query_params.get("kind")
        if kind not in {None, "exposure", "conversion"}:
            raise BadRequest("kind is exposure or conversion")
        events = self.log.events(kind)  # type: ignore[arg-type]  # one of the two, by the line above
        return JSONResponse({"total": self.log.total, "refused": self.log.refused_total, "events": events})

    async def clear_events(self, _request: Request) -> Response:
        """Forget all events."""
        self.log.clear()
        return Response(status_code=204)

    async def stream(self, request: Request) -> Response:
        """Server-sent events: ``update`` with the counters and the newest events, ``project`` and ``faults``.

        ``project`` comes first on each connection, too: whoever was away, or has a page of before a restart, finds by
        its ``state`` whether that page is still right.
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


def _reporting(endpoint: Endpoint) -> Endpoint:
    """Answer with 4xx and a reason where the request was wrong."""
    return refusing(endpoint, _told)


def _told(refusal: Refusal) -> Response:
    details = {"problems": [asdict(problem) for problem in refusal.problems]} if refusal.problems else {}
    return JSONResponse({"error": refusal.reason, **details}, refusal.status)


async def _json_object(request: Request, known: set[str]) -> dict[str, Any]:
    try:
        body = json.loads(await small_body(request))
    except (UnicodeDecodeError, RecursionError, json.JSONDecodeError) as error:
        raise BadRequest(f"the body is not JSON: {error}") from None
    body = _object("the body", body)
    unknown = body.keys() - known
    if unknown:
        raise BadRequest(f"unknown: {', '.join(sorted(unknown))[:200]!r}; known are {', '.join(sorted(known))}")
    return body


def _object(name: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise BadRequest(f"{name} must be an object")
    return value
