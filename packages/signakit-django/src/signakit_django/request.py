"""Requests with flags: their type, and what stands in where the middleware is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.http import HttpRequest

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from signakit_flags import SignaKitUserContext


class FlagsRequest(HttpRequest):
    """A request as ``SignaKitMiddleware`` leaves it, for annotations: ``def view(request: FlagsRequest)``.

    Attributes:
        flags: This request's user context. In an async view await ``aflags`` first.
        aflags: Finds out by awaiting who asks, and returns the same context.
    """

    flags: SignaKitUserContext
    aflags: Callable[[], Awaitable[SignaKitUserContext]]


def flags_of(request: Any) -> SignaKitUserContext:
    """Return a request's flags; nobody's, which is logged once, where there is no request or no middleware."""
    flags: SignaKitUserContext | None = getattr(request, "flags", None)
    return _nobodys() if flags is None else flags


async def aflags_of(request: Any) -> SignaKitUserContext:
    """Return the same, in an async view."""
    aflags = getattr(request, "aflags", None)
    if aflags is None:
        return _nobodys()
    flags: SignaKitUserContext = await aflags()
    return flags


def _nobodys() -> SignaKitUserContext:
    from .conf import conf  # reads the settings

    integration = conf.integration
    integration.report("middleware", "flags asked without SignaKitMiddleware, or in a template without the request")
    return integration.user(None)
