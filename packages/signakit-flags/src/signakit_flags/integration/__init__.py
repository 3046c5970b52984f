"""What an integration with a web framework stands on, whichever the framework is.

The rules that hold in every framework are written here once: whose flags a request asks for, when a visitor gets a
cookie, and what happens while there is no config. An integration subclasses ``Integration``, tells it where its
framework keeps the User-Agent, a cookie and the account, hands ``Integration.context(request)`` to its users as
``flags``, and turns what ``LazyUserContext.start_response()`` says into its own response headers::

    class SanicFlags(Integration[Request]):
        def user_agent(self, request): return request.headers.get("user-agent")
        def cookies(self, request, name): return cookie_values(request.headers.get("cookie", ""), name)

    integration = SanicFlags(parse_options({"sdk_key": ...}))

    @app.on_request
    async def attach(request):
        request.ctx.flags = integration.context(request)

    @app.on_response
    async def finish(request, response):
        cache_control = response.headers.get("cache-control")
        start = request.ctx.flags.start_response(
            secure=request.scheme == "https", host=request.headers.get("host"), cache_control=cache_control
        )
        if start.cookie is not None:
            response.headers.add("Set-Cookie", start.cookie.header())
        ...  # set Cache-Control unless start.cache_control is None, and add start.vary to Vary

Async handlers await ``flags.resolve()`` before they ask. The client, ``integration.client()``, is to be loaded when the
server starts: ``await client.on_ready(...)``, or ``client.load()`` in sync code.

Nothing here imports a framework, or asyncio.
"""

from .._files import read_regular, replaceable
from .._running_loop import loop_is_running
from .._runtime.snapshot_store import AsyncSnapshotStore, SnapshotStore
from .._secrets import conceal, shown_url
from .._settings import is_loopback
from .base import Integration
from .client import LazyClient
from .commands import Commands, FlagsUnavailableError, parse_attribute
from .context import LazyUserContext
from .gate import admits, check_flag_key
from .health import health_check
from .http import http_transport
from .identity import (
    AnyIdentityResolver,
    AsyncIdentityResolver,
    Identity,
    IdentityNotAwaited,
    IdentityResolver,
    UserId,
)
from .options import Options, Problem, parse_options
from .response import ResponseStart
from .visitor import SetCookie, VisitorCookie, cookie_values, is_visitor_id, new_visitor_id

__all__ = [
    "AnyIdentityResolver",
    "AsyncIdentityResolver",
    "AsyncSnapshotStore",
    "Commands",
    "FlagsUnavailableError",
    "Identity",
    "IdentityNotAwaited",
    "IdentityResolver",
    "Integration",
    "LazyClient",
    "LazyUserContext",
    "Options",
    "Problem",
    "ResponseStart",
    "SetCookie",
    "SnapshotStore",
    "UserId",
    "VisitorCookie",
    "admits",
    "check_flag_key",
    "conceal",
    "cookie_values",
    "health_check",
    "http_transport",
    "is_loopback",
    "is_visitor_id",
    "loop_is_running",
    "new_visitor_id",
    "parse_attribute",
    "parse_options",
    "read_regular",
    "replaceable",
    "shown_url",
]
