"""Where Starlette keeps what the flags of a request need, and the client, which lives as long as the application runs.

State: ``_running`` counts the lifespans that are under way. The first one makes the client and the last one closes it;
they belong to one event loop. The closed client stays until the next start: requests that are not done by then can
still decide by it. One that comes after the last lifespan is told that there is none.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from anyio import from_thread
from starlette.requests import HTTPConnection

from signakit_flags.integration import Identity, Integration, LazyUserContext, cookie_values, new_visitor_id

from .account import account_id
from .user_dependency import GIVEN, Given

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from signakit_flags import SignaKitClient
    from signakit_flags.integration import Options, VisitorCookie

    from .scope import Attached

CLOSE_TIMEOUT: float = 2.0
"""Seconds that the end of the application waits for events to be sent, at most."""

NOT_STARTED: str = (
    "SignaKit is not running, as its lifespan did not run, or has ended. Pass lifespan=signakit.lifespan to the"
    " application, or signakit.lifespan_around(...) with a lifespan of your own. The lifespan of a mounted application"
    " does not run by itself: let the outermost one enter it. In tests, write `with TestClient(app) as client:`, which"
    " runs it."
)

_NO_COOKIE: str = "no visitor cookie without SignaKitMiddleware: pass middleware=signakit.middleware to the application"
_NO_COOKIE_HERE: str = (
    "no visitor cookie, as flags were first asked after the response has started, or by middleware outside of"
    " SignaKitMiddleware: add that one last, app.add_middleware(SignaKitMiddleware, signakit=signakit)"
)

SIGNAKIT: str = "signakit"
"""The key in a request's scope, of ``scope.Attached``, and in the lifespan's state, of the extension."""

logger: logging.Logger = logging.getLogger("signakit_fastapi")


class StarletteIntegration(Integration[HTTPConnection]):
    """The flags in Starlette, and so in FastAPI.

    Attributes:
        has_middleware: A ``SignaKitMiddleware`` was made, so that visitors can get their cookie.
    """

    logger = logger
    awaited_by = "await get_flags(request)"
    trusts_proxy_by = "have the server trust the proxy's headers, as uvicorn does with --proxy-headers"

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        self.has_middleware: bool = False
        self._running = 0
        self._started = False
        self._made: SignaKitClient | None = None

    # --- the client -------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Make the client, and wait for the config for ``ready_timeout`` seconds at most."""
        self._running += 1
        if self._running == 1:
            # It loads here and nowhere else: by itself it would do so in a thread.
            self.log_problems()
            self._made = self.options.make_client(may_load=lambda: False)
        self._started = True
        if self._made is not None:
            await self._made.on_ready(self.options.ready_timeout)

    async def stop(self) -> None:
        """Send what is queued and close the client, if this was the last one that runs."""
        self._running -= 1
        if self._running == 0 and self._made is not None:
            await self._made.aclose(CLOSE_TIMEOUT)

    def client(self) -> SignaKitClient | None:
        """Return the client, or None when the settings do not allow one.

        Raises:
            RuntimeError: The lifespan did not run.
        """
        if not self._started:
            raise RuntimeError(NOT_STARTED)
        return self._made

    def context(self, request: HTTPConnection) -> LazyUserContext:
        """Return the flags of a request. While no lifespan runs, the first question raises ``RuntimeError``."""
        if self._running or not self._started:
            return LazyUserContext(self, request)
        # As if there had never been one: by the old client exposures would be lost, and nobody would know.
        return LazyUserContext(StarletteIntegration(self.options), request)

    def existing_client(self) -> SignaKitClient | None:
        """Return the client, or None; None also where the lifespan did not run."""
        return self._made

    # --- what Starlette says ----------------------------------------------------------------------------------

    def user_agent(self, request: HTTPConnection) -> str | None:
        """Return the request's User-Agent, or None without one."""
        return request.headers.get("user-agent")

    def cookies(self, request: HTTPConnection, name: str) -> list[str]:
        """Return the values of all cookies of this name that the request has."""
        return cookie_values("; ".join(request.headers.getlist("cookie")), name)  # HTTP/2 splits the header

    def account(self, request: HTTPConnection) -> Identity | None:
        """Return the user of Starlette's ``AuthenticationMiddleware``, by ``identity`` or name; None without one."""
        user = request.scope.get("user")
        if user is None or not user.is_authenticated:
            return None
        user_id = account_id(user, self.report)
        return None if user_id is None else Identity(user_id)

    def new_visitor_id(self, request: HTTPConnection, cookie: VisitorCookie) -> str:
        """Return the id of a new visitor: the same for all integrations of this request whose cookies have one name."""
        attached: Attached | None = request.scope.get(SIGNAKIT)
        if attached is None:  # flags of `SignaKit.context`
            return new_visitor_id()
        return attached.new_visitors.setdefault(cookie.name, new_visitor_id())

    def resolve(self, request: HTTPConnection) -> Identity | None:
        """Return the user that ``flags_from`` names, else the one of ``identify``, else the account, else None."""
        return given(request) or super().resolve(request)

    async def aresolve(self, request: HTTPConnection) -> Identity | None:
        """Return the same, for async code."""
        return given(request) or await super().aresolve(request)

    def authenticated(self, request: HTTPConnection) -> tuple[object, ...]:
        """Return what ``AuthenticationMiddleware`` and ``flags_from`` leave in the scope."""
        return request.scope.get("user"), request.scope.get(GIVEN)

    def wait(self, found: Awaitable[Identity | None]) -> Identity | None:
        """Return what an async ``identify`` gives to a ``def`` endpoint, which runs in one of Starlette's threads."""
        begun = False

        async def awaited() -> Identity | None:
            nonlocal begun
            begun = True
            return await found

        try:
            return from_thread.run(awaited)
        except RuntimeError as error:
            if begun:  # of the application's own
                raise
            raise self.not_awaited(found) from error

    def report(self, subject: str, message: str, *arguments: object) -> None:
        """Log a problem, once for each subject and kind of error."""
        if subject == "sealed":
            message = _NO_COOKIE_HERE if self.has_middleware else _NO_COOKIE
        super().report(subject, message, *arguments)


def given(request: HTTPConnection) -> Identity | None:
    """Return the user of the dependency of ``flags_from``, or None.

    Raises:
        TypeError: It gave something that is not a user.
        Exception: What ``key`` or ``attributes`` raises.
    """
    found: Given | None = request.scope.get(GIVEN)
    return None if found is None else found.identity()
