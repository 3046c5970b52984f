"""Gives each request its flags, and new visitors their cookie. Pure ASGI: no thread, no task, nothing buffered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.datastructures import Headers, MutableHeaders

from .integration import SIGNAKIT
from .scope import attach, keep

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from signakit_flags.integration import LazyUserContext, ResponseStart, SetCookie

    from .extension import SignaKit
    from .scope import Attached


class SignaKitMiddleware:
    """Gives each request its flags as ``request.state.flags``, and new visitors their cookie.

    For HTTP and WebSocket requests of Starlette, of FastAPI, and of any ASGI application that it is put around. A
    request that asks for no flag pays for a few small objects. Middleware that asks for flags itself belongs inside of
    it; the place of any other does not matter, as who asks is found out at the first question. The same one twice
    counts once.

    What Starlette answers when an exception is handled by nobody is sent outside of all middleware: to set the cookie
    there, too, put it around the application itself, ``SignaKitMiddleware(app, signakit=signakit)``.

    Args:
        app: The application.
        signakit: The extension that serves the requests.
    """

    def __init__(self, app: ASGIApp, *, signakit: SignaKit) -> None:
        self.app: ASGIApp = app
        self._integration = signakit.integration
        self._integration.has_middleware = True

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the request."""
        integration = self._integration
        outer: Attached | None = scope.get(SIGNAKIT)
        twice = outer is not None and outer.integration is integration and outer.by_middleware
        if twice or scope["type"] not in {"http", "websocket"}:
            await self.app(scope, receive, send)
            return

        flags = attach(scope, integration, outer, by_middleware=True)
        if outer is None or outer.integration is integration:
            await self._serve(flags, scope, receive, send)
            return
        # A mounted application with flags of its own. Those of the one around it come back afterwards.
        try:
            await self._serve(flags, scope, receive, send)
        finally:
            keep(scope, outer)

    async def _serve(self, flags: LazyUserContext, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_flags(message: Message) -> None:
            if message["type"] in _STARTS:
                message = _start(flags, scope, message)
            await send(message)

        try:
            await self.app(scope, receive, send_with_flags)
        except Exception:
            # Whoever answers now does it outside, where no cookie can be set.
            flags.start_response()
            raise


_STARTS = frozenset({"http.response.start", "websocket.accept", "websocket.http.response.start"})
_SECURE = frozenset({"https", "wss"})


def _asked(flags: LazyUserContext, scope: Scope, message: Message) -> ResponseStart:
    return flags.start_response(
        secure=scope.get("scheme") in _SECURE,
        host=Headers(scope=scope).get("host"),
        cache_control=", ".join(Headers(raw=message.get("headers", [])).getlist("cache-control")),
    )


def _start(flags: LazyUserContext, scope: Scope, message: Message) -> Message:
    start = _asked(flags, scope, message) if flags.touched else flags.start_response()
    if not start.vary:
        return message
    # A copy: an application may send one response, or one message, to many, who must not get each other's cookie.
    message = {"headers": [], **message}
    headers = MutableHeaders(scope=message)  # makes the list another one, too
    if start.cookie is not None and not _has_cookie(headers, start.cookie):
        headers.append("set-cookie", start.cookie.header())
    if message["type"] == "websocket.accept":
        return message  # no cache keeps a connection
    if start.cache_control is not None:
        headers["cache-control"] = start.cache_control
    vary = [name.strip() for value in headers.getlist("vary") for name in value.split(",") if name.strip()]
    there = {name.lower() for name in vary}
    if "*" not in there:
        headers["vary"] = ", ".join([*vary, *(name for name in start.vary if name.lower() not in there)])
    return message


def _has_cookie(headers: MutableHeaders, cookie: SetCookie) -> bool:
    # A mounted application with flags of its own has set it, for the same visitor. Where the two differ in domain or
    # path, that of the innermost counts: a browser would keep both of them, and send two cookies of one name.
    return any(value.startswith(f"{cookie.key}={cookie.value};") for value in headers.getlist("set-cookie"))
