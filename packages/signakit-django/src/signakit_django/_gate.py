"""The gate of a view: which users it lets in, what the others get, and when it is asked.

A view of Django REST framework authenticates by itself, in ``initial()``, and checks permissions and throttles there.
Before that, a gate would take a user with a token for a new visitor. So the gate is asked after ``initial()``. What it
raises goes through ``handle_exception()``, like every refusal of such a view. Both methods are replaced on the view's
instance, which serves one request. The framework is not imported for that.

A function made by ``as_view()``, such as what ``@api_view`` returns, makes that instance when it is called. So the
``dispatch()`` of its class replaces the methods.

The gate is noted on the request until ``initial()`` begins. If it still is when the view has answered, ``initial()``
was never called, and the gate is asked then.
"""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any, cast

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect

from signakit_flags.integration import admits

from .request import aflags_of, flags_of, http_request

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from django.http.response import HttpResponseBase

    from signakit_flags import SignaKitUserContext

_NOTED = "_signakit_gates"


class Gate:
    """Which users are let in, and what the others get."""

    def __init__(self, flag_key: str, variation: str | None, redirect_to: str | None, status: int) -> None:
        self._flag_key = flag_key
        self._variation = variation
        self._redirect_to = redirect_to
        self._status = status

    def admits(self, flags: SignaKitUserContext) -> bool:
        """Decide the flag, and return whether the user is let in."""
        return admits(flags, self._flag_key, self._variation)

    def refuse(self, request: Any) -> HttpResponseBase:
        """Return the response of a refusal, or raise ``Http404``, ``PermissionDenied`` or the view's own exception."""
        if self._redirect_to is not None:
            return redirect(self._redirect_to)
        if self._status == 404:
            raise Http404(f"the flag {self._flag_key!r} is off")
        if self._status == 403:
            raise PermissionDenied
        if request is not http_request(request):  # the framework's own, so it is there
            from .rest import refusal

            raise refusal(self._status)
        return HttpResponse(status=self._status)

    def serve(self, request: Any, serve: Callable[[], Any], *, view: object = None, is_async: bool = False) -> Any:
        """Return what ``serve`` returns, or refuse.

        Args:
            request: The request.
            serve: Calls the view.
            view: The instance whose method it is, if it is one.
            is_async: Whether a coroutine is to be returned; ``serve`` may return one.
        """
        if authenticates(view) and isinstance(request, HttpRequest):  # a handler is given the framework's own request
            note(self, request)
            self.ask_after_authentication(view)
            response = serve()
            if inspect.isawaitable(response):
                return self.afinish(request, response)
            return self.finish(request, response)
        if is_async:
            return self.aserve(request, serve)
        return serve() if self.admits(flags_of(request)) else self.refuse(request)

    async def aserve(self, request: Any, serve: Callable[[], Any]) -> HttpResponseBase:
        """Return what ``serve`` returns, awaited, or refuse."""
        if not self.admits(await aflags_of(request)):
            return self.refuse(request)
        response: Any = serve()
        if inspect.isawaitable(response):
            response = await response
        return cast("HttpResponseBase", response)

    def finish(self, request: HttpRequest, response: Any) -> Any:
        """Return the response of a view that authenticates by itself; refuse if it has answered without the gate.

        So does one with a ``dispatch()`` of its own, and a decorator between the gate and the view, such as a cache. A
        refusal of theirs stays: a question would be about a user who is not authenticated.
        """
        if not forget(self, request) or response.status_code >= 400 or self.admits(flags_of(request)):
            return response
        return self.refuse(request)

    async def afinish(self, request: HttpRequest, response: Awaitable[Any]) -> Any:
        """Return what ``finish`` does, for a response that is still to be awaited."""
        answer = await response
        if not forget(self, request) or answer.status_code >= 400 or self.admits(await aflags_of(request)):
            return answer
        return self.refuse(request)

    def ask_after_authentication(self, view: Any) -> None:
        """Have the instance of a view that authenticates by itself ask the gate once it has."""
        initial, handle_exception = view.initial, view.handle_exception

        def initial_and_gate(request: Any, *args: Any, **kwargs: Any) -> None:
            forget(self, http_request(request))
            initial(request, *args, **kwargs)
            if not self.admits(flags_of(request)):
                raise _RefusedError(self.refuse(request))

        def handle_exception_or_redirect(error: Exception) -> Any:
            return error.response if isinstance(error, _RefusedError) else handle_exception(error)

        view.initial, view.handle_exception = initial_and_gate, handle_exception_or_redirect


class _RefusedError(Exception):
    """A refusal that is a response: ``initial()`` can only raise."""

    def __init__(self, response: HttpResponseBase) -> None:
        super().__init__()
        self.response = response


def authenticates(view: object) -> bool:
    """Return whether a view, an instance or a class, finds out who asks by itself, as those of REST framework do."""
    return all(callable(getattr(view, name, None)) for name in ("perform_authentication", "initial"))


def serve_noted(cls: Any, gate: Gate, request: HttpRequest, serve: Callable[[], Any]) -> Any:
    """Serve a function of ``as_view()`` whose class authenticates by itself; it asks the gate after that."""
    note_for(cls, gate, request)
    return gate.finish(request, serve())


async def aserve_noted(cls: Any, gate: Gate, request: HttpRequest, serve: Callable[[], Any]) -> Any:
    """Serve the same, where the function is async."""
    note_for(cls, gate, request)
    return await gate.afinish(request, serve())


def note_for(cls: Any, gate: Gate, request: HttpRequest) -> None:
    """Note a gate on the request, for the class of a function that ``as_view()`` has made."""
    if not getattr(cls.dispatch, _NOTED, False):
        cls.dispatch = _asking_noted(cls.dispatch)
    note(gate, request)


def note(gate: Gate, request: HttpRequest) -> None:
    """Note a gate on the request, as one that is still to be asked."""
    request.__dict__.setdefault(_NOTED, []).append(gate)


def forget(gate: Gate, request: HttpRequest) -> bool:
    """Take a gate from the request; return whether it was still there."""
    gates = request.__dict__.get(_NOTED, ())
    if gate not in gates:
        return False
    gates.remove(gate)
    return True


def _asking_noted(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def dispatch(self: Any, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        for gate in tuple(request.__dict__.get(_NOTED, ())):
            gate.ask_after_authentication(self)
        return original(self, request, *args, **kwargs)

    setattr(dispatch, _NOTED, True)
    return dispatch
