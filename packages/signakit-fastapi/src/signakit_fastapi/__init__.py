"""SignaKit feature flags in FastAPI and Starlette.

``signakit = SignaKit(sdk_key=...)`` and ``FastAPI(lifespan=signakit.lifespan, middleware=signakit.middleware)``; then
``flags: Flags`` in a route is this request's user context, ``Depends(require_flag("key"))`` restricts a route with a
flag, and in plain Starlette there are ``request.state.flags`` and ``await get_flags(request)``.
"""

from signakit_flags.integration import Identity

from ._version import __version__
from .dependencies import Flags, get_client, get_flags, require_flag
from .extension import ClientOptions, LifespanState, SignaKit
from .health import health
from .middleware import SignaKitMiddleware

__all__ = [
    "ClientOptions",
    "Flags",
    "Identity",
    "LifespanState",
    "SignaKit",
    "SignaKitMiddleware",
    "__version__",
    "get_client",
    "get_flags",
    "health",
    "require_flag",
]
