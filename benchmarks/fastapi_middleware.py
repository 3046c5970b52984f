"""What flags cost a request of FastAPI or Starlette: one that asks for none, and one that asks.

    python3 dev.py run python benchmarks/fastapi_middleware.py

Each application serves the same requests as the same one without flags, in interleaved rounds; the cost is the
difference of the medians, in CPU time of the process, all threads included. The last line is a visitor with a cookie
who asks for an A/B flag, whose exposure was sent before.
"""

from __future__ import annotations

import asyncio
import gc
import statistics
import threading
import time
from typing import TYPE_CHECKING, Any

import fastapi
import starlette
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from signakit_dev.testing import Emulator
from signakit_fastapi import Flags, SignaKit, SignaKitMiddleware

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import Message, Receive, Scope, Send

ROUNDS = 15
REQUESTS = 2_000
HEADERS = [
    (b"host", b"testserver"),
    (b"user-agent", b"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
    (b"cookie", b"visitor_id=8c1f2a52-7d0e-4a52-9a5c-0d3b8f6f2b11"),
]


def main() -> None:
    """Print a table."""
    print(f"FastAPI {fastapi.__version__}, Starlette {starlette.__version__}, {ROUNDS} rounds of {REQUESTS} requests")
    print(f"{'':34}{'us':>8}")
    with Emulator() as emulator:
        asyncio.run(measure(emulator))


async def measure(emulator: Emulator) -> None:
    """Measure on a running loop, as a server does."""
    urls = {"cdn_url": emulator.url, "events_url": emulator.events_url}
    signakit = SignaKit(emulator.sdk_key, polling_interval=0, **urls)  # type: ignore[arg-type]  # a dict of keywords
    threads = threading.active_count()
    async with signakit:
        for name, path, without, with_flags in contestants(signakit):
            await run(with_flags, [scope_of(path)])  # builds its middleware, and sends the exposure
            await asyncio.sleep(0.1)
            print(f"{name:34}{await cost(path, without, with_flags):8.2f}")
    print(f"threads started: {threading.active_count() - threads}")


def contestants(signakit: SignaKit) -> list[tuple[str, str, Any, Any]]:
    """Return a name, a path, an application without flags, and the same with flags."""
    response = Response()

    async def bare(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def endpoint(_request: Request) -> Response:
        return response

    def of_starlette(**keywords: Any) -> Starlette:
        return Starlette(routes=[Route("/", endpoint)], **keywords)

    def of_fastapi(*, asks: bool = False, **keywords: Any) -> FastAPI:
        app = FastAPI(**keywords)

        @app.get("/")
        async def untouched() -> Response:
            return response

        if asks:

            @app.get("/flags")
            async def flags(flags: Flags) -> Response:
                flags.variation("new-checkout")
                return response

        else:
            app.get("/flags")(untouched)
        return app

    middleware = signakit.middleware
    return [
        ("asks for none, bare ASGI", "/", bare, SignaKitMiddleware(bare, signakit=signakit)),
        ("asks for none, Starlette", "/", of_starlette(), of_starlette(middleware=middleware)),
        ("asks for none, FastAPI", "/", of_fastapi(), of_fastapi(middleware=middleware)),
        ("asks, FastAPI", "/flags", of_fastapi(), of_fastapi(asks=True, middleware=middleware)),
    ]


async def cost(path: str, without: Any, with_flags: Any) -> float:
    """Return the microseconds that flags add to a request."""
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(ROUNDS):
        for app, measured in zip((without, with_flags), times, strict=True):
            scopes = [scope_of(path) for _ in range(REQUESTS)]
            gc.collect()
            measured.append(await run(app, scopes))
    return (statistics.median(times[1]) - statistics.median(times[0])) / REQUESTS * 1e6


def scope_of(path: str) -> dict[str, Any]:
    """Return a request as a server hands it on."""
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": HEADERS,
        "client": ("127.0.0.1", 1),
        "server": ("testserver", 80),
        "state": {},
    }


async def run(app: Any, scopes: list[dict[str, Any]]) -> float:
    """Serve the requests, and return the CPU seconds."""

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(_message: Message) -> None:
        pass

    start = time.process_time()
    for scope in scopes:
        await app(scope, receive, send)
    return time.process_time() - start


if __name__ == "__main__":
    main()
