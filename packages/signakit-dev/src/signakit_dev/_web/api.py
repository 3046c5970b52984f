"""The JSON endpoints: what the page shows and changes, for programs."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .._emulator.faults import WHERES, fault_from
from .._project.attributes import parse_assignments
from .._project.edits import change_flag
from .bodies import as_object, read_object
from .errors import BadRequestError, reporting_errors
from .views import decisions_view, flags_view, problems_view

if TYPE_CHECKING:
    from starlette.requests import Request

    from .._emulator.event_log import EventLog
    from .._emulator.faults import Faults
    from .._emulator.store import ProjectStore
    from .errors import Endpoint, ErrorReport


class Api:
    """Everything under ``/api/`` but the live stream."""

    def __init__(self, store: ProjectStore, log: EventLog, faults: Faults) -> None:
        self.store = store
        self.log = log
        self.faults = faults

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
        body = await read_object(request, {"running", "rule", "traffic", "split"})
        running, split, rule = body.get("running"), body.get("split"), body.get("rule")
        if running is not None and not isinstance(running, bool):
            raise BadRequestError("running must be true or false")
        if split is not None and not isinstance(split, dict):
            raise BadRequestError("split must be an object of percentages by variation")
        if rule is not None and not isinstance(rule, str):
            raise BadRequestError("rule must be text")
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
            raise BadRequestError("a user is needed: ?user=ada")
        attributes = parse_assignments(request.query_params.getlist("attr"))
        return JSONResponse({"user": user, "decisions": decisions_view(self.store, user, attributes)})

    async def get_faults(self, _request: Request) -> Response:
        """Say which faults there are."""
        return JSONResponse(self.faults.as_json())

    async def set_fault(self, request: Request) -> Response:
        """Set faults: ``{"config": {"kind": "status", "status": 503}, "events": null}``, either or both."""
        body = await read_object(request, set(WHERES))
        faults = {where: None if data is None else fault_from(as_object(where, data)) for where, data in body.items()}
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
            raise BadRequestError("kind is exposure or conversion")
        events = self.log.events(kind)  # type: ignore[arg-type]  # one of the two, by the line above
        return JSONResponse({"total": self.log.total, "refused": self.log.refused_total, "events": events})

    async def clear_events(self, _request: Request) -> Response:
        """Forget all events."""
        self.log.clear()
        return Response(status_code=204)


def _reporting(endpoint: Endpoint) -> Endpoint:
    """Answer with 4xx and a reason where the request was wrong."""
    return reporting_errors(endpoint, _error_answer)


def _error_answer(report: ErrorReport) -> Response:
    details = {"problems": [asdict(problem) for problem in report.problems]} if report.problems else {}
    return JSONResponse({"error": report.reason, **details}, report.status)
