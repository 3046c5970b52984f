"""Where Django keeps what the flags of a request need."""

from __future__ import annotations

import logging
import sys
from types import NoneType
from typing import TYPE_CHECKING, Any
from uuid import UUID

from asgiref.sync import async_to_sync, sync_to_async
from django.core.cache import caches
from django.core.exceptions import SynchronousOnlyOperation
from django.http import HttpRequest
from django.utils.functional import LazyObject

from signakit_flags.integration import (
    AnyIdentityResolver,
    Identity,
    IdentityNotAwaited,
    Integration,
    LazyClient,
    cookie_values,
    loop_is_running,
)

from .caching import withhold

if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping

    from signakit_flags.integration import LazyUserContext

logger: logging.Logger = logging.getLogger("signakit_django")


UNANSWERED = "_signakit_unanswered"
"""On a request: its flags, if they were made where the middleware has not run."""


class DjangoIntegration(Integration[HttpRequest]):
    """The flags in Django."""

    logger = logger
    trusts_proxy_by = "set SECURE_PROXY_SSL_HEADER"

    def make_client(self) -> LazyClient | None:
        """Make the client of this process. Touches no network."""
        options = self.options
        alias = options.extra.get("snapshot_cache")
        more: dict[str, Any] = {}
        if alias is not None and options.usable:
            more["snapshot_store"] = CacheSnapshotStore(alias)
        return options.make_client(may_load=self.may_load, **more)

    def may_load(self) -> bool:
        """Say whether the network may be touched: not by tests, unless the settings ask for it."""
        return not in_test_environment() or bool(self.options.extra.get("load_in_tests"))

    def in_tests(self) -> bool:
        """Return whether ``setup_test_environment()`` is in force, or pytest runs a test."""
        return in_test_environment() or super().in_tests()

    def flags_for(self, user: Any, attributes: Mapping[str, Any] | None = None) -> LazyUserContext:
        """Return the flags of a user of Django's, of an identity or of a user id. See ``signakit_django.flags_for``."""
        if is_user(user):
            return self.user(identity_of(user, attributes))
        if not isinstance(user, (str, int, UUID, Identity, NoneType)):
            kind = type(user).__name__
            raise TypeError(f"user must be a user of Django's, an Identity, an id or None, not {kind}")
        return super().flags_for(user, attributes)

    async def aflags_for(self, user: Any, attributes: Mapping[str, Any] | None = None) -> LazyUserContext:
        """Return the same for async code, when the client has begun to load."""
        flags = self.user(await aidentity_of(user, attributes)) if is_user(user) else self.flags_for(user, attributes)
        if flags.user_id:
            await self.astart()
        return flags

    def start(self) -> None:
        """Begin to load, and wait for the config up to ``READY_TIMEOUT`` seconds. Never raises."""
        client = self.client()
        if isinstance(client, LazyClient):
            client.load()

    async def astart(self) -> None:
        """Do the same in async code, which goes on meanwhile."""
        client = self.client()
        if isinstance(client, LazyClient) and not client.is_ready:
            # In a thread, as the one of `start`: the loop that asks first may end with its request or its task.
            await sync_to_async(client.load, thread_sensitive=False)()

    # --- what Django says -------------------------------------------------------------------------------------

    def user_agent(self, request: HttpRequest) -> str | None:
        """Return the request's User-Agent, or None without one."""
        user_agent = request.META.get("HTTP_USER_AGENT")
        return user_agent if isinstance(user_agent, str) else None

    def cookies(self, request: HttpRequest, name: str) -> list[str]:
        """Return the values of all cookies of this name that the request has."""
        last = request.COOKIES.get(name)
        if last is None:  # also where a middleware has taken it out
            return []
        header = request.META.get("HTTP_COOKIE")
        values = cookie_values(header, name) if isinstance(header, str) else []
        return values if last in values else [last]  # or one that a middleware has put there

    def can_set_cookie(self, request: HttpRequest) -> bool:
        """Return False for flags that were made where the middleware has not run."""
        return request.__dict__.get(UNANSWERED) is not request.__dict__.get("flags", request)

    def resolve(self, request: HttpRequest) -> Identity | None:
        """Return whom ``IDENTIFY`` names, else the account, else None, for sync code."""
        try:
            return super().resolve(request)
        except SynchronousOnlyOperation as error:
            if not loop_is_running():
                raise  # of an async IDENTIFY, asked by a sync view: its own mistake, like any other
            # A sync IDENTIFY that reads the database, on the event loop: `aflags` calls it in a thread.
            raise self.not_awaited() from error

    def account(self, request: HttpRequest) -> Identity | None:
        """Return the user who is logged in, or None."""
        user = _user_of(request)
        if isinstance(user, LazyObject) and loop_is_running():
            # For everyone, not only for those with a session: the mistake shall show at the first request.
            raise self.not_awaited()
        return identity_of(user)

    async def aaccount(self, request: HttpRequest) -> Identity | None:
        """Return the user who is logged in, or None."""
        user = _user_of(request)
        if not isinstance(user, LazyObject):
            return identity_of(user)  # put there by a middleware of the project's, or none
        auser = getattr(request, "auser", None)
        if auser is None or (_is_of_django(auser) and not _is_of_django(vars(user).get("_setupfunc"))):
            # A middleware of the project's has replaced `user` alone: `auser` still means the session, another account.
            return await aidentity_of(user)
        return identity_of(await auser())

    def asked(self, request: HttpRequest) -> None:
        """Have the caches between the middleware and the view store nothing of this request."""
        withhold(request)

    def authenticated(self, request: HttpRequest) -> tuple[object, ...]:
        """Return ``request.user`` and ``request.auth``: a login, and a view that authenticates, replace them."""
        return request.__dict__.get("user"), request.__dict__.get("auth")

    def wait(self, found: Awaitable[Identity | None]) -> Identity | None:
        """Return what an async ``IDENTIFY`` gives to a sync view; it runs on the request's loop, if there is one."""

        async def awaited() -> Identity | None:
            return await found

        try:
            return async_to_sync(awaited)()
        except IdentityNotAwaited as error:
            # Advice to await would reach a view that cannot.
            raise RecursionError("IDENTIFY asks for the flags that it is asked for") from error

    async def in_thread(self, identify: AnyIdentityResolver[HttpRequest], request: HttpRequest) -> Any:
        """Call a sync ``IDENTIFY`` where it may use the database and the session."""
        return await sync_to_async(identify, thread_sensitive=True)(request)


def _user_of(request: HttpRequest) -> Any:
    """Return the user that was authenticated last, lazy or not; None without one."""
    user = getattr(request, "user", None)
    if user is not None and not isinstance(user, LazyObject):
        return user  # put there by a middleware of the project's, or by REST framework, in which `auth` is a token
    # django-ninja puts there what its `auth=` returns: a user, or something else. A lazy object is a middleware's, and
    # only loading it would tell what it stands for.
    auth = getattr(request, "auth", None)
    return auth if is_user(auth) and not isinstance(auth, LazyObject) else user


def is_user(value: object) -> bool:
    """Return whether a value is one of Django's users, or stands for one; without loading it if it is lazy."""
    return isinstance(value, LazyObject) or (hasattr(value, "is_authenticated") and hasattr(value, "pk"))


def _is_of_django(function: Any) -> bool:
    """Return whether a function is one by which ``AuthenticationMiddleware`` finds out who is logged in."""
    # By the module that it is written in: the middleware makes a new one for each request, and so do its subclasses.
    # Django names no other sign. Should this one get lost, users are loaded in a thread: slower, and still right.
    function = getattr(function, "func", function)  # of a partial
    return getattr(function, "__module__", None) == "django.contrib.auth.middleware"


async def aidentity_of(user: Any, attributes: Mapping[str, Any] | None = None) -> Identity | None:
    """Return the identity of one of Django's users, in async code; a lazy one is loaded in a thread."""
    if isinstance(user, LazyObject):
        return await sync_to_async(identity_of, thread_sensitive=True)(user, attributes)
    return identity_of(user, attributes)


def identity_of(user: Any, attributes: Mapping[str, Any] | None = None) -> Identity | None:
    """Return the identity of one of Django's users; None for an anonymous or unsaved one."""
    if user is None or not user.is_authenticated or user.pk is None:
        return None
    return Identity(str(user.pk), attributes or {})


class CacheSnapshotStore:
    """Keeps the last good config in one of Django's caches, for all processes that share it."""

    def __init__(self, alias: str, name: str = "default") -> None:
        self._alias = alias
        self._key = f"signakit:{name}"

    def bind(self, name: str) -> CacheSnapshotStore:
        """Return the store of one SDK key, of which ``name`` is a digest. The client calls it."""
        return CacheSnapshotStore(self._alias, name)

    def load(self) -> bytes | None:
        """Return what was saved last, or None."""
        data: bytes | None = caches[self._alias].get(self._key)
        return data

    def save(self, data: bytes) -> None:
        """Keep ``data`` until the cache forgets it."""
        caches[self._alias].set(self._key, data, timeout=None)


def in_test_environment() -> bool:
    """Say whether ``setup_test_environment()`` is in force, as in every test run of Django's and pytest-django's."""
    # It makes this attribute, which Django documents. So does the backend that keeps mail in memory, which is not for
    # tests alone; but only tests import where that function is. Nothing is imported here to find out.
    return "django.test.utils" in sys.modules and hasattr(sys.modules.get("django.core.mail"), "outbox")
