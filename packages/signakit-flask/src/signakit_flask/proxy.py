"""``flags``: the user context of the request that is being served.

State: it is kept in the request object, under ``_KEY``, and not in ``g``, which several requests share where a test or
a command has pushed an app context around them. None there says that the response has started before anybody asked.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from flask import globals as flask_globals
from flask import request
from werkzeug.local import LocalProxy

from .integration import behind
from .state import state_of

if TYPE_CHECKING:
    from flask import Request, Response

    from signakit_flags import SignaKitUserContext
    from signakit_flags.integration import LazyUserContext

_KEY = "_signakit_flags"
_serving: Any = vars(flask_globals).get("request_ctx", flask_globals.app_ctx)
"""The context whose ``app`` serves the request, which ``current_app`` is not while another app's context is pushed in a
view. Later Flasks have one context for both, and a request is not seen from another app's."""
_OUTSIDE = """\
Working outside of request context.

The flags are those of the user whose request is served, and there is none here. In a command, a task or a thread ask \
for a user by their id: signakit.flags_for("user-17"), or signakit.client, in an app context. A streamed body keeps \
its request with stream_with_context.\
"""


def current() -> LazyUserContext:
    """Return the flags of the current request, which are made when somebody wants them.

    Raises:
        RuntimeError: There is no request, or ``init_app`` was not called for this app.
    """
    held = vars(_current_request())
    context: LazyUserContext | None = held.get(_KEY)
    if context is None:
        made = state_of(_serving.app).integration.context(_current_request())
        # Of several threads with this request's context the first one's counts.
        context = held.setdefault(_KEY, made)
        if context is None:
            made.start_response()
            context = held[_KEY] = made
    return context


def _current_request() -> Request:
    try:
        # The request itself: the proxy would stand for another one in another thread.
        return behind(request)
    except RuntimeError:
        raise RuntimeError(_OUTSIDE) from None


def finish(response: Response) -> Response:
    """Put into the response what the flags ask of it; for ``after_request``."""
    served = _current_request()
    context: LazyUserContext | None = vars(served).setdefault(_KEY, None)
    if context is None:
        return response
    start = context.start_response(
        secure=served.is_secure,
        host=served.headers.get("Host"),
        cache_control=", ".join(response.headers.getlist("Cache-Control")),
    )
    if start.vary and "*" not in response.vary:
        response.vary.update(start.vary)
    if start.cookie is not None:
        response.set_cookie(**asdict(start.cookie))
    if start.cache_control is not None:
        response.headers["Cache-Control"] = start.cache_control
    return response


async def aflags() -> SignaKitUserContext:
    """Return the flags of this request in an async view, after finding out who asks by awaiting an async ``identify``.

    Afterwards ``flags`` will do as well. Without an async ``identify`` it does from the start.

    Raises:
        RuntimeError: As for ``flags``.
    """
    return await current().resolve()


flags: SignaKitUserContext = LocalProxy(current)  # type: ignore[assignment]  # stands for one, as Flask's own do
"""This request's user context. Free until it is asked, and never None.

Outside of a request, ``RuntimeError``.
"""
