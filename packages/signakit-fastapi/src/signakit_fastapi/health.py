"""A health check: ``app.get("/health/flags")(health)`` in FastAPI, ``Route("/health/flags", health)`` in Starlette."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse

from signakit_flags.integration import health_check

from .scope import integration_of


async def health(request: Request) -> JSONResponse:
    """Return the client's status as JSON: 200 when there is a config, 503 while there is none or flags are off.

    It names URLs and errors, so restrict it to the people who run the site. A site works without a config, with every
    flag at its default: do not take it out of service for a 503.
    """
    status, code = health_check(integration_of(request.scope).client(), hint="see the log")
    return JSONResponse(status, code, {"Cache-Control": "no-store"})
