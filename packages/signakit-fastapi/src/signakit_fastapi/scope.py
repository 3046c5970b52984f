"""Where the flags of a request are kept: in its scope, under one key.

``request.state.flags`` is for users alone. A server may hand one state to several requests, see ``OwnFlags``. A scope
is always that of one request.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from starlette.requests import HTTPConnection

from signakit_flags.integration import LazyUserContext

from .integration import NOT_STARTED, SIGNAKIT
from .request_state import FLAGS, OwnFlags
from .user_dependency import GIVEN

if TYPE_CHECKING:
    from .integration import StarletteIntegration
    from .user_dependency import Given


@dataclass(slots=True)  # not frozen: that costs each request a microsecond
class Attached:
    """The flags of a request.

    Attributes:
        integration: Serves it.
        flags: The flags.
        connection: What the flags know of the request.
        by_middleware: Whether a ``SignaKitMiddleware`` will set their cookie.
        new_visitors: Ids of new visitors by the name of their cookie: one dict for all that are attached to a request,
            as a browser keeps one cookie of a name. See ``StarletteIntegration.new_visitor_id``.
    """

    integration: StarletteIntegration
    flags: LazyUserContext
    connection: HTTPConnection
    by_middleware: bool
    new_visitors: dict[str, str]


def attach(
    scope: Any, integration: StarletteIntegration, outer: Attached | None, *, by_middleware: bool
) -> LazyUserContext:
    """Make new flags, those of a request from now on, also as ``request.state.flags``.

    Args:
        scope: The request's.
        integration: Serves it.
        outer: What was attached to it before.
        by_middleware: Whether a ``SignaKitMiddleware`` will set the cookie.
    """
    connection = HTTPConnection(scope)
    flags = integration.context(connection)
    new_visitors = {} if outer is None else outer.new_visitors
    state = scope.get("state")
    if outer is None and state is not None and FLAGS in state and isinstance(state[FLAGS], LazyUserContext):
        # Those of another request, which may be under way: the server hands one state to several.
        scope["state"] = OwnFlags(state, flags)
    keep(scope, Attached(integration, flags, connection, by_middleware, new_visitors))
    return flags


def keep(scope: Any, attached: Attached) -> None:
    """Make these the flags of a request."""
    scope[SIGNAKIT] = attached
    state = scope.get("state")
    if state is None:
        state = scope["state"] = {}
    state[FLAGS] = attached.flags


def integration_of(scope: Any) -> StarletteIntegration:
    """Return what serves a request: that of the innermost middleware, else that of the lifespan.

    Raises:
        RuntimeError: There is none, as the lifespan did not run.
    """
    attached: Attached | None = scope.get(SIGNAKIT)
    if attached is not None:
        return attached.integration
    signakit = (scope.get("state") or {}).get(SIGNAKIT)
    if signakit is None:
        raise RuntimeError(NOT_STARTED)
    integration: StarletteIntegration = signakit.integration
    return integration


def flags_of(scope: Any) -> LazyUserContext:
    """Return the flags of a request.

    Without a middleware around the caller they are made here, and no visitor can get a cookie by them.

    Raises:
        RuntimeError: The lifespan did not run, and there is no middleware either. With it, the first question raises.
    """
    attached: Attached | None = scope.get(SIGNAKIT)
    if attached is None:
        flags = attach(scope, integration_of(scope), None, by_middleware=False)
        flags.start_response()
        return flags
    if not attached.flags.touched:
        # Middleware that adds to the scope does so in a copy, as ASGI wants it: who asks is in that of the caller.
        attached.connection.scope = scope
    return attached.flags


async def flags_of_user(scope: Any, given: Given | None) -> LazyUserContext:
    """Return the flags of a request, those of the user that the dependency of ``flags_from`` gave; see ``Given``."""
    flags = flags_of(scope)
    if given is None:
        return await flags.resolve()
    scope[GIVEN] = given
    if flags.touched and not _is_of(flags, given):
        # The cookie of those before is still set, if there is a middleware.
        before: Attached = scope[SIGNAKIT]
        flags = attach(scope, before.integration, before, by_middleware=before.by_middleware)
    return await flags.resolve()


def _is_of(flags: LazyUserContext, given: Given) -> bool:
    try:
        identity = given.identity()
    except Exception:  # noqa: BLE001  # the application's code: it fails again in the new flags, which log it
        return False
    if identity is None or flags.user_id != identity.user_id or identity.is_bot not in {None, flags.is_bot}:
        return False
    # An id alone says nothing of the attributes, which those before may have from `identify`.
    return not identity.attributes or flags.attributes == identity.attributes
