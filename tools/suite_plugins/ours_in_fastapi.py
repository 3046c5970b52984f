"""A pytest plugin that gives each FastAPI application of a suite our middleware and our lifespan around its own."""

from typing import Any
from unittest import mock

import fastapi
from counts import counts
from starlette.types import Receive, Scope, Send

from signakit_fastapi import SignaKit, SignaKitMiddleware

initialise = fastapi.FastAPI.__init__
serve = SignaKitMiddleware.__call__


def initialise_with_ours(self: fastapi.FastAPI, *arguments: Any, **options: Any) -> None:
    initialise(self, *arguments, **options)
    signakit = SignaKit()
    # Not `lifespan=`: beside that, FastAPI runs none of the handlers of `on_event`, which may be added later.
    self.router.lifespan_context = signakit.lifespan_around(self.router.lifespan_context)
    self.add_middleware(SignaKitMiddleware, signakit=signakit)
    counts["applications"] += 1


async def counted(self: SignaKitMiddleware, scope: Scope, receive: Receive, send: Send) -> None:
    counts["requests"] += scope["type"] in {"http", "websocket"}
    await serve(self, scope, receive, send)


mock.patch.object(fastapi.FastAPI, "__init__", initialise_with_ours).start()
mock.patch.object(SignaKitMiddleware, "__call__", counted).start()
