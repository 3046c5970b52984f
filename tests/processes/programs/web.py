"""An application for real servers, by WSGI and by ASGI: every request decides, and tracks one numbered event.

The path is ``/USER/NUMBER``; the answer says which process gave it, what ``tgt`` is for that user, and whether the
worker has a thread of ours. The client is made and made ready where a server imports the module.
"""

from __future__ import annotations

import json
import os
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from common import make_client, ours

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable

client = make_client(polling_interval=0.05)


def visit(path: str) -> bytes:
    user, number = path.strip("/").split("/")
    context = client.create_user_context(user)
    assert context is not None
    context.decide("exp")
    context.track("visit", metadata={"n": int(number)})
    return json.dumps({"pid": os.getpid(), "tgt": context.variation("tgt"), "ours": ours()}).encode()


if "WSGI" in os.environ:
    client.on_ready_sync()


def wsgi(environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
    time.sleep(0.005)  # so that every worker gets its share
    body = visit(environ["PATH_INFO"])
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


@asynccontextmanager
async def lifespan() -> AsyncIterator[None]:
    async with client:
        yield


async def asgi(scope: dict[str, Any], receive: Callable[..., Any], send: Callable[..., Any]) -> None:
    if scope["type"] == "lifespan":
        await receive()
        async with lifespan():
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    body = visit(scope["path"])
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})
