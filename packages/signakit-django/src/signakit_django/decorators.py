"""Decorator and mixin that restrict a view with a flag."""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any, TypeVar, cast

from asgiref.sync import iscoroutinefunction
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest
from django.views import View

from signakit_flags.integration import check_flag_key

from ._gate import Gate, aserve_noted, authenticates, serve_noted
from .request import http_request

if TYPE_CHECKING:
    from collections.abc import Callable

ViewT = TypeVar("ViewT", bound="Callable[..., Any]")


def flag_required(
    flag_key: str, *, variation: str | None = None, redirect_to: str | None = None, status: int = 404
) -> Callable[[ViewT], ViewT]:
    """Restrict a view with a flag; for sync and async functions and class-based views.

    The decision sends an exposure, as ``decide`` does. Without a config, every request is refused. A view of
    Django REST framework authenticates first, and answers for itself to requests that it does not let in.

    On a method it goes by Django's ``method_decorator``: ``@method_decorator(flag_required("key"))``.

    Args:
        flag_key: The flag's key.
        variation: The one variation that is let in; None lets in every one but ``"off"``.
        redirect_to: Where other users are sent: a URL, or the name of a URL pattern.
        status: What other users get without ``redirect_to``: the project's own page for 404 and 403, else an empty
            response. A view of REST framework answers by its exception handler.

    Raises:
        TypeError: ``flag_key`` is not text, as when the parentheses are forgotten; or the decorator is put on a method.
            Where that shows only when the method is called, the call raises.
    """
    check_flag_key(flag_key, gate="flag_required")
    gate = Gate(flag_key, variation, redirect_to, status)

    def decorate(view: ViewT) -> ViewT:
        if isinstance(view, type):
            return cast("ViewT", _class_based(view, gate))
        if inspect.isfunction(view) and view.__code__.co_varnames[: view.__code__.co_argcount][:1] == ("self",):
            raise _on_a_method(flag_key)
        return cast("ViewT", _function(view, gate, flag_key))

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
        gate = Gate(self.flag_key, self.flag_variation, self.flag_redirect_to, self.flag_status)
        serve = functools.partial(super().dispatch, request, *args, **kwargs)  # type: ignore[misc]  # of the view
        return gate.serve(request, serve, view=self, is_async=getattr(self, "view_is_async", False))


def _class_based(view: type, gate: Gate) -> type:
    original: Callable[..., Any] = view.dispatch  # type: ignore[attr-defined]  # a class-based view

    @functools.wraps(original)
    def dispatch(self: Any, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        serve = functools.partial(original, self, request, *args, **kwargs)
        return gate.serve(request, serve, view=self, is_async=self.view_is_async)

    view.dispatch = dispatch  # type: ignore[attr-defined]  # as above
    return view


def _function(view: Callable[..., Any], gate: Gate, flag_key: str) -> Callable[..., Any]:
    # As `method_decorator(flag_required(...), name="dispatch")` hands it over: a partial of the bound method.
    owner = getattr(getattr(view, "func", view), "__self__", None)
    cls = _class_of(view)
    noted = authenticates(cls)

    def checked(request: Any, args: tuple[Any, ...]) -> Any:
        if not _is_request(request) and (isinstance(request, View) or (args and _is_request(args[0]))):
            raise _on_a_method(flag_key)
        return request

    if iscoroutinefunction(view):

        @functools.wraps(view)
        async def async_view(request: Any, *args: Any, **kwargs: Any) -> Any:
            serve = functools.partial(view, checked(request, args), *args, **kwargs)
            if noted:
                return await aserve_noted(cls, gate, request, serve)
            return await gate.serve(request, serve, view=owner, is_async=True)

        return async_view
    is_async = bool(getattr(owner, "view_is_async", False))

    @functools.wraps(view)
    def sync_view(request: Any, *args: Any, **kwargs: Any) -> Any:
        serve = functools.partial(view, checked(request, args), *args, **kwargs)
        if noted:
            return serve_noted(cls, gate, request, serve)
        return gate.serve(request, serve, view=owner, is_async=is_async)

    return sync_view


def _class_of(view: Any) -> Any:
    """Return the class of a function that `as_view()` has made; None of others."""
    while isinstance(view, functools.partial):
        view = view.func
    return getattr(view, "cls", None)


def _is_request(value: object) -> bool:
    return isinstance(http_request(value), HttpRequest)


def _on_a_method(flag_key: str) -> TypeError:
    return TypeError(
        "flag_required was put on a method, where the first argument is not the request: write "
        f"@method_decorator(flag_required({flag_key!r})), of django.utils.decorators"
    )
