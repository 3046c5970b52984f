"""FastAPI behind the contract: ``async def`` and ``def`` endpoints."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse, PlainTextResponse, RedirectResponse, StreamingResponse
from starlette.routing import WebSocketRoute

from signakit_fastapi import Flags, get_flags, require_flag
from support.asgi import AUTHENTICATION, AsgiAdapter, accepted
from support.facts import caching, facts

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from signakit_fastapi import SignaKit

METHODS = ["GET", "HEAD", "OPTIONS", "POST"]

async_site = APIRouter()
sync_site = APIRouter()


@async_site.get("/untouched")
async def async_untouched() -> dict[str, int]:
    return {"thread": threading.get_ident()}


@sync_site.get("/untouched")
def sync_untouched() -> dict[str, int]:
    return {"thread": threading.get_ident()}


@async_site.get("/lazy")
@sync_site.get("/lazy")
def lazy(request: Request) -> PlainTextResponse:
    request.state.flags.touched  # noqa: B018  # asks nothing
    repr(request.state.flags)
    return PlainTextResponse("lazy", headers={"Vary": "Accept"})


@async_site.api_route("/flags", methods=METHODS)
async def async_flags(request: Request, flags: Flags) -> JSONResponse:
    cached = caching(request.headers.get("x-cache-control"))
    return JSONResponse(facts(flags), headers={"Vary": "Accept-Language", **cached})


@async_site.get("/declared")
async def async_declared(flags: Flags) -> str:
    assert not flags.touched  # type: ignore[attr-defined]  # of a lazy context
    return "declared"


@sync_site.api_route("/flags", methods=METHODS)
def sync_flags(request: Request, flags: Flags) -> JSONResponse:
    cached = caching(request.headers.get("x-cache-control"))
    return JSONResponse(facts(flags), headers={"Vary": "Accept-Language", **cached})


@sync_site.get("/declared")
def sync_declared(flags: Flags) -> str:
    assert not flags.touched  # type: ignore[attr-defined]  # of a lazy context
    return "declared"


@async_site.get("/late")
async def async_late(request: Request) -> StreamingResponse:
    async def body() -> AsyncIterator[str]:
        yield "first "
        await asyncio.sleep(0)
        yield repr((await get_flags(request)).decide("exp"))

    return StreamingResponse(body())


@sync_site.get("/late")
def sync_late(request: Request) -> StreamingResponse:
    def body() -> Iterator[str]:
        yield "first "
        yield repr(request.state.flags.decide("exp"))

    return StreamingResponse(body())


@async_site.get("/early")
async def async_early(flags: Flags) -> StreamingResponse:
    assert flags.user_id

    async def body() -> AsyncIterator[str]:
        await asyncio.sleep(0)
        yield flags.variation("exp")

    return StreamingResponse(body())


@sync_site.get("/early")
def sync_early(flags: Flags) -> StreamingResponse:
    assert flags.user_id

    def body() -> Iterator[str]:
        yield flags.variation("exp")

    return StreamingResponse(body())


@async_site.get("/error")
async def async_error(flags: Flags) -> None:
    flags.decide("exp")
    raise LookupError("a mistake of the application's")


@sync_site.get("/error")
def sync_error(flags: Flags) -> None:
    flags.decide("exp")
    raise LookupError("a mistake of the application's")


@async_site.get("/away")
async def async_away(flags: Flags) -> RedirectResponse:
    flags.decide("exp")
    return RedirectResponse("/elsewhere", 302)


@sync_site.get("/away")
def sync_away(flags: Flags) -> RedirectResponse:
    flags.decide("exp")
    return RedirectResponse("/elsewhere", 302)


def handle(_request: Request, error: Exception) -> PlainTextResponse:
    # Starlette answers what nobody handles outside of all middleware, and so without a cookie.
    return PlainTextResponse(f"{error}", 500)


def token_user(request: Request) -> str:
    scheme, _, name = request.headers.get("authorization", "").partition(" ")
    if scheme != "Name":
        raise HTTPException(401)
    return name


def add_gated(app: FastAPI, signakit: SignaKit, *, is_async: bool) -> None:
    """Add the routes in which a dependency finds out who asks."""
    token_flags = signakit.flags_from(token_user)

    async def async_gated(flags: Any = Depends(token_flags)) -> dict[str, Any]:
        return facts(flags)

    def sync_gated(flags: Any = Depends(token_flags)) -> dict[str, Any]:
        return facts(flags)

    for path, key in (("/gated", "switch"), ("/shut", "unknown")):
        restricted = [Depends(require_flag(key, flags=token_flags))]
        app.get(path, dependencies=restricted)(async_gated if is_async else sync_gated)


def make_app(signakit: SignaKit, router: APIRouter) -> FastAPI:
    handlers: dict[Any, Any] = {LookupError: handle}
    app = FastAPI(
        lifespan=signakit.lifespan, middleware=[*signakit.middleware, AUTHENTICATION], exception_handlers=handlers
    )
    app.include_router(router)
    add_gated(app, signakit, is_async=router is async_site)
    app.router.routes.append(WebSocketRoute("/accepted", accepted))
    mounted = FastAPI()
    mounted.include_router(router)
    app.mount("/mounted", mounted)
    return app


class AsyncFastAPI(AsgiAdapter):
    name = "fastapi async"
    is_async = True

    @staticmethod
    def make_app(signakit: SignaKit) -> Any:
        return make_app(signakit, async_site)


class SyncFastAPI(AsgiAdapter):
    name = "fastapi sync"

    @staticmethod
    def make_app(signakit: SignaKit) -> Any:
        return make_app(signakit, sync_site)


ADAPTERS = [AsyncFastAPI, SyncFastAPI]
