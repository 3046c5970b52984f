"""A FastAPI application as it is run by servers: settings come from the environment."""

from __future__ import annotations

import asyncio
import os
import threading
from typing import TYPE_CHECKING, Any

from fastapi import Depends, FastAPI, WebSocket
from fastapi.responses import StreamingResponse

from signakit_fastapi import Flags, Identity, SignaKit, health, require_flag
from support.facts import worker_facts

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import HTTPConnection


async def by_query(connection: HTTPConnection) -> Identity | None:
    """Say who asks by the address, and which process serves them."""
    user = connection.query_params.get("user")
    return None if user is None else Identity(user, {"pid": os.getpid()})


signakit = SignaKit(
    identify=by_query,
    polling_interval=float(os.environ.get("SITE_POLLING_INTERVAL", "0.2")),
    ready_timeout=float(os.environ.get("SITE_READY_TIMEOUT", "10")),
)
app = FastAPI(lifespan=signakit.lifespan, middleware=signakit.middleware)
app.get("/health")(health)
streams: dict[str, int] = {"begun": 0, "ended": 0}


@app.get("/async/worker")
async def async_worker(flags: Flags) -> dict[str, Any]:
    return worker_facts(flags)


@app.get("/sync/worker")
def sync_worker(flags: Flags) -> dict[str, Any]:
    return worker_facts(flags)


@app.get("/threads")
async def threads() -> list[str]:
    """Name every thread of the process, whoever started it."""
    return [thread.name for thread in threading.enumerate()]


@app.get("/stream")
async def stream(flags: Flags) -> StreamingResponse:
    assert flags.user_id  # asked before the response starts

    async def body() -> AsyncIterator[str]:
        streams["begun"] += 1
        try:
            while True:
                yield f"data: {flags.variation('switch')}\n\n" + ":" * 10_000
                await asyncio.sleep(0.01)
        finally:
            streams["ended"] += 1

    return StreamingResponse(body(), media_type="text/event-stream")


@app.get("/streams")
async def count_streams() -> dict[str, int]:
    return streams


@app.websocket("/ws")
async def ws(socket: WebSocket, flags: Flags) -> None:
    user_id = flags.user_id  # before the handshake is answered
    await socket.accept()
    await socket.send_json({**worker_facts(flags), "user": user_id, "bot": flags.is_bot})
    await socket.close()


@app.websocket("/ws/gate", dependencies=[Depends(require_flag("unknown"))])
async def ws_gate(_socket: WebSocket) -> None:
    raise AssertionError
