"""Plain Starlette behind the contract: ``async def`` and ``def`` endpoints."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Mount, Route, WebSocketRoute

from signakit_fastapi import get_flags
from signakit_flags.integration import admits
from support.asgi import AUTHENTICATION, AsgiAdapter, User, accepted
from support.facts import caching, facts

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from starlette.requests import Request

    from signakit_fastapi import SignaKit

METHODS = ["GET", "HEAD", "OPTIONS", "POST"]


async def async_untouched(_request: Request) -> Response:
    return JSONResponse({"thread": threading.get_ident()})


def sync_untouched(_request: Request) -> Response:
    return JSONResponse({"thread": threading.get_ident()})


def lazy(request: Request) -> Response:
    request.state.flags.touched  # noqa: B018  # asks nothing
    repr(request.state.flags)
    return PlainTextResponse("lazy", headers={"Vary": "Accept"})


async def async_flags(request: Request) -> Response:
    cached = caching(request.headers.get("x-cache-control"))
    return JSONResponse(facts(await get_flags(request)), headers={"Vary": "Accept-Language", **cached})


async def async_declared(request: Request) -> Response:
    await get_flags(request)
    return PlainTextResponse("declared")


def sync_flags(request: Request) -> Response:
    cached = caching(request.headers.get("x-cache-control"))
    return JSONResponse(facts(request.state.flags), headers={"Vary": "Accept-Language", **cached})


def sync_declared(request: Request) -> Response:
    assert not request.state.flags.touched
    return PlainTextResponse("declared")


async def async_late(request: Request) -> Response:
    async def body() -> AsyncIterator[str]:
        yield "first "
        await asyncio.sleep(0)
        yield repr((await get_flags(request)).decide("exp"))

    return StreamingResponse(body())


def sync_late(request: Request) -> Response:
    def body() -> Iterator[str]:
        yield "first "
        yield repr(request.state.flags.decide("exp"))

    return StreamingResponse(body())


async def async_early(request: Request) -> Response:
    flags = await get_flags(request)
    assert flags.user_id

    async def body() -> AsyncIterator[str]:
        await asyncio.sleep(0)
        yield flags.variation("exp")

    return StreamingResponse(body())


def sync_early(request: Request) -> Response:
    assert request.state.flags.user_id

    def body() -> Iterator[str]:
        yield request.state.flags.variation("exp")

    return StreamingResponse(body())


async def async_error(request: Request) -> Response:
    (await get_flags(request)).decide("exp")
    raise LookupError("a mistake of the application's")


def sync_error(request: Request) -> Response:
    request.state.flags.decide("exp")
    raise LookupError("a mistake of the application's")


async def async_away(request: Request) -> Response:
    (await get_flags(request)).decide("exp")
    return RedirectResponse("/elsewhere", 302)


def sync_away(request: Request) -> Response:
    request.state.flags.decide("exp")
    return RedirectResponse("/elsewhere", 302)


def authenticate(request: Request) -> None:
    """Find out who asks, in the view layer: a token counts there alone."""
    scheme, _, name = request.headers.get("authorization", "").partition(" ")
    if scheme != "Name":
        raise HTTPException(401)
    request.scope["user"] = User(name)


def async_restricted(flag_key: str) -> Any:
    async def endpoint(request: Request) -> Response:
        authenticate(request)
        flags = await get_flags(request)
        if not admits(flags, flag_key):
            raise HTTPException(404)
        return JSONResponse(facts(flags))

    return endpoint


def sync_restricted(flag_key: str) -> Any:
    def endpoint(request: Request) -> Response:
        authenticate(request)
        if not admits(request.state.flags, flag_key):
            raise HTTPException(404)
        return JSONResponse(facts(request.state.flags))

    return endpoint


def handle(_request: Request, error: Exception) -> Response:
    # Starlette answers what nobody handles outside of all middleware, and so without a cookie.
    return PlainTextResponse(f"{error}", 500)


SYNC = {
    "untouched": sync_untouched,
    "lazy": lazy,
    "flags": sync_flags,
    "declared": sync_declared,
    "late": sync_late,
    "early": sync_early,
    "error": sync_error,
    "away": sync_away,
    "gated": sync_restricted("switch"),
    "shut": sync_restricted("unknown"),
}
ASYNC = {
    "untouched": async_untouched,
    "lazy": lazy,
    "flags": async_flags,
    "declared": async_declared,
    "late": async_late,
    "early": async_early,
    "error": async_error,
    "away": async_away,
    "gated": async_restricted("switch"),
    "shut": async_restricted("unknown"),
}


def make_app(signakit: SignaKit, endpoints: dict[str, Any]) -> Starlette:
    routes = [Route(f"/{name}", endpoint, methods=METHODS) for name, endpoint in endpoints.items()]
    handlers: dict[Any, Any] = {LookupError: handle}
    return Starlette(
        routes=[*routes, WebSocketRoute("/accepted", accepted), Mount("/mounted", app=Starlette(routes=routes))],
        lifespan=signakit.lifespan,
        middleware=[*signakit.middleware, AUTHENTICATION],
        exception_handlers=handlers,
    )


class AsyncStarlette(AsgiAdapter):
    name = "starlette async"
    is_async = True

    @staticmethod
    def make_app(signakit: SignaKit) -> Any:
        return make_app(signakit, ASYNC)


class SyncStarlette(AsgiAdapter):
    name = "starlette sync"

    @staticmethod
    def make_app(signakit: SignaKit) -> Any:
        return make_app(signakit, SYNC)


ADAPTERS = [AsyncStarlette, SyncStarlette]
