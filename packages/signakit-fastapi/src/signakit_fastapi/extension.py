"""``SignaKit``: what an application makes once, next to the application itself."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar, overload

from starlette.middleware import Middleware
from starlette.requests import HTTPConnection

from signakit_flags import SignaKitUserContext
from signakit_flags.integration import VisitorCookie, conceal, parse_options

from .integration import SIGNAKIT, StarletteIntegration
from .middleware import SignaKitMiddleware
from .openapi import document_refusals
from .scope import flags_of_user
from .user_dependency import Given, as_depends

if TYPE_CHECKING:
    import os
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
    from types import TracebackType
    from typing import NotRequired, Self, Unpack

    import httpx

    from signakit_flags import SignaKitClient
    from signakit_flags.integration import (
        AnyIdentityResolver,
        AsyncSnapshotStore,
        Identity,
        LazyUserContext,
        SnapshotStore,
        UserId,
    )

    from .user_dependency import AttributesOf, FlagsDependency, Key, UserDependency

AppT = TypeVar("AppT")
T = TypeVar("T")


class ClientOptions(TypedDict, total=False):
    """Keywords of ``SignaKitClient``, each of which ``SignaKit`` takes as well."""

    events_url: str | None
    cdn_url: str | None
    async_client: httpx.AsyncClient | None
    sync_client: httpx.Client | None
    polling_interval: float
    timeout: float
    max_batch_size: int | None
    flush_interval: float
    max_queue_size: int
    max_config_size: int
    snapshot_path: str | os.PathLike[str] | None
    snapshot_store: SnapshotStore | AsyncSnapshotStore | None
    bot_detector: Callable[[str], bool] | None


class LifespanState(TypedDict):
    """What the lifespan adds to the application's state, and a request's state has besides.

    Attributes:
        signakit: The extension.
        flags: This request's user context.
    """

    signakit: SignaKit
    flags: NotRequired[SignaKitUserContext]


class SignaKit:
    """Feature flags of a FastAPI or Starlette application.

    Making one touches no network; the lifespan makes the client, waits for the config, and at the end sends what is
    queued. Polling and sending are tasks of the application's event loop: no thread of its own is started. What is
    wrong with the settings is logged at the start, flags are off, and the application works.

    Args:
        sdk_key: The key; without it, ``SIGNAKIT_SDK_KEY`` of the environment.
        identify: Says who a request is from: a function from the connection to an ``Identity`` or None, sync or async.
            A sync one runs on the event loop, and must not wait there. What it returns None for is left to the user of
            Starlette's ``AuthenticationMiddleware``, then to the visitor cookie.
        visitor_cookie: How visitors without an account are known again; None switches the cookie off.
        ready_timeout: Seconds that the start waits for the config, at most.
        client: Keywords of ``SignaKitClient``.
    """

    def __init__(
        self,
        sdk_key: str | None = None,
        *,
        identify: AnyIdentityResolver[HTTPConnection] | None = None,
        visitor_cookie: VisitorCookie | Mapping[str, Any] | None = VisitorCookie(),
        ready_timeout: float = 2.0,
        **client: Unpack[ClientOptions],
    ) -> None:
        sdk_key = conceal(sdk_key)  # error trackers print local variables
        given = {"sdk_key": sdk_key, "identify": identify, "visitor_cookie": visitor_cookie}
        options = parse_options({**given, "ready_timeout": ready_timeout, **client})
        self.integration: StarletteIntegration = StarletteIntegration(options)

    # --- the application --------------------------------------------------------------------------------------

    @asynccontextmanager
    async def lifespan(self, app: Any) -> AsyncIterator[LifespanState]:
        """Run for as long as the application does: ``FastAPI(lifespan=signakit.lifespan)``.

        A lifespan of your own may enter it, ``async with signakit.lifespan(app) as state``, and yield what it gives
        along with its own state; or see ``lifespan_around``. Mounted applications need none of their own.

        Args:
            app: The application.
        """
        document_refusals(app)
        async with self:
            yield {"signakit": self}

    def lifespan_around(
        self, own: Callable[[AppT], AbstractAsyncContextManager[Mapping[str, Any] | None]]
    ) -> Callable[[AppT], AbstractAsyncContextManager[dict[str, Any]]]:
        """Return a lifespan that runs ``own`` within this one, with the state of both.

        Flags can be asked while ``own`` starts and ends.

        Args:
            own: The application's own lifespan. Its state may have neither the key ``"signakit"`` nor ``"flags"``, that
                of each request's flags: the start raises ``RuntimeError``.
        """

        @asynccontextmanager
        async def lifespan(app: AppT) -> AsyncIterator[dict[str, Any]]:
            async with self.lifespan(app) as ours, own(app) as theirs:
                state = dict(theirs or {})
                for name in (SIGNAKIT, "flags"):
                    if state.get(name, self) is not self:
                        raise RuntimeError(f"the state of the application's lifespan has a key {name!r} of its own")
                yield {**state, **ours}

        return lifespan

    async def __aenter__(self) -> Self:
        """Start, as the lifespan does: for workers and scripts that are no web application."""
        try:
            await self.integration.start()
        except BaseException:  # cancelled
            await self.integration.stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Send what is queued, and end."""
        await self.integration.stop()

    @property
    def middleware(self) -> list[Middleware]:
        """The middleware, for ``FastAPI(middleware=signakit.middleware)``; a new list."""
        return [Middleware(SignaKitMiddleware, signakit=self)]

    # --- what can be asked ------------------------------------------------------------------------------------

    @property
    def client(self) -> SignaKitClient | None:
        """The client; None when the settings do not allow one, and flags are off.

        Raises:
            RuntimeError: The lifespan did not run.
        """
        return self.integration.client()

    def context(self, scope: Any) -> LazyUserContext:
        """Return new flags for a request, by its ASGI scope. What the middleware does; for frameworks without it."""
        return self.integration.context(HTTPConnection(scope))

    def flags_for(
        self, user: UserId | Identity | None, attributes: Mapping[str, Any] | None = None
    ) -> SignaKitUserContext:
        """Return the flags of a user outside of requests: in a task or a scheduled job.

        Args:
            user: The user id; an int or a UUID becomes text. Or an ``Identity``; or None, which means no user: None and
                defaults.
            attributes: Matched against audience rules. The User-Agent of a request is not known here.

        Returns:
            The context, never None. While there is no config it gives None and defaults.

        Raises:
            TypeError: ``user`` has another type, ``attributes`` is not a mapping, or both bring attributes.
        """
        return self.integration.flags_for(user, attributes)

    @overload
    def flags_from(
        self, dependency: UserDependency, *, key: None = None, attributes: AttributesOf[Any] | None = None
    ) -> FlagsDependency: ...
    @overload
    def flags_from(
        self,
        dependency: Callable[..., AsyncIterator[T | None]],
        *,
        key: Key[T],
        attributes: AttributesOf[T] | None = None,
    ) -> FlagsDependency: ...
    @overload
    def flags_from(
        self,
        dependency: Callable[..., Awaitable[T | None]],
        *,
        key: Key[T],
        attributes: AttributesOf[T] | None = None,
    ) -> FlagsDependency: ...
    @overload
    def flags_from(
        self,
        dependency: Callable[..., Iterator[T | None]],
        *,
        key: Key[T],
        attributes: AttributesOf[T] | None = None,
    ) -> FlagsDependency: ...
    @overload
    def flags_from(
        self, dependency: Callable[..., T | None], *, key: Key[T], attributes: AttributesOf[T] | None = None
    ) -> FlagsDependency: ...
    def flags_from(
        self, dependency: Any, *, key: Key[Any] | None = None, attributes: AttributesOf[Any] | None = None
    ) -> FlagsDependency:
        """Return a flags dependency, in which a dependency of the application's says who asks.

        Its own dependencies, its parameters in the OpenAPI document and the errors that it raises stay as they are::

            user_flags = signakit.flags_from(
                get_current_user, key=lambda user: user.id, attributes=lambda user: {"plan": user.plan}
            )
            UserFlags = Annotated[SignaKitUserContext, Depends(user_flags)]

        From then on ``Flags`` and ``request.state.flags`` are the same user's. Flags that were asked earlier in this
        request, as a visitor's, stay what they were.

        `key` and `attributes` run on the event loop, and must not wait there. What they raise is logged once, and flags
        are off for the request.

        Args:
            dependency: What ``Depends`` takes: a function, a generator, a class or a callable object, sync or async. Or
                a ``Depends`` or ``Security`` itself, or a type annotated with one. It gives a user, or None, which
                leaves it to ``identify``, then to the account, then to the visitor.
            key: Returns the user id of what the dependency gives: text, an int or a UUID. None leaves it to
                ``identify`` and so on. Without `key` the dependency gives an ``Identity`` or a user id. Anything else
                is logged once, and flags are off for the request.
            attributes: Returns the attributes of what the dependency gives, matched against audience rules; they are
                added to those of an ``Identity``.

        Raises:
            TypeError: `dependency` is not a dependency, or `key` or `attributes` cannot be called.
        """
        for name, function in {"key": key, "attributes": attributes}.items():
            if function is not None and not callable(function):
                raise TypeError(f"{name} must be a function, not {type(function).__name__}")

        depends = as_depends(dependency)

        async def get_flags_from(connection: HTTPConnection, found: Any = depends) -> SignaKitUserContext:
            return await flags_of_user(connection.scope, None if found is None else Given(found, key, attributes))

        return get_flags_from
