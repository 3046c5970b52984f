"""Where the flags of a request are kept: in its scope.

``request.state`` is for users alone. It is a copy of the lifespan's state that a server may forget to make; a scope is
always that of one request.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from .integration import NOT_STARTED

if TYPE_CHECKING:
    from signakit_flags.integration import LazyUserContext

    from .extension import SignaKit

SIGNAKIT: str = "signakit"
"""The key of the extension, in the scope and in the lifespan's state."""

FLAGS: str = "signakit.flags"
"""The key of the flags, in the scope."""


def attach(scope: Any, signakit: SignaKit, flags: LazyUserContext) -> None:
    """Make ``flags`` those of a request, also as ``request.state.flags``."""
    scope[SIGNAKIT] = signakit
    scope[FLAGS] = flags
    state = scope.get("state")
    if state is None:
        state = scope["state"] = {}
    state["flags"] = flags


def signakit_of(scope: Any) -> SignaKit:
    """Return the extension that serves a request: that of the innermost middleware, else that of the lifespan.

    Raises:
        RuntimeError: There is none, as the lifespan did not run.
    """
    found = scope.get(SIGNAKIT) or scope.get("state", {}).get(SIGNAKIT)
    if found is None:
        raise RuntimeError(NOT_STARTED)
    return cast("SignaKit", found)


def flags_of(scope: Any) -> LazyUserContext:
    """Return the flags of a request.

    Without the middleware they are made here, and no visitor can get a cookie any more.

    Raises:
        RuntimeError: The lifespan did not run, and there is no middleware either. With it, the first question raises.
    """
    signakit = signakit_of(scope)
    flags: LazyUserContext | None = scope.get(FLAGS)
    if flags is None:
        flags = signakit.context(scope)
        flags.start_response()
        attach(scope, signakit, flags)
    return flags
