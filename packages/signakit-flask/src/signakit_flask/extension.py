"""The extension."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, TypeVar

from signakit_flags.integration import conceal

from . import views
from .cli import commands
from .integration import FlaskIntegration, mark_dispatched, spell
from .proxy import finish
from .state import NAME, SignaKitState, state_of
from .templating import install

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flask import Flask, Request, Response

    from signakit_flags import SignaKitClient, SignaKitUserContext
    from signakit_flags.integration import AnyIdentityResolver, Identity, UserId

ResolverT = TypeVar("ResolverT", bound="AnyIdentityResolver[Request]")


class SignaKit:
    """Feature flags for Flask apps: ``SignaKit(app)``, or ``SignaKit()`` and ``init_app`` in a factory.

    It holds nothing of an app, so one may serve several: each has a client of its own. Reads the config keys
    ``SIGNAKIT_*`` of the app, and touches no network: the client begins to load when a request first asks for a flag.

    Args:
        app: Passed on to ``init_app``.
    """

    def __init__(self, app: Flask | None = None) -> None:
        self._resolver: AnyIdentityResolver[Request] | None = None
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Give an app its flags. Its config has to be there by now; what is wrong with it is logged, flags are off.

        Raises:
            RuntimeError: The app has a SignaKit already.
        """
        if NAME in app.extensions:
            raise RuntimeError("this app has a SignaKit already: call init_app once for each app")
        defaults: dict[str, Any] = {
            "sdk_key": conceal(os.environ.get("SIGNAKIT_SDK_KEY")),
            "visitor_cookie": {},
            "load_in_tests": False,
        }
        for option, value in defaults.items():
            app.config.setdefault(spell(option), value)
        app.extensions[NAME] = SignaKitState(FlaskIntegration(app, self._identified))
        app.url_value_preprocessor(mark_dispatched)
        app.after_request(finish)
        install(app)
        app.cli.add_command(commands)

    def identify(self, resolver: ResolverT) -> ResolverT:
        """Register the function that says who a request is from; a decorator. The last one registered counts.

        It takes the request and returns an ``Identity`` or None, which leaves it to Flask-Login's account, then to the
        visitor cookie. It may be a coroutine function; async views then begin with ``await aflags()``. A function named
        by ``SIGNAKIT_IDENTIFY`` goes before.

        Raises:
            TypeError: It is no function.
        """
        if not callable(resolver):
            raise TypeError(f"identify decorates a function, not {type(resolver).__name__}")
        self._resolver = resolver
        return resolver

    def _identified(self, request: Request, /) -> Any:
        # What it returns, an awaitable included, is looked at by whoever asks.
        return None if self._resolver is None else self._resolver(request)

    @property
    def client(self) -> SignaKitClient | None:
        """The client of the current app, for commands, tasks and whatever else is no request.

        None when the config does not allow one, and flags are off. Raises Flask's ``RuntimeError`` outside of an app
        context; ``app.extensions["signakit"].client`` needs none.
        """
        return state_of().client

    def flags_for(
        self, user: UserId | Identity | None, attributes: Mapping[str, Any] | None = None
    ) -> SignaKitUserContext:
        """Return the flags of a user outside of requests: in a command, a task, a thread with an app context.

        Args:
            user: The user id, as in requests; with Flask-Login, ``get_id()``. An int or a UUID becomes text. Or an
                ``Identity``; or None, which means no user: None and defaults.
            attributes: Matched against audience rules. The User-Agent of a request is not known here.

        Returns:
            The context, never None. While there is no config it gives None and defaults. The first question in a
            process waits for the config, for ``SIGNAKIT_READY_TIMEOUT`` seconds at most.

        Raises:
            RuntimeError: There is no app context.
            TypeError: ``user`` has another type, ``attributes`` is not a mapping, or both bring attributes.
        """
        return state_of().flags_for(user, attributes)

    def health(self) -> Response:
        """Return the client's status; a view. See ``blueprint``."""
        return views.health()
