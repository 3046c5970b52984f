"""Where Flask keeps what the flags of a request need."""

from __future__ import annotations

import logging
import sys
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING

from flask import Request, current_app, has_app_context, has_request_context

from signakit_flags.integration import Identity, Integration, LazyClient, Options, is_visitor_id, parse_options

if TYPE_CHECKING:
    from collections.abc import Awaitable
    from contextlib import AbstractContextManager

    from flask import Flask

    from signakit_flags import SignaKitClient
    from signakit_flags.integration import IdentityResolver

PREFIX = "SIGNAKIT_"
OWN_OPTIONS = ("load_in_tests",)

logger: logging.Logger = logging.getLogger("signakit_flask")


class FlaskIntegration(Integration[Request]):
    """The flags of one app. The client is made at once, which touches no network, and loads at the first question.

    Args:
        app: Its config is read now; only ``TESTING`` and ``SIGNAKIT_LOAD_IN_TESTS`` are read when they are needed.
        identify: Asked where the config names no function of its own.
    """

    logger = logger
    awaited_by = "await aflags()"

    def __init__(self, app: Flask, identify: IdentityResolver[Request]) -> None:
        options = parse_options(app.config.get_namespace(PREFIX), extra=OWN_OPTIONS, spell=spell)
        if options.identify is None:
            options = replace(options, identify=identify)
        super().__init__(options)
        self._app = app
        self.made: LazyClient | None = self._make_client(options)

    def _make_client(self, options: Options) -> LazyClient | None:
        for problem in options.problems:
            unknown = problem.kind == "unknown"
            # Flask has no checks that a deployment would run: who reads the log has to see what to do.
            hint = "" if problem.hint is None else f" {problem.hint}"
            level = logging.WARNING if problem.kind in {"unknown", "missing key"} else logging.ERROR
            logger.log(level, "%s%s.%s", problem.message, "" if unknown else "; flags are off", hint)
        return replace(options, problems=()).make_client(may_load=self.may_load) if options.usable else None

    def may_load(self) -> bool:
        """Say whether the network may be touched: not by tests, unless the config asks for it."""
        return not self._app.testing or bool(self._app.config.get(spell("load_in_tests")))

    def client(self) -> SignaKitClient | None:
        """Return the client for a question about a flag: the first one in a process waits, others meanwhile with it.

        Also in an async view: that has an event loop of its own, on which nobody else is kept waiting.
        """
        client = self.made
        if client is not None and not client.is_ready:
            client.load()
        return client

    def ready_client(self) -> SignaKitClient | None:
        """Return the client if it has a config by now, without loading it; else None."""
        client = self.made
        return client if client is not None and client.is_ready else None

    # --- what Flask says --------------------------------------------------------------------------------------

    def user_agent(self, request: Request) -> str | None:
        """Return the request's User-Agent, or None without one."""
        return request.headers.get("User-Agent")

    def cookie(self, request: Request, name: str) -> str | None:
        """Return the value of a cookie of the request, or None without one."""
        # A browser sends all of that name, those of a parent domain, too: a stranger's must not hide ours.
        values = request.cookies.getlist(name)
        return next(filter(is_visitor_id, values), values[0] if values else None)

    def resolve(self, request: Request) -> Identity | None:
        """Return who asks, as the app of the request knows them: see ``Integration.resolve``."""
        with self._own_app():
            return super().resolve(request)

    async def aresolve(self, request: Request) -> Identity | None:
        """Return the same, for async code."""
        with self._own_app():
            return await super().aresolve(request)

    def _own_app(self) -> AbstractContextManager[object]:
        # Whoever pushes the context of another app in a view has that one's accounts and database as the current ones.
        elsewhere = has_app_context() and current_app._get_current_object() is not self._app  # type: ignore[attr-defined]  # noqa: SLF001  # a proxy
        return self._app.app_context() if elsewhere else nullcontext()

    def account(self, request: Request) -> Identity | None:  # noqa: ARG002  # Flask-Login takes the current request
        """Return the user who is logged in by Flask-Login, or None without it."""
        if "flask_login" not in sys.modules or not hasattr(self._app, "login_manager"):
            return None
        if not has_request_context():
            # Flask-Login knows nobody here. To take a user for an anonymous visitor would be worse than no flags.
            raise RuntimeError("who is logged in is known in the request's context alone: see stream_with_context")
        from flask_login import current_user  # only where the application uses it

        user_id: object = current_user.get_id() if current_user.is_authenticated else None
        return None if user_id is None else Identity(str(user_id))

    def wait(self, found: Awaitable[Identity | None]) -> Identity | None:
        """Return what an async ``identify`` gives to a sync view, on a loop as Flask makes one for an async view."""

        async def awaited() -> Identity | None:
            return await found

        identity: Identity | None = self._app.async_to_sync(awaited)()
        return identity


def spell(name: str) -> str:
    """Return an option as it stands in the config."""
    return f"{PREFIX}{name.upper()}"
