"""Requests with flags: their type, and the flags of a request that has none yet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from asgiref.sync import sync_to_async
from django.http import HttpRequest

from .caching import withhold
from .conf import conf, place_of_ours
from .integration import UNANSWERED

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from signakit_flags import SignaKitUserContext
    from signakit_flags.integration import LazyUserContext


class FlagsRequest(HttpRequest):
    """A request as ``SignaKitMiddleware`` leaves it, for annotations: ``def view(request: FlagsRequest)``.

    Attributes:
        flags: This request's user context. In an async view await ``aflags`` first.
        aflags: Finds out by awaiting who asks, and returns the same context.
    """

    flags: SignaKitUserContext
    aflags: Callable[[], Awaitable[SignaKitUserContext]]


def flags_of(request: Any) -> SignaKitUserContext:
    """Return the flags of a request, also where ``SignaKitMiddleware`` has not run.

    So it is in the handler of an error that came before the middleware, and in a signal handler. There the request gets
    flags that cannot set a cookie: a visitor without one has defaults.

    Args:
        request: Django's, or Django REST framework's, which is authenticated first.

    Returns:
        The context, the same at each call; the middleware replaces it where it runs later. Anything that is not a
        request has no user, and gets defaults. That is logged once, and so is a ``MIDDLEWARE`` without the middleware.
    """
    inner = http_request(request)
    if inner is not request:
        request.user  # noqa: B018  # authenticates, and tells Django's request who it is
        withhold(request)
    flags: SignaKitUserContext | None = getattr(inner, "flags", None)
    return _made_for(inner) if flags is None else flags


async def aflags_of(request: Any) -> SignaKitUserContext:
    """Return the same for async code: it awaits who asks, as ``request.aflags()`` does."""
    inner = http_request(request)
    if inner is not request:
        if not hasattr(request, "_user"):
            await sync_to_async(getattr, thread_sensitive=True)(request, "user")
        withhold(request)
    if getattr(inner, "aflags", None) is None:
        flags = _made_for(inner)
        await conf.integration.astart()  # as the middleware does when it is built
        return await flags.resolve()
    found: SignaKitUserContext = await inner.aflags()
    return found


def http_request(request: Any) -> Any:
    """Return Django's request of one of Django REST framework; anything else as it is."""
    inner = getattr(request, "_request", None)
    return inner if isinstance(inner, HttpRequest) else request


def attach(request: Any) -> LazyUserContext:
    """Give a request its flags."""
    flags: LazyUserContext = conf.integration.context(request)
    request.flags = flags
    request.aflags = flags.resolve
    return flags


def _made_for(request: Any) -> LazyUserContext:
    integration = conf.integration
    if not isinstance(request, HttpRequest):
        integration.report("request", "flags asked without a request, as in a template that does not have it")
        return integration.user(None)
    if place_of_ours() is None:
        integration.report("middleware", "flags asked without SignaKitMiddleware in MIDDLEWARE")
    flags = attach(request)
    setattr(request, UNANSWERED, flags)
    return flags
