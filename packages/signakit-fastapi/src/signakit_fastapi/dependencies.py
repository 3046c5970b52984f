"""What routes depend on."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

from fastapi import Depends, HTTPException, WebSocketException, status
from starlette.requests import HTTPConnection

from signakit_flags import SignaKitClient, SignaKitUserContext
from signakit_flags.integration import admits, check_flag_key

from .scope import flags_of, integration_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

REFUSES_WITH: str = "signakit_refuses_with"
"""The attribute of a ``require_flag`` dependency that holds the status of its refusal, for the OpenAPI document."""


async def get_flags(connection: HTTPConnection) -> SignaKitUserContext:
    """Return this request's user context, having found out who asks; never None.

    A dependency of HTTP and WebSocket routes, and to be awaited with the request anywhere else: in plain Starlette, in
    an exception handler. While there is no config, and for nobody, it gives None and defaults.

    Args:
        connection: The request, or the WebSocket.

    Raises:
        RuntimeError: The lifespan did not run; at the latest, the first question raises it.
    """
    return await flags_of(connection.scope).resolve()


Flags: TypeAlias = Annotated[SignaKitUserContext, Depends(get_flags)]
"""This request's user context, as the type of a parameter: ``async def route(flags: Flags)``.

In tests ``app.dependency_overrides[get_flags]`` replaces it.
"""


async def get_client(connection: HTTPConnection) -> SignaKitClient | None:
    """Return the client that serves this request; None when the settings do not allow one, and flags are off.

    Raises:
        RuntimeError: The lifespan did not run.
    """
    return integration_of(connection.scope).client()


def require_flag(
    flag_key: str,
    *,
    variation: str | None = None,
    status_code: int = 404,
    flags: Callable[..., Any] = get_flags,
) -> Callable[..., Awaitable[None]]:
    """Return a dependency that restricts a route with a flag.

    For a route, an ``APIRouter`` or a whole application: ``dependencies=[Depends(require_flag("key"))]``. The decision
    sends an exposure, as ``decide`` does. While there is no config, every request is refused. The OpenAPI document
    shows the refusal among the responses of each route, once the application runs.

    Args:
        flag_key: The flag's key.
        variation: The one variation that is let in; None lets in every one but ``"off"``.
        status_code: What other users get, as an ``HTTPException``. A WebSocket is closed with code 1008, which before
            it was accepted is a refused handshake.
        flags: The dependency that gives the flags, where it is not ``get_flags``: that of ``SignaKit.flags_from``.

    Raises:
        TypeError: ``flag_key`` is not text.
        ValueError: ``status_code`` is not one of HTTP's.
    """
    check_flag_key(flag_key, gate="require_flag")

    async def gate(connection: HTTPConnection, user: SignaKitUserContext = Depends(flags)) -> None:
        if admits(user, flag_key, variation):
            return
        if connection.scope["type"] == "websocket":
            raise WebSocketException(status.WS_1008_POLICY_VIOLATION)
        raise HTTPException(status_code)

    setattr(gate, REFUSES_WITH, HTTPStatus(status_code))
    return gate
