"""The two things that an SDK asks of the service: its config, and to take its events."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import re
import time
from math import isinf
from typing import TYPE_CHECKING, Any, NoReturn

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from signakit_flags import parse_sdk_key

from ._events import check_event
from ._misbehaviour import Hung, Refused, Truncated

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request
    from starlette.types import Receive, Scope, Send

    from ._events import EventLog
    from ._faults import Fault, Faults
    from ._misbehaviour import Stopping
    from ._store import ProjectStore

logger = logging.getLogger("signakit_dev")

MAX_BODY = 1024 * 1024
LISTED = 20
"""Events of a post that an answer says the problems of: a post may hold half a million."""
_PART = re.compile(r"[A-Za-z0-9-]+")
_ENVIRONMENTS = {"development", "production"}


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


class Service:
    """CDN and event ingest."""

    def __init__(self, store: ProjectStore, log: EventLog, faults: Faults, stopping: Stopping) -> None:
        self.store = store
        self.log = log
        self.faults = faults
        self.stopping = stopping
        self.config_requests: int = 0
        self.configs_sent: int = 0

    def routes(self) -> list[Route]:
        """Return the routes of both."""
        return [
            Route("/configs/{org}/{project}/{environment}/latest.json", self.config, methods=["GET"]),
            Route("/v1/flag-events", self.take_events, methods=["POST"]),
        ]

    async def config(self, request: Request) -> Response:
        """Answer with the config, or that the client's is current."""
        self.config_requests += 1
        fault = self.faults.take("config")
        if fault is not None and fault.kind == "refuse":
            return Refused()
        usual = self._config(request)
        answer = await self._answered(fault, usual)
        if answer is usual and answer.status_code == 200:
            self.configs_sent += 1
        return answer

    def _config(self, request: Request) -> Response:
        org, project, environment = (request.path_params[name] for name in ("org", "project", "environment"))
        if not (_PART.fullmatch(org) and _PART.fullmatch(project) and environment in _ENVIRONMENTS):
            return JSONResponse({"error": "no such project or environment"}, 404)
        served = self.store.response(org, project, environment)
        headers = {"ETag": served.etag, "Cache-Control": "no-cache"}
        if _matches(request.headers.get("if-none-match"), served.etag):
            return Response(status_code=304, headers=headers)
        return Response(served.body, headers=headers, media_type="application/json")

    async def take_events(self, request: Request) -> Response:
        """Take a batch of events whole, or refuse it whole."""
        fault = self.faults.take("events")
        if fault is not None and fault.kind == "refuse":
            return Refused()
        try:
            body = await _body(request)
            if fault is not None and fault.kind in {"hang", "status"}:
                return await self._answered(fault, Response())
            events = _read_events(request, body)
        except PostError as error:
            self._refuse(error)
            kind = _BeforeTheEnd if error.status == 413 else JSONResponse
            return await self._answered(fault, kind({"error": error.reason, **error.details}, error.status))
        self.log.record(events, at=time.time())
        return await self._answered(fault, JSONResponse({"accepted": len(events)}))

    def _refuse(self, error: PostError) -> None:
        wrong = {None: "a post", 1: "an event"}.get(error.wrong, f"{error.wrong} events")
        what = f"{wrong} ({error.status})"
        self.log.refuse(what, error.problems, at=time.time())
        more = len(error.problems) - 3
        tail = f" and {more} more" if more > 0 else ""
        logger.warning("%s refused: %s%s", what, "; ".join(error.problems[:3]), tail)

    async def _answered(self, fault: Fault | None, usual: Response) -> Response:
        """Return the usual answer, or what the fault makes of it."""
        if fault is None:
            return usual
        match fault.kind:
            case "latency":
                await self.stopping.wait(fault.seconds or 0.0)
                return usual
            case "status":
                retry_after = {} if fault.retry_after is None else {"Retry-After": f"{fault.retry_after:g}"}
                if fault.status in {204, 304}:
                    return Response(status_code=fault.status, headers=retry_after)
                return JSONResponse({"error": "a fault that was asked for"}, fault.status, headers=retry_after)
            case "garbage":
                return Response(b'<!doctype html>\n{"flags": [', media_type="application/json")
            case "truncated":
                return Truncated(usual)
            case "hang":
                return Hung(self.stopping)
            case "refuse":
                return Refused()


class _BeforeTheEnd(JSONResponse):
    """Answers while the body is still coming, and then reads on for a while before it closes the connection.

    Closed at once, with something unread, the connection would be reset, and the client see that instead of the answer.
    """

    _MOST = 64 * MAX_BODY
    _LONGEST = 5.0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002  # the signature of ASGI
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


def _matches(header: str | None, etag: str) -> bool:
    if header is None:
        return False
    return header.strip() == "*" or etag in [tag.strip().removeprefix("W/") for tag in header.split(",")]


async def _body(request: Request) -> bytes:
    """Return the body; a longer one than allowed is not read to its end."""
    too_long = PostError(413, f"the body is over {MAX_BODY} bytes")
    length = request.headers.get("content-length", "0")
    if length.isdecimal() and len(length) < 20 and int(length) > MAX_BODY:
        raise too_long
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > MAX_BODY:
            raise too_long
        chunks.append(chunk)
    return b"".join(chunks)


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
