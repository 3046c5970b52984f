"""The gate: restricts a view with a flag."""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any, TypeVar, cast

from asgiref.sync import iscoroutinefunction
from django.core.exceptions import ImproperlyConfigured, PermissionDenied
from django.http import Http404, HttpResponse
from django.shortcuts import redirect

from signakit_flags.integration import admits, check_flag_key

from .request import aflags_of, flags_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest
    from django.http.response import HttpResponseBase

    from signakit_flags import SignaKitUserContext

ViewT = TypeVar("ViewT", bound="Callable[..., Any]")


def flag_required(
    flag_key: str, *, variation: str | None = None, redirect_to: str | None = None, status: int = 404
) -> Callable[[ViewT], ViewT]:
    """Restrict a view with a flag; for sync and async functions and class-based views.

    The decision sends an exposure, as ``decide`` does. While there is no config, every request is refused.

    Args:
        flag_key: The flag's key.
        variation: The one variation that is let in; None lets in every one but ``"off"``.
        redirect_to: Where other users are sent: a URL, or the name of a URL pattern.
        status: What other users get without ``redirect_to``: the project's own page for 404 and 403, else an empty
            response.

    Raises:
        TypeError: ``flag_key`` is not text, as when the parentheses are forgotten.
    """
    check_flag_key(flag_key, gate="flag_required")
    gate = _Gate(flag_key, variation, redirect_to, status)

    def decorate(view: ViewT) -> ViewT:
        if isinstance(view, type):
            return cast("ViewT", _class_based(view, gate))
        if iscoroutinefunction(view):

            @functools.wraps(view)
            async def async_view(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
                if not gate.admits(await aflags_of(request)):
                    return gate.refuse()
                return await view(request, *args, **kwargs)

            return cast("ViewT", async_view)
        # As `method_decorator(flag_required(...), name="dispatch")` hands it over: a partial of the bound method.
        owner = getattr(getattr(view, "func", view), "__self__", None)
        is_async = bool(getattr(owner, "view_is_async", False))

        @functools.wraps(view)
        def sync_view(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            serve = functools.partial(view, request, *args, **kwargs)
            return gate.dispatch(request, serve, is_async=is_async)

        return cast("ViewT", sync_view)

    return decorate


class FlagRequiredMixin:
    """The same for a class-based view, as its first base class.

    Attributes:
        flag_key: The flag's key.
        flag_variation: The one variation that is let in; None lets in every one but ``"off"``.
        flag_redirect_to: Where other users are sent.
        flag_status: What other users get without ``flag_redirect_to``.
    """

    flag_key: str = ""
    flag_variation: str | None = None
    flag_redirect_to: str | None = None
    flag_status: int = 404

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Serve the request, or refuse it."""
        if not self.flag_key:
            raise ImproperlyConfigured(f"{type(self).__name__} needs a flag_key")
        gate = _Gate(self.flag_key, self.flag_variation, self.flag_redirect_to, self.flag_status)
        serve = functools.partial(super().dispatch, request, *args, **kwargs)  # type: ignore[misc]  # of the view
        return gate.dispatch(request, serve, is_async=getattr(self, "view_is_async", False))


def _class_based(view: type, gate: _Gate) -> type:
    original: Callable[..., Any] = view.dispatch  # type: ignore[attr-defined]  # a class-based view

    @functools.wraps(original)
    def dispatch(self: Any, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        serve = functools.partial(original, self, request, *args, **kwargs)
        return gate.dispatch(request, serve, is_async=self.view_is_async)

    view.dispatch = dispatch  # type: ignore[attr-defined]  # as above
    return view


class _Gate:
    """Which users are let in, and what the others get."""

    def __init__(self, flag_key: str, variation: str | None, redirect_to: str | None, status: int) -> None:
        self._flag_key = flag_key
        self._variation = variation
        self._redirect_to = redirect_to
        self._status = status

    def admits(self, flags: SignaKitUserContext) -> bool:
        return admits(flags, self._flag_key, self._variation)

    def refuse(self) -> HttpResponseBase:
        if self._redirect_to is not None:
            return redirect(self._redirect_to)
        if self._status == 404:
            raise Http404(f"the flag {self._flag_key!r} is off")
        if self._status == 403:
            raise PermissionDenied
        return HttpResponse(status=self._status)

    def dispatch(self, request: HttpRequest, serve: Callable[[], Any], *, is_async: bool) -> Any:
        """Serve a class-based view, whose ``dispatch`` returns a response or a coroutine of one."""
        if is_async:
            return self._adispatch(request, serve)
        return serve() if self.admits(flags_of(request)) else self.refuse()

    async def _adispatch(self, request: HttpRequest, serve: Callable[[], Any]) -> HttpResponseBase:
        if not self.admits(await aflags_of(request)):
            return self.refuse()
        response: Any = serve()
        if inspect.isawaitable(response):
            response = await response
        return cast("HttpResponseBase", response)
