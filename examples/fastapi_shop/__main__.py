"""For `signakit demo --shop fastapi`. By itself it runs as any FastAPI application does: see README.md."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from signakit_dev._demo.shop_server import serve
from signakit_dev._demo.visitors import keep_visiting

from .app import app, signakit


def with_visitors(visitors: float) -> FastAPI:
    """Return the shop; `visitors` synthetic ones a second come while it runs."""

    @asynccontextmanager
    async def visiting(_app: FastAPI) -> AsyncIterator[None]:
        client = signakit.client
        assert client is not None
        task = asyncio.create_task(keep_visiting(client, visitors))
        yield
        task.cancel()

    app.router.lifespan_context = signakit.lifespan_around(visiting)
    return app


if __name__ == "__main__":
    serve("fastapi_shop", with_visitors)
