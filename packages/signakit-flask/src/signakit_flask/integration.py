"""Where Flask keeps what the flags of a request need."""

from __future__ import annotations

import logging
import sys
import weakref
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar, cast

from flask import Request, current_app, g, has_app_context, has_request_context, request

from signakit_flags.integration import Identity, Integration, LazyClient, cookie_values, parse_options

if TYPE_CHECKING:
    from collections.abc import Awaitable
    from contextlib import AbstractContextManager

    from flask import Flask

    from signakit_flags import SignaKitClient
    from signakit_flags.integration import IdentityResolver

ObjectT = TypeVar("ObjectT")

PREFIX = "SIGNAKIT_"
OWN_OPTIONS = ("load_in_tests",)

DISPATCHED = "_signakit_dispatched"
"""The attribute of a request that is dispatched."""

logger: logging.Logger = logging.getLogger("signakit_flask")


class FlaskIntegration(Integration[Request]):
    """The flags of one app. The client is made at once, which touches no network, and loads at the first question.

    Args:
        app: Its config is read now; only ``TESTING`` and ``SIGNAKIT_LOAD_IN_TESTS`` are read when they are needed.
        identify: Asked where the config names no function of its own.
    """

    logger = logger
    awaited_by = "await aflags()"
    trusts_proxy_by = "wrap app.wsgi_app in werkzeug's ProxyFix"

    def __init__(self, app: Flask, identify: IdentityResolver[Request]) -> None:
        options = parse_options(app.config.get_namespace(PREFIX), extra=OWN_OPTIONS, spell=spell)
        if options.identify is None:
            options = replace(options, identify=identify)
        super().__init__(options)
        # Not the app itself: one that refers to itself is not freed before the garbage collector looks at it.
        self._config = app.config
        self._weak_app = weakref.ref(app)
        super().client()  # makes it; the one below would load it, too

    def make_client(self) -> LazyClient | None:
        """Make the client of the app. Touches no network."""
        return self.options.make_client(may_load=self.may_load)

    def in_tests(self) -> bool:
        """Return whether the app is under test, or pytest runs one: ``TESTING`` is often set after ``init_app``."""
        return bool(self._config["TESTING"]) or super().in_tests()

    def may_load(self) -> bool:
        """Return whether the network may be used: not by tests, unless the config asks for it."""
        return not self._config["TESTING"] or bool(self._config.get(spell("load_in_tests")))

    def existing_client(self) -> SignaKitClient | None:
        """Return the client without loading it; None when the config does not allow one."""
        return super().client()

    def client(self) -> SignaKitClient | None:
        """Return the client for a question about a flag. The first question in a process waits for the config.

        Also in an async view: that has an event loop of its own, which serves no other request.
        """
        client = self.existing_client()
        if isinstance(client, LazyClient) and not client.is_ready:
            client.load()
        return client

    @property
    def _app(self) -> Flask:
        """The app, for a request: while one is served, something holds the app."""
        app = self._weak_app()
        if app is None:
            raise RuntimeError("the Flask app of these flags was freed; keep a reference to it")
        return app

    # --- what Flask says --------------------------------------------------------------------------------------

    def user_agent(self, request: Request) -> str | None:
        """Return the request's User-Agent, or None without one."""
        return request.headers.get("User-Agent")

    def cookies(self, request: Request, name: str) -> list[str]:
        """Return the values of all cookies of this name that the request has."""
        return cookie_values(request.headers.get("Cookie", ""), name)

    def can_set_cookie(self, request: Request) -> bool:
        """Return whether this request is dispatched, and so will have a response, and is not a WebSocket's.

        A message of Socket.IO and ``test_request_context`` push a request and never dispatch it. The handshake of a
        WebSocket is answered below Flask (flask-sock), without the headers of a response.
        """
        return DISPATCHED in vars(request) and request.headers.get("Upgrade", "").lower() != "websocket"

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
        elsewhere = has_app_context() and behind(current_app) is not self._app
        return self._app.app_context() if elsewhere else nullcontext()

    def account(self, request: Request) -> Identity | None:  # noqa: ARG002  # Flask-Login takes the current request
        """Return the user who is logged in by Flask-Login, which looks at the current request; None without it."""
        if "flask_login" not in sys.modules or not hasattr(self._app, "login_manager"):
            return None
        if not has_request_context():
            # Flask-Login knows nobody here. To take a user for an anonymous visitor would be worse than no flags.
            raise RuntimeError("who is logged in is known in the request's context alone: see stream_with_context")
        from flask_login import current_user  # only where the application uses it

        user_id: object = current_user.get_id() if current_user.is_authenticated else None
        return None if user_id is None else Identity(str(user_id))

    def authenticated(self, request: Request) -> tuple[object, ...]:  # noqa: ARG002  # as `account`
        """Return what Flask-Login and Flask-HTTPAuth keep: a login, and a view that authenticates, replace it."""
        return (g.get("_login_user"), g.get("flask_httpauth_user")) if has_app_context() else ()

    def wait(self, found: Awaitable[Identity | None]) -> Identity | None:
        """Return what an async ``identify`` gives to a sync view, on a loop as Flask makes one for an async view."""

        async def awaited() -> Identity | None:
            return await found

        identity: Identity | None = self._app.async_to_sync(awaited)()
        return identity


def mark_dispatched(_endpoint: str | None, _values: dict[str, Any] | None) -> None:
    """Note that the current request is dispatched; a ``url_value_preprocessor``.

    What runs earlier is answered as where no response follows: URL converters, receivers of ``request_started``, and
    preprocessors that were registered before. A receiver of our own would cost a request twice as much.
    """
    vars(behind(request))[DISPATCHED] = True


def spell(name: str) -> str:
    """Return an option as it stands in the config."""
    return f"{PREFIX}{name.upper()}"


def behind(proxy: ObjectT) -> ObjectT:
    """Return the object that one of Flask's proxies stands for here and now."""
    found: ObjectT = cast("Any", proxy)._get_current_object()  # noqa: SLF001  # Werkzeug documents this name
    return found
