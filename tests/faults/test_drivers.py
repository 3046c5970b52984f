"""Pollers and senders that end, fail or cannot be had while somebody waits for them, and logs that misbehave."""

from __future__ import annotations

import asyncio
import logging
import math
import sys
import threading
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from signakit_flags import SignaKitClient
from signakit_flags._runtime import loop_driver, thread_driver
from signakit_flags._runtime.config_feed import ConfigFeed
from support.configs import SDK_KEY, config, flag, whole
from support.faults import arrived, once_each, threads_of_ours, within
from support.programs import Gate, take
from support.server import FlagServer, status, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.faces import Face

pytestmark = pytest.mark.usefixtures("ended_loops")

WATCHDOG = 30.0
USERS = [f"u{number}" for number in range(250)]


def make(server: FlagServer, **settings: Any) -> SignaKitClient:
    return SignaKitClient(SDK_KEY, **{**server.urls, "polling_interval": 0, **settings})


def expose(client: SignaKitClient, *users: str) -> None:
    for user in users:
        context = client.create_user_context(user)
        assert context is not None
        assert context.variation("exp") in {"control", "treatment"}


def assert_only_the_batch_in_flight_came_twice(server: FlagServer, gate: Gate) -> None:
    """Its task was cancelled: it is sent again, perhaps before the server has taken it for the first time."""
    twice = [event["userId"] for event in gate.events]
    server.wait_for_events(len(USERS) + len(twice))
    assert arrived(server) == once_each(USERS) + once_each(twice)


def version_2(server: FlagServer) -> None:
    server.set_config(config(flag("switch", allocation=whole("off")), version=2))


# --- a home loop that goes away while somebody closes -----------------------------------------------------------------


async def _cancel_all_but(*tasks: asyncio.Task[Any] | None) -> None:
    for task in asyncio.all_tasks() - {asyncio.current_task(), *tasks}:
        task.cancel()
    await asyncio.sleep(0)


@pytest.mark.parametrize("elsewhere", [False, True], ids=["aclose here", "close in a thread"])
def test_a_close_goes_on_when_every_other_task_of_the_home_loop_is_cancelled(
    server: FlagServer, *, elsewhere: bool
) -> None:
    gate = Gate(take)
    server.events_faults = [gate]
    client = make(server)

    async def serve() -> None:
        await client.on_ready()
        expose(client, *USERS)
        while gate.held == 0:  # noqa: ASYNC110  # nothing tells
            await asyncio.sleep(0.005)
        end = asyncio.to_thread(client.close, WATCHDOG) if elsewhere else client.aclose(WATCHDOG)
        closing = asyncio.create_task(end)
        await asyncio.sleep(0.05)
        await _cancel_all_but(closing)
        gate.open()
        await closing

    within(WATCHDOG, lambda: asyncio.run(serve()))
    assert client.status().dropped == 0
    assert_only_the_batch_in_flight_came_twice(server, gate)


def test_an_aclose_elsewhere_goes_on_when_the_home_loop_ends_and_its_own_loop_is_not_held_up(
    server: FlagServer,
) -> None:
    gate = Gate(take)
    server.events_faults = [gate]
    client = make(server)
    ready, leave = threading.Event(), threading.Event()

    async def be_home() -> None:
        await client.on_ready()
        ready.set()
        while not leave.is_set():  # noqa: ASYNC110  # told from another thread
            await asyncio.sleep(0.005)

    home = threading.Thread(target=lambda: asyncio.run(be_home()))
    home.start()
    assert ready.wait(WATCHDOG)
    expose(client, *USERS)
    assert wait_until(lambda: gate.held == 1)

    async def close() -> None:
        closing = asyncio.create_task(client.aclose(WATCHDOG))
        await asyncio.sleep(0.01)
        leave.set()
        while home.is_alive():  # noqa: ASYNC110  # a loop that is held up does not come to see it
            await asyncio.sleep(0.005)
        gate.open()
        await closing

    within(WATCHDOG, lambda: asyncio.run(close()))
    home.join()
    assert client.status().dropped == 0
    assert_only_the_batch_in_flight_came_twice(server, gate)


# --- no thread to be had ----------------------------------------------------------------------------------------------


@pytest.fixture
def no_threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    """No thread of ours can be started, as at the limit of a container, until the fixture's value is called.

    The limit itself cannot be had: it would hold for the test's server, too, and not for root.
    """
    start = threading.Thread.start

    def refuse(thread: threading.Thread) -> None:
        if thread.name.startswith("signakit"):
            raise RuntimeError("can't start new thread")
        start(thread)

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        yield patch.undo


@pytest.mark.usefixtures("no_threads")
def test_without_threads_the_sync_verbs_do_it_in_the_calling_thread(server: FlagServer) -> None:
    client = make(server)
    assert within(WATCHDOG, client.on_ready_sync).success
    expose(client, *USERS)
    assert within(WATCHDOG, client.flush_sync)
    version_2(server)
    assert within(WATCHDOG, client.refresh_sync)
    assert client.status().version == 2
    client.close()
    assert arrived(server) == once_each(USERS)


@pytest.mark.usefixtures("no_threads")
@pytest.mark.parametrize("verb", ["flush", "aclose"])
def test_without_threads_the_awaited_verbs_do_it_on_their_loop(server: FlagServer, verb: str) -> None:
    client = make(server)
    assert within(WATCHDOG, client.on_ready_sync).success
    expose(client, *USERS)
    within(WATCHDOG, lambda: asyncio.run(getattr(client, verb)(WATCHDOG)))
    assert arrived(server) == once_each(USERS)
    client.close()


def test_polling_goes_on_once_there_are_threads_again(server: FlagServer, no_threads: Callable[[], None]) -> None:
    client = make(server, polling_interval=0.02)
    assert within(WATCHDOG, client.on_ready_sync).success
    no_threads()
    version_2(server)

    def sees_it() -> bool:
        context = client.create_user_context("u")
        return context is not None and context.variation("switch") == "off"

    assert wait_until(sees_it)
    client.close()


# --- an injected client alone -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["flush", "aclose"])
def test_a_sync_client_that_was_injected_alone_makes_the_requests_of_the_awaited_verbs(
    server: FlagServer, end: str
) -> None:
    """A client of our own would go past it: to the real service, from a test that injects one that answers itself."""
    used: list[str] = []
    with httpx.Client(event_hooks={"request": [lambda request: used.append(request.method)]}) as http:
        client = make(server, sync_client=http)

        async def serve() -> None:
            assert (await client.on_ready()).success
            assert await client.refresh()
            expose(client, "u")
            await getattr(client, end)(WATCHDOG)
            assert not client._engine.handover.driver.may_vanish
            await client.aclose()

        within(WATCHDOG, lambda: asyncio.run(serve()))
    assert used == ["GET", "GET", "POST"]
    assert (len(server.config_requests), server.posts) == (2, 1)


def test_awaiting_a_sync_client_that_was_injected_alone_waits_for_a_thread(
    server: FlagServer, no_threads: Callable[[], None]
) -> None:
    with httpx.Client() as http:
        client = make(server, sync_client=http)

        async def serve() -> None:
            assert not (await client.on_ready(0)).success
            assert not (await client.on_ready(0.01)).success
            loading = asyncio.create_task(client.on_ready(WATCHDOG))
            await asyncio.sleep(0)
            no_threads()
            assert (await loading).success
            await client.aclose()

        within(WATCHDOG, lambda: asyncio.run(serve()))


# --- loops with a task factory of their own ---------------------------------------------------------------------------


@pytest.mark.skipif(sys.version_info < (3, 12), reason="Python 3.12 brought eager tasks")
def test_an_eager_task_factory_stops_neither_poller_nor_sender(server: FlagServer) -> None:
    async def serve() -> None:
        factory: Any = asyncio.eager_task_factory  # type: ignore[attr-defined, unused-ignore]
        asyncio.get_running_loop().set_task_factory(factory)
        client = make(server, polling_interval=0.02)
        await client.on_ready()
        client._engine.handover.driver.wake_sender()  # with nothing to send: the flow goes as far as it can at once
        client._engine.handover.driver.wake_poller()
        await asyncio.sleep(0.05)
        expose(client, *USERS)
        assert await client.flush(WATCHDOG)
        version_2(server)
        while client.status().version != 2:  # noqa: ASYNC110  # nothing tells
            await asyncio.sleep(0.005)
        await client.aclose()

    within(WATCHDOG, lambda: asyncio.run(serve()))
    assert arrived(server) == once_each(USERS)


# --- a flow that fails by a mistake of ours ---------------------------------------------------------------------------


def test_a_poller_that_failed_begins_anew_by_itself(
    face: Face, server: FlagServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for module in (thread_driver, loop_driver):
        monkeypatch.setattr(module, "CRASH_PAUSE", 0.02)
    client = face.client(polling_interval=0.02)
    assert face.on_ready(client).success
    wait = ConfigFeed.wait
    mistakes = iter([ZeroDivisionError])

    def mistaken(feed: ConfigFeed, now: float) -> float | None:
        for mistake in mistakes:
            raise mistake
        return wait(feed, now)

    monkeypatch.setattr(ConfigFeed, "wait", mistaken)
    assert face.wait_until(lambda: "signakit-poller failed" in caplog.text)
    version_2(server)
    assert face.wait_until(lambda: client.status().version == 2)


# --- logs -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def handler() -> Iterator[logging.Handler]:
    """A handler of the application's, on our logger."""
    logger = logging.getLogger("signakit_flags")
    ours = logging.Handler()
    logger.addHandler(ours)
    yield ours
    logger.removeHandler(ours)


@pytest.mark.usefixtures("quick_retries")
def test_a_log_handler_that_raises_stops_neither_polling_nor_sending(
    face: Face, server: FlagServer, handler: logging.Handler, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def full(record: logging.LogRecord) -> None:
        asked.append(record.getMessage())
        raise OSError("no space left on device")

    monkeypatch.setattr(handler, "emit", full)
    server.config_fault = server.events_fault = status(500)
    client = face.client(polling_interval=0.02)
    assert not face.on_ready(client).success
    assert client.create_user_context("u") is None  # said at ERROR
    server.config_fault = None
    assert face.wait_until(lambda: client.is_ready)
    expose(client, *USERS)
    assert face.wait_until(lambda: any("events cannot be sent" in line for line in asked))
    server.events_fault = None
    assert face.flush(client, WATCHDOG)
    version_2(server)
    assert face.wait_until(lambda: client.status().version == 2)
    assert arrived(server) == once_each(USERS)


@pytest.mark.usefixtures("quick_retries")
def test_nobody_waits_for_a_log_handler_but_the_one_who_logs(
    face: Face, server: FlagServer, handler: logging.Handler, monkeypatch: pytest.MonkeyPatch
) -> None:
    held, go_on = threading.Event(), threading.Event()

    def slow(record: logging.LogRecord) -> None:
        if "cannot be sent" in record.getMessage():
            held.set()
            go_on.wait(WATCHDOG)

    server.events_fault = status(500)
    client = make(server)  # its threads log, whoever the face is
    assert client.on_ready_sync().success
    monkeypatch.setattr(handler, "emit", slow)
    try:
        expose(client, "u")
        assert held.wait(WATCHDOG)
        assert within(WATCHDOG, lambda: face.flush(client, 0.05)) is False
        assert client.status().queued == 1
        expose(client, "v")
        assert not go_on.is_set()
    finally:
        go_on.set()
    server.events_fault = None
    assert client.flush_sync(WATCHDOG)
    client.close()
    assert arrived(server) == once_each(["u", "v"])


def test_a_log_handler_that_flushes_does_not_lock_up_with_the_sender(
    server: FlagServer, handler: logging.Handler, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = make(server)
    assert client.on_ready_sync().success
    gate = Gate(status(500))
    server.events_fault = gate

    def ship(record: logging.LogRecord) -> None:
        if record.getMessage() == "the application's own":
            gate.open()  # now the sender has something to log, and the lock of this handler is ours
            client.flush_sync(0.2)

    monkeypatch.setattr(handler, "emit", ship)
    expose(client, "u")
    within(WATCHDOG, lambda: logging.getLogger("signakit_flags").warning("the application's own"))
    server.events_fault = None
    assert within(WATCHDOG, lambda: client.flush_sync(WATCHDOG))
    client.close()


# --- ends -------------------------------------------------------------------------------------------------------------


def test_a_sender_that_waits_out_a_pause_ends_with_the_close_even_if_it_looks_too_early(
    server: FlagServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    asleep = threading.Event()
    real = thread_driver.ThreadWorker._sleep

    def sleep(worker: thread_driver.ThreadWorker, seconds: float | None) -> None:
        if worker._name == "signakit-sender":
            asleep.set()
        real(worker, seconds)

    monkeypatch.setattr(thread_driver.ThreadWorker, "_sleep", sleep)
    server.events_fault = status(503, Retry_After="3600")
    client = make(server)
    assert client.on_ready_sync().success
    expose(client, "u")
    outbox = client._engine.outbox
    abandon = outbox.abandon
    assert wait_until(lambda: client.status().last_error is not None)
    assert asleep.wait(WATCHDOG)
    asleep.clear()

    def late() -> int:
        assert asleep.wait(WATCHDOG)  # it was woken, saw that something is queued, and went to sleep again
        return abandon()

    monkeypatch.setattr(outbox, "abandon", late)
    client.close(0.05)
    assert wait_until(lambda: not threads_of_ours())


@pytest.mark.parametrize("timeout", [math.inf, 1e10])
def test_a_close_may_take_any_time(face: Face, server: FlagServer, timeout: float) -> None:
    client = face.client(polling_interval=0)
    assert face.on_ready(client).success
    expose(client, *USERS)
    within(WATCHDOG, lambda: face.close(client, timeout))
    assert arrived(server) == once_each(USERS)


def test_flushes_that_are_cancelled_leave_nothing_behind(server: FlagServer) -> None:
    server.events_fault = status(503, Retry_After="3600")
    client = make(server)

    async def serve() -> None:
        await client.on_ready()
        expose(client, "u")
        for _ in range(20):
            flushing = asyncio.create_task(client.flush())
            await asyncio.sleep(0.002)
            flushing.cancel()
            await asyncio.gather(flushing, return_exceptions=True)
        assert client._engine.outbox._waiters == []
        await client.aclose(0)

    within(WATCHDOG, lambda: asyncio.run(serve()))
