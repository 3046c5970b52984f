"""What a framework has to say about its requests, and what it gives to its users."""

from __future__ import annotations

import logging
import os
import sys
from typing import TYPE_CHECKING, Any, Generic

from .context import LazyUserContext
from .identity import Identity, IdentityNotAwaited, RequestT, aresolve, as_identity, resolve
from .visitor import new_visitor_id

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterable

    from .. import SignaKitClient
    from .._types import Attributes
    from .client import LazyClient
    from .identity import AnyIdentityResolver, UserId
    from .options import Options
    from .visitor import VisitorCookie


class Integration(Generic[RequestT]):
    """Binds the flags to one framework. Subclass it, and make one for the application.

    ``user_agent`` and ``cookies`` have to be defined; the rest has a meaning without accounts and without threads.

    Attributes:
        options: The settings.
        logger: Where problems are logged.
        awaited_by: What to write instead, in the error about an identity that has to be awaited.
        trusts_proxy_by: How the framework is told that a proxy served the request by https, in the warning about a
            cookie that browsers do not keep.
    """

    logger: logging.Logger = logging.getLogger("signakit_flags")
    awaited_by: str = "await request.aflags()"
    trusts_proxy_by: str = "have the framework trust the proxy's X-Forwarded-Proto"

    def __init__(self, options: Options) -> None:
        self._options = options
        self._client: list[SignaKitClient | None] = []
        self._said: set[str] = set()

    @property
    def options(self) -> Options:
        """The settings."""
        return self._options

    # --- the client -------------------------------------------------------------------------------------------

    def client(self) -> SignaKitClient | None:
        """Return the client, made at the first call; None when the settings do not allow one, and flags are off."""
        if not self._client:
            self.log_problems()
            # Made outside any lock, which a fork would copy: of two threads, both go on with the first one's client.
            self._client.append(self.make_client())
        return self._client[0]

    def make_client(self) -> LazyClient | None:
        """Make the client, for ``client``; None when the settings do not allow one. Touches no network."""
        return self.options.make_client()

    def log_problems(self) -> None:
        """Log what is wrong with the settings. A missing key is not worth a line in a test environment."""
        self.options.log_problems(self.logger, missing_key=not self.in_tests())

    def in_tests(self) -> bool:
        """Return whether pytest or ``python -m unittest`` runs tests, in which no key is needed.

        It decides about nothing but a line in the log: see ``may_load``. A subclass may know more.
        """
        main = getattr(sys.modules.get("__main__"), "__spec__", None)
        return "PYTEST_CURRENT_TEST" in os.environ or getattr(main, "name", None) == "unittest.__main__"

    def may_load(self) -> bool:
        """Return whether the network may be used.

        A framework that knows when it is under test defines it together with ``make_client``, which passes it on to the
        client.
        """
        return True

    def existing_client(self) -> SignaKitClient | None:
        """Return the client, made at the first call, without loading it; None as for ``client``. Never raises.

        To be defined together with ``client``, where that one loads or raises.
        """
        return self.client()

    def ready_client(self) -> SignaKitClient | None:
        """Return the client if it has a config by now, else None. Never loads, never raises.

        Asked in tests that force flags: they find their way without a client.
        """
        client = self.existing_client()
        return client if client is not None and client.is_ready else None

    # --- what a framework says --------------------------------------------------------------------------------

    def user_agent(self, request: RequestT) -> str | None:
        """Return the request's User-Agent, or None without one."""
        raise NotImplementedError

    def cookies(self, request: RequestT, name: str) -> Iterable[str]:
        """Return the values of all cookies of this name that the request has. See ``cookie_values``.

        A browser sends those of a parent domain, too. The first valid visitor id counts.
        """
        raise NotImplementedError

    def can_set_cookie(self, request: RequestT) -> bool:  # noqa: ARG002  # most frameworks need not look
        """Return whether the request will have a response that can set a cookie. Else new visitors have no user id.

        Not asked once the response has started: see ``LazyUserContext.start_response``.
        """
        return True

    def account(self, request: RequestT) -> Identity | None:  # noqa: ARG002  # a subclass that has accounts uses it
        """Return the user who is logged in, or None.

        Raises:
            IdentityNotAwaited: Finding out needs I/O, and the caller is on an event loop.
        """
        return None

    async def aaccount(self, request: RequestT) -> Identity | None:
        """Return the user who is logged in, or None, without blocking the event loop."""
        return self.account(request)

    def asked(self, request: RequestT) -> None:
        """Note that the response of a request depends on flags from now on: called at the first question.

        A framework that caches what a handler returns is told here. It may be called again.
        """

    def authenticated(self, request: RequestT) -> tuple[object, ...]:  # noqa: ARG002  # as above
        """Return the objects by which the request knows who is logged in; at no cost, and without loading anything.

        When one is replaced after ``LazyUserContext.resolve``, as by a login or by a view that authenticates, the next
        question finds out anew who asks.
        """
        return ()

    def wait(self, found: Awaitable[Identity | None]) -> Identity | None:
        """Return what an async ``identify`` gives to sync code, which is not on an event loop.

        Raises:
            IdentityNotAwaited: This framework has no such way.
        """
        raise self.not_awaited(found)

    async def in_thread(self, identify: AnyIdentityResolver[RequestT], request: RequestT) -> Any:
        """Call an ``identify`` that does not await, for async code: on the loop, unless a framework knows better."""
        return identify(request)

    def new_visitor_id(self, request: RequestT, cookie: VisitorCookie) -> str:  # noqa: ARG002  # for a subclass
        """Return the id of a new visitor.

        A framework in which several integrations may serve one request returns the same id for the same name of a
        cookie: a browser keeps one cookie of a name.

        Args:
            request: The request, which has no valid visitor id.
            cookie: Sets the id.
        """
        return new_visitor_id()

    # --- who a request is from: see `identity` ----------------------------------------------------------------------

    def resolve(self, request: RequestT) -> Identity | None:
        """Return the user that ``identify`` names, else the account, else None.

        Raises:
            IdentityNotAwaited: The answer has to be awaited, and the caller is on an event loop.
            Exception: What ``identify`` raises, or ``TypeError`` for what it returns.
        """
        return resolve(self, request)

    async def aresolve(self, request: RequestT) -> Identity | None:
        """Return the same, for async code.

        Raises:
            Exception: What ``identify`` raises, or ``TypeError`` for what it returns.
        """
        return await aresolve(self, request)

    def not_awaited(self, found: object = None) -> IdentityNotAwaited:
        """Return the error to raise; ``found``, which nobody will await, is closed."""
        close = getattr(found, "close", None)
        if close is not None:
            close()
        return IdentityNotAwaited(
            f"the user of this request has to be awaited: call `{self.awaited_by}` before asking for flags"
        )

    # --- what users get ---------------------------------------------------------------------------------------

    def context(self, request: RequestT) -> LazyUserContext:
        """Return the flags of a request. Costs nothing to speak of until they are asked."""
        return LazyUserContext(self, request)

    def user(self, identity: Identity | None) -> LazyUserContext:
        """Return the flags of a user outside any request: in a task, in a command. With None, flags give defaults."""
        return LazyUserContext.of(self, identity)

    def flags_for(self, user: UserId | Identity | None, attributes: Attributes | None = None) -> LazyUserContext:
        """Return the same, for an ``Identity``, or for a user id with attributes.

        Raises:
            TypeError: ``user`` has another type, ``attributes`` is not a mapping, or both bring attributes.
        """
        return self.user(as_identity(user, attributes))

    def report(self, subject: str, message: str, *arguments: object) -> None:
        """Log a problem, once for each subject and kind of error: at ERROR with an exception, else at WARNING."""
        error = next((argument for argument in arguments if isinstance(argument, BaseException)), None)
        key = f"{subject} {type(error).__qualname__}"
        if key not in self._said:
            self._said.add(key)
            level = logging.WARNING if error is None else logging.ERROR
            self.logger.log(level, message, *arguments, exc_info=error)
