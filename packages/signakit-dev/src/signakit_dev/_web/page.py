"""The page: rendered here, and its forms, which work without the script."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from .._emulator.faults import KINDS, WHERES, Fault
from .._project.attributes import parse_attributes
from .._project.edits import EditConflictError, change_flag
from .._project.sample import sdk_key_of
from .bodies import read_form
from .errors import BadRequestError, reporting_errors
from .views import decisions_view, feed_rows, flags_view, percent, problems_view, refusal_rows, sentence, state_of

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.routing import BaseRoute

    from .._emulator.event_log import EventLog
    from .._emulator.faults import Faults
    from .._emulator.store import ProjectStore
    from .errors import Endpoint, ErrorReport

_templates = Environment(
    loader=PackageLoader("signakit_dev._web"),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=StrictUndefined,
)
_templates.filters["percent"] = percent
_templates.filters["sentence"] = sentence


class Page:
    """The page at ``/``."""

    def __init__(self, store: ProjectStore, log: EventLog, faults: Faults, *, url: str) -> None:
        self.store = store
        self.log = log
        self.faults = faults
        self.url = url

    def routes(self) -> list[BaseRoute]:
        """Return the routes."""
        return [
            Route("/", self.show, methods=["GET"]),
            self._form("/flags", self.change_flag, "Not saved"),
            self._form("/faults", self.change_fault, "Not set"),
            self._form("/clear", self.clear, "Not cleared"),
            self._form("/dismiss", self.dismiss, "Not dismissed"),
            Route("/favicon.ico", _no_icon, methods=["GET"]),
            Mount("/static", StaticFiles(packages=[("signakit_dev._web", "static")])),
        ]

    def _form(self, path: str, take: Endpoint, failure: str) -> Route:
        return Route(path, reporting_errors(take, partial(self._error_page, failure)), methods=["POST"])

    async def show(self, request: Request) -> Response:
        """Show everything; ``?user=`` and ``&attributes=`` ask who gets what."""
        return self._rendered(
            user=request.query_params.get("user", ""), attributes=request.query_params.get("attributes", "")
        )

    async def change_flag(self, request: Request) -> Response:
        """Take a flag's form: whether it runs, or the traffic and split of a rule."""
        form = await read_form(request)
        split = {name.removeprefix("split."): value for name, value in form.items() if name.startswith("split.")}
        keys = [flag["key"] for flag in self.store.current.data["flags"]]
        key, rule = _meant(form.get("flag", ""), keys), form.get("rule")
        running = form["running"] == "true" if "running" in form else None
        traffic = _percent("traffic", form["traffic"]) if "traffic" in form else None
        shares = {name: _percent(name, value) for name, value in split.items()} or None
        try:
            self.store.edit(
                lambda project: change_flag(
                    project, key, running=running, traffic=traffic, split=shares, rule=rule, seen=form.get("seen")
                )
            )
        except EditConflictError as error:
            notice = f"Not saved: {error}. It stands here as it is now. You had entered {_entered(form)}."
            return self._rendered(error=notice, superseded=True, status=409)
        return _back(form)

    async def change_fault(self, request: Request) -> Response:
        """Take the form of a fault; the kind ``none`` takes it away."""
        form = await read_form(request)
        fault = None if form.get("kind") == "none" else _fault(form)
        self.faults.set(form.get("where", ""), fault)
        return _back(form)

    async def clear(self, request: Request) -> Response:
        """Forget all events."""
        form = await read_form(request)
        self.log.clear()
        return _back(form)

    async def dismiss(self, request: Request) -> Response:
        """Forget what was refused."""
        form = await read_form(request)
        self.log.dismiss_refused()
        return _back(form)

    def _error_page(self, failure: str, report: ErrorReport) -> Response:
        """Return the page with the error on it; whatever a form gets wrong is 422."""
        more = f". {report.problems[0]}" if report.problems else ""
        status = 422 if report.status in {400, 404} else report.status
        return self._rendered(error=f"{failure}: {report.reason}{more}.", status=status)

    def _rendered(
        self, *, user: str = "", attributes: str = "", error: str = "", superseded: bool = False, status: int = 200
    ) -> Response:
        answers: list[dict[str, Any]] | None = None
        question_error = ""
        if user:
            try:
                answers = decisions_view(self.store, user, parse_attributes(attributes))
            except (TypeError, ValueError) as wrong:
                question_error = str(wrong)
        html = _templates.get_template("page.html").render(
            state=state_of(self.store, self.faults),  # before the rest: what changes now is seen as a change
            epoch=self.log.epoch,
            url=self.url,
            sdk_key=sdk_key_of(self.store.current.data),
            path=self.store.path,
            version=self.store.version,
            flags=flags_view(self.store, self.log),
            total=self.log.total,
            refused_total=self.log.refused_total,
            feed=feed_rows(self.log),
            refusals=refusal_rows(self.log),
            faults={where: self.faults.get(where) for where in WHERES},
            kinds=KINDS,
            user=user,
            attributes=attributes,
            answers=answers,
            question_error=question_error,
            error=error,
            superseded=superseded,
            **problems_view(self.store),
        )
        return HTMLResponse(html, status, headers={"Cache-Control": "no-store"})


async def _no_icon(_request: Request) -> Response:
    return Response(status_code=204)


def _back(form: dict[str, str]) -> Response:
    anchor = form.get("anchor", "")
    return RedirectResponse(f"/#{anchor}" if anchor.isascii() and anchor.replace("-", "").isalnum() else "/", 303)


def _meant(posted: str, keys: list[str]) -> str:
    """Return which of the keys a form has posted: without the script, browsers write each line break as CR LF."""
    if posted in keys:
        return posted
    return next((key for key in keys if re.sub("\r\n|\r|\n", "\r\n", key) == posted), posted)


def _entered(form: dict[str, str]) -> str:
    """Repeat the fields of a flag's form that are entered, as they are."""
    fields = {
        name.removeprefix("split."): value for name, value in form.items() if name.startswith(("traffic", "split."))
    }
    return ", ".join(f"{name} {value} %" for name, value in fields.items())


def _percent(name: str, text: str) -> float:
    try:
        return float(text.replace(",", ".") or 0)
    except ValueError:
        raise BadRequestError(f"{name} must be a number, not {text[:40]!r}") from None


def _whole(name: str, text: str) -> float:
    """Read a whole number; what is none is refused by the fault itself, which knows what it takes."""
    number = _percent(name, text)
    return int(number) if number.is_integer() else number


def _fault(form: dict[str, str]) -> Fault:
    """Read a fault; of the fields, those that its kind has no use for are ignored."""
    kind = form.get("kind", "")
    details: dict[str, Any] = {}
    if kind == "latency":
        details["seconds"] = _percent("seconds", form.get("seconds", ""))
    if kind == "status":
        details["status"] = _whole("status", form.get("status", ""))
        if form.get("retry_after"):
            details["retry_after"] = _percent("retry_after", form["retry_after"])
    if form.get("times"):
        details["times"] = _whole("times", form["times"])
    return Fault(kind, **details)  # type: ignore[arg-type]  # `Fault` refuses an unknown kind
