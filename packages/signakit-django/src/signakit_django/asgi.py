"""The end of an ASGI server: ``application = with_lifespan(get_asgi_application())`` in ``asgi.py``.

uvicorn ends by the signal that it was told to end by, which runs nothing that was registered for the exit. What it does
first is to announce the end to the application, in the protocol's lifespan, which Django's own handler does not speak.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, TypeAlias

from . import get_client

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    # Every framework types these three in its own way.
    Application: TypeAlias = Callable[[Any, Any, Any], Awaitable[None]]

FLUSH_TIMEOUT: float = 2.0
"""Seconds that the end of the server waits for events to be sent."""

logger: logging.Logger = logging.getLogger("signakit_django")


def with_lifespan(application: Application) -> Application:
    """Return the application, with the lifespan protocol: at the end, the events that are still queued are sent.

    Args:
        application: Django's, which serves everything else.
    """

    async def served(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "lifespan":
            await application(scope, receive, send)
            return
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await send({"type": "lifespan.startup.complete"})
            elif message["type"] == "lifespan.shutdown":
                await _flush()
                await send({"type": "lifespan.shutdown.complete"})
                return

    return served


async def _flush() -> None:
    client = get_client()
    if client is not None and not await client.flush(FLUSH_TIMEOUT):
        logger.warning("events could not be sent before the end")
