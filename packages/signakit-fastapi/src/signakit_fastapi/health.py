"""A health check: ``app.get("/health/flags")(health)`` in FastAPI, ``Route("/health/flags", health)`` in Starlette."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from starlette.requests import Request  # noqa: TC002  # FastAPI reads the annotations
from starlette.responses import JSONResponse

from .scope import signakit_of


async def health(request: Request) -> JSONResponse:
    """Return the client's status as JSON: 200 when there is a config, 503 while there is none or flags are off.

    It names URLs and errors, so it is for those who run the site. A site works without a config, with every flag at its
    default: do not take it out of service for a 503.
    """
    client = signakit_of(request.scope).integration.client()
    status: dict[str, Any] = {"ready": False, "last_error": "flags are off: see the log"}
    if client is not None:
        status = asdict(client.status())
    return JSONResponse(status, 200 if status["ready"] else 503, {"Cache-Control": "no-store"})
