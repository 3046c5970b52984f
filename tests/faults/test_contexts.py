"""Our threads and tasks belong to no request: they keep nothing of the context of the call that starts them."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import logging
import os
import subprocess
import sys
import threading
import weakref
from typing import TYPE_CHECKING, Any

import pytest

from signakit_dev.testing import Emulator
from signakit_flags import SignaKitClient
from support.configs import SDK_KEY, config, flag, whole
from support.faults import threads_of_ours
from support.programs import take
from support.server import FlagServer, status, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.usefixtures("contexts_go_into_threads")


class Request:
    """Stands for all that a web framework keeps in the context of a request."""


request_variable: contextvars.ContextVar[Request | None] = contextvars.ContextVar("request", default=None)


@pytest.fixture
def contexts_go_into_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread runs in a copy of the context that starts it, as under Sentry, OpenTelemetry, and an option of 3.14."""
    start = threading.Thread.start

    def start_with_context(thread: threading.Thread) -> None:
        context, run = contextvars.copy_context(), thread.run
        thread.run = lambda: context.run(run)  # type: ignore[method-assign]
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", start_with_context)


@pytest.fixture
def client(server: FlagServer) -> Iterator[SignaKitClient]:
    server.set_config(config(flag("switch", allocation=whole("on"))))
    client = SignaKitClient(SDK_KEY, polling_interval=0.05, **server.urls)
    yield client
    client.close()


@pytest.fixture
def seen_by_logs() -> Iterator[list[Request | None]]:
    """Which request each line of our log was written in."""
    seen: list[Request | None] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            seen.append(request_variable.get())

    handler, logger = Handler(), logging.getLogger("signakit_flags")
    logger.addHandler(handler)
    yield seen
    logger.removeHandler(handler)


def serve(work: Callable[[], Any]) -> weakref.ref[Request]:
    """Do ``work`` in the context of a request that ends with it, and return the request, weakly."""

    def run() -> weakref.ref[Request]:
        request = Request()
        request_variable.set(request)
        work()
        return weakref.ref(request)

    return contextvars.Context().run(run)


def is_gone(request: weakref.ref[Request]) -> bool:
    def collected() -> bool:
        gc.collect()
        return request() is None

    return wait_until(collected)


def decide(client: SignaKitClient) -> None:
    context = client.create_user_context("u")
    assert context is not None
    assert context.variation("switch") == "on"


def test_the_stand_in_carries_contexts_into_threads() -> None:
    seen: list[Request | None] = []

    def work() -> None:
        thread = threading.Thread(target=lambda: seen.append(request_variable.get()))
        thread.start()
        thread.join()

    serve(work)
    assert isinstance(seen[0], Request)


def test_a_poller_that_a_request_starts(
    server: FlagServer, client: SignaKitClient, seen_by_logs: list[Request | None]
) -> None:
    request = serve(client.on_ready_sync)
    assert {thread.name for thread in threads_of_ours()} == {"signakit-poller"}
    assert is_gone(request)
    server.config_fault = status(503)
    assert wait_until(lambda: bool(seen_by_logs))
    assert set(seen_by_logs) == {None}


def test_a_sender_that_a_request_starts(
    server: FlagServer, client: SignaKitClient, seen_by_logs: list[Request | None]
) -> None:
    client.on_ready_sync()
    server.events_fault = status(403)
    request = serve(lambda: decide(client))
    assert is_gone(request)
    client.flush_sync(10)
    assert set(seen_by_logs) == {None}
    assert {thread.name for thread in threads_of_ours()} == {"signakit-poller", "signakit-sender"}


def test_a_poller_that_a_request_revives_after_the_end_of_the_home_loop(client: SignaKitClient) -> None:
    asyncio.run(client.on_ready())
    assert threads_of_ours() == set()
    request = serve(lambda: client.create_user_context("u"))
    assert {thread.name for thread in threads_of_ours()} == {"signakit-poller"}
    assert is_gone(request)


def test_tasks_of_a_home_loop_that_a_request_adopts(
    server: FlagServer, client: SignaKitClient, seen_by_logs: list[Request | None]
) -> None:
    async def application() -> None:
        async def handle() -> weakref.ref[Request]:
            request = Request()
            request_variable.set(request)
            await client.on_ready()
            decide(client)
            return weakref.ref(request)

        server.events_fault = status(403)
        request = await asyncio.create_task(handle(), context=contextvars.Context())
        await client.flush(10)
        while request() is not None:
            gc.collect()
            await asyncio.sleep(0.01)
        server.config_fault = status(503)
        while client.status().last_error != "the CDN answered HTTP 503":  # noqa: ASYNC110  # nothing tells
            await asyncio.sleep(0.01)

    asyncio.run(asyncio.wait_for(application(), 30))
    assert len(seen_by_logs) >= 2
    assert set(seen_by_logs) == {None}


def test_an_emulator_that_a_test_starts() -> None:
    emulator = Emulator()
    request = serve(emulator.__enter__)
    assert is_gone(request)
    emulator.__exit__(None, None, None)


PROGRAM = """
import sentry_sdk
from sentry_sdk.transport import Transport

class Print(Transport):
    def capture_envelope(self, envelope):
        for item in envelope.items:
            if item.payload.json:
                print(item.payload.json["logentry"]["message"], "of", item.payload.json.get("user"))

sentry_sdk.init("http://public@sentry.invalid/1", transport=Print, auto_enabling_integrations=False)
from signakit_flags import SignaKitClient

client = SignaKitClient({key!r}, polling_interval=0)
client.on_ready_sync()
for user in ("alice", "bob"):
    with sentry_sdk.isolation_scope():
        sentry_sdk.set_user({{"id": user}})
        client.create_user_context(user).track("purchase")
        client.flush_sync(10)
client.close()
sentry_sdk.flush(0)
"""


def test_an_error_of_the_sender_is_no_users_error_in_sentry(server: FlagServer) -> None:
    server.events_faults = [take, status(403)]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(key=SDK_KEY)],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
        env={**os.environ, "SIGNAKIT_EMULATOR_URL": server.url},
    )
    [line] = done.stdout.splitlines()
    assert line.startswith("the server refused")
    assert line.endswith(" of None")
