"""The ingest: takes a post of events whole, or refuses it whole with what is wrong."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
from math import isinf
from typing import TYPE_CHECKING, Any, NoReturn

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from signakit_flags import parse_sdk_key

from .bounded_body import BodyTooLongError, check_declared_length, read_body
from .event_schema import check_event
from .fault_responses import ClosingResponse, apply_fault

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request
    from starlette.types import Receive, Scope, Send

    from .event_log import EventLog
    from .faults import Faults
    from .stopping import Stopping

logger = logging.getLogger("signakit_dev")

MAX_EVENTS_BODY = 1024 * 1024
"""Bytes of a post."""
LISTED = 20
"""Events of a post that an answer says the problems of: a post may hold half a million."""


class PostError(Exception):
    """A post that is not taken.

    Attributes:
        status: Answer to it.
        reason: Why.
        details: The same for a program.
        problems: What the page shows.
        wrong: How many of its events are wrong; None where it is the post itself.
    """

    def __init__(
        self,
        status: int,
        reason: str,
        *,
        problems: tuple[str, ...] = (),
        wrong: int | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.details = details or {}
        self.wrong = wrong
        self.problems = problems or (reason,)


class Ingest:
    """The endpoint of events."""

    def __init__(self, log: EventLog, faults: Faults, stopping: Stopping) -> None:
        self.log = log
        self.faults = faults
        self.stopping = stopping

    def routes(self) -> list[Route]:
        """Return the route."""
        return [Route("/v1/flag-events", self.take_events, methods=["POST"])]

    async def take_events(self, request: Request) -> Response:
        """Take a batch of events whole, or refuse it whole."""
        fault = self.faults.take("events")
        if fault is not None and fault.kind == "refuse":
            return ClosingResponse()
        try:
            body = await _body(request)
            if fault is not None and fault.kind in {"hang", "status"}:
                return await apply_fault(fault, Response(), self.stopping)
            events = _read_events(request, body)
        except PostError as error:
            self._refuse(error)
            kind = _EarlyResponse if error.status == 413 else JSONResponse
            return await apply_fault(fault, kind({"error": error.reason, **error.details}, error.status), self.stopping)
        self.log.record(events, at=time.time())
        return await apply_fault(fault, JSONResponse({"accepted": len(events)}), self.stopping)

    def _refuse(self, error: PostError) -> None:
        wrong = {None: "a post", 1: "an event"}.get(error.wrong, f"{error.wrong} events")
        what = f"{wrong} ({error.status})"
        self.log.refuse(what, error.problems, at=time.time())
        more = len(error.problems) - 3
        tail = f" and {more} more" if more > 0 else ""
        logger.warning("%s refused: %s%s", what, "; ".join(error.problems[:3]), tail)


class _EarlyResponse(JSONResponse):
    """Answers while the body is still coming, then reads on for a while before it closes the connection.

    A connection that is closed with unread data is reset, and the client would see the reset instead of the answer.
    """

    _MOST = 64 * MAX_EVENTS_BODY
    _LONGEST = 5.0

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        headers = [*self.raw_headers, (b"connection", b"close")]
        await send({"type": "http.response.start", "status": self.status_code, "headers": headers})
        await send({"type": "http.response.body", "body": self.body, "more_body": True})
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._LONGEST):
                size = 0
                while size < self._MOST:
                    message = await receive()
                    size += len(message.get("body", b""))
                    if message["type"] == "http.disconnect" or not message.get("more_body"):
                        break
        await send({"type": "http.response.body", "body": b""})


async def _body(request: Request) -> bytes:
    """Return the body. A body over ``MAX_EVENTS_BODY`` is not read to its end."""
    try:
        check_declared_length(request, limit=MAX_EVENTS_BODY)
        return await read_body(request, limit=MAX_EVENTS_BODY)
    except BodyTooLongError as error:
        raise PostError(413, str(error)) from None


def _read_events(request: Request, body: bytes) -> list[dict[str, Any]]:
    try:
        parse_sdk_key(request.headers.get("x-sdk-key"))
    except ValueError as error:
        raise PostError(401, f"X-SDK-Key: {error}") from None
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise PostError(415, "Content-Type must be application/json")
    document = _json(body)
    if not isinstance(document, dict) or not isinstance(document.get("events"), list):
        raise PostError(400, 'the body must be {"events": [...]}')
    events: list[dict[str, Any]] = document["events"]
    if not events:
        raise PostError(400, "the list of events is empty")
    wrong = [(index, problems) for index, event in enumerate(events) if (problems := check_event(event))]
    if wrong:
        raise PostError(
            400,
            f"{len(wrong)} of {len(events)} events are not in order; none was taken",
            problems=tuple(
                f"{_name(events[index])}: {problem}" for index, problems in wrong[:LISTED] for problem in problems
            ),
            wrong=len(wrong),
            details={
                "events": [{"index": index, "problems": problems} for index, problems in wrong[:LISTED]],
                "more": max(0, len(wrong) - LISTED),
            },
        )
    return events


def _name(event: Any) -> str:
    """Name an event for a reader."""
    key = event.get("eventKey") if isinstance(event, dict) else None
    user = event.get("userId") if isinstance(event, dict) else None
    return f"event {str(key)[:40]!r} of user {str(user)[:40]!r}"


def _json(body: bytes) -> Any:
    try:
        document = json.loads(body.decode(), parse_constant=_refuse_constant, parse_float=_finite)
        if b"\\u" in body:  # only an escape can smuggle half of a surrogate pair in
            json.dumps(document, ensure_ascii=False).encode()
    except UnicodeDecodeError as error:
        raise PostError(400, f"the body is not UTF-8: {error.reason}") from None
    except UnicodeEncodeError:
        raise PostError(400, "a text in the body holds half of a surrogate pair") from None
    except RecursionError:
        raise PostError(400, "the body is nested too deeply") from None
    except ValueError as error:
        raise PostError(400, f"the body is not JSON: {error}") from None
    return document


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number there")


def _finite(text: str) -> float:
    number = float(text)
    if isinf(number):
        raise ValueError(f"{text[:40]} is a number too large to be read")
    return number
