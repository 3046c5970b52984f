"""What a middleware costs a Django request that asks for no flag: ours, and those of PostHog and django-waffle.

    python3 dev.py run --with django-waffle --with posthog python benchmarks/django_middleware.py

Peers that are not installed are left out. Each contestant serves the same requests around a view that does nothing, in
interleaved rounds; the cost is the median of its rounds less that of the view alone, in CPU time of the process, all
threads included. "hops" counts requests whose view ran on another thread than the event loop's.
"""

from __future__ import annotations

import asyncio
import gc
import statistics
import threading
import time
from importlib import import_module
from typing import TYPE_CHECKING, Any

import django
from django.conf import settings
from django.http import HttpResponse
from django.test import RequestFactory

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS = 15
REQUESTS = 2_000
MIDDLEWARE = {
    "signakit-django": "signakit_django.middleware.SignaKitMiddleware",
    "posthog": "posthog.integrations.django.PosthogContextMiddleware",
    "django-waffle": "waffle.middleware.WaffleMiddleware",
}


def main() -> None:
    """Print a table."""
    settings.configure(
        INSTALLED_APPS=["signakit_django"],
        SIGNAKIT={"SDK_KEY": "sk_dev_org_1_benchmark", "CDN_URL": "http://127.0.0.1:9", "READY_TIMEOUT": 0},
        ALLOWED_HOSTS=["*"],
        POSTHOG_API_KEY="phc_benchmark",
        POSTHOG_HOST="http://127.0.0.1:9",
    )
    django.setup()
    contestants = {name: found for name, path in MIDDLEWARE.items() if (found := load(path)) is not None}
    print(f"Django {django.get_version()}, {ROUNDS} rounds of {REQUESTS} requests")
    print(f"{'':18}{'sync, us':>10}{'async, us':>11}{'hops':>7}")
    sync_costs = costs(contestants, run_sync)
    hops: dict[str, int] = {}
    async_costs = costs(contestants, lambda middleware, requests: asyncio.run(run_async(middleware, requests, hops)))
    for name in contestants:
        share = hops.get(name, 0) / (ROUNDS * REQUESTS)
        print(f"{name:18}{sync_costs[name]:10.2f}{async_costs[name]:11.2f}{share:7.0%}")


def load(path: str) -> Any:
    """Return a middleware class, or None where its package is not installed."""
    module, _, name = path.rpartition(".")
    try:
        return getattr(import_module(module), name)
    except ImportError:
        return None


def costs(contestants: dict[str, Any], run: Callable[[Any, list[Any]], float]) -> dict[str, float]:
    """Return the microseconds that each adds to a request."""
    factory = RequestFactory(headers={"user-agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Firefox/140.0"})
    times: dict[str, list[float]] = {name: [] for name in ["", *contestants]}
    for _ in range(ROUNDS):
        for name, measured in times.items():
            requests = [factory.get("/") for _ in range(REQUESTS)]
            gc.collect()
            measured.append(run((name, contestants.get(name)), requests))
    alone = statistics.median(times[""])
    return {name: (statistics.median(times[name]) - alone) / REQUESTS * 1e6 for name in contestants}


def run_sync(contestant: tuple[str, Any], requests: list[Any]) -> float:
    """Serve the requests, and return the CPU seconds."""
    response = HttpResponse()

    def view(_request: Any) -> HttpResponse:
        return response

    serve = view if contestant[1] is None else contestant[1](view)
    start = time.process_time()
    for request in requests:
        serve(request)
    return time.process_time() - start


async def run_async(contestant: tuple[str, Any], requests: list[Any], hops: dict[str, int]) -> float:
    """The same, on an event loop."""
    response = HttpResponse()
    name, middleware = contestant
    here = threading.get_ident()

    async def view(_request: Any) -> HttpResponse:
        if threading.get_ident() != here:
            hops[name] = hops.get(name, 0) + 1
        return response

    serve = view if middleware is None else middleware(view)
    start = time.process_time()
    for request in requests:
        await serve(request)
    return time.process_time() - start


if __name__ == "__main__":
    main()
