"""``request.flags`` and ``await request.aflags()``."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.core.exceptions import DisallowedHost
from django.utils.cache import patch_vary_headers

from .caching import give_back
from .conf import conf
from .request import attach

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest
    from django.http.response import HttpResponseBase

    from signakit_flags.integration import LazyUserContext


class SignaKitMiddleware:
    """Gives each request its flags, and new visitors their cookie, in sync and in async stacks.

    To be listed after the session and the authentication middleware. A request that asks for no flag pays for one small
    object. When Django builds its request handler, the client begins to load.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response = get_response
        self._is_async = iscoroutinefunction(get_response)
        if self._is_async:
            markcoroutinefunction(self)
        conf.integration.start()

    def __call__(self, request: HttpRequest) -> Any:
        """Return the response, or in an async stack a coroutine of it."""
        if self._is_async:
            return self.__acall__(request)
        flags = attach(request)
        response = self.get_response(request)
        _finish(request, flags, response)
        return response

    async def __acall__(self, request: HttpRequest) -> HttpResponseBase:
        """Return the response."""
        flags = attach(request)
        response: HttpResponseBase = await self.get_response(request)
        _finish(request, flags, response)
        return response


def _finish(request: HttpRequest, flags: LazyUserContext, response: HttpResponseBase) -> None:
    if flags.touched:
        cache_control = response.get("Cache-Control")
        start = flags.start_response(secure=request.is_secure(), host=_host(request), cache_control=cache_control)
    else:
        start = flags.start_response()
    if start.vary:
        patch_vary_headers(response, start.vary)
    if start.cookie is not None:
        response.set_cookie(**asdict(start.cookie))
    else:
        give_back(request)
    if start.cache_control is not None:
        response["Cache-Control"] = start.cache_control


def _host(request: HttpRequest) -> str | None:
    try:
        return request.get_host()
    except DisallowedHost:
        return None
