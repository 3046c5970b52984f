"""Whoever polls and sends changes while something is under way: thread and loop take over from each other, or fail.

A post that was answered is not made again, so each event arrives once; where a loop ended under a post, twice.
"""

from __future__ import annotations

import asyncio
import gc
import threading
import warnings
import weakref
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import uvloop

from signakit_flags import SignaKitClient
from signakit_flags._events.outbox import Outbox
from signakit_flags._runtime import loop_driver, thread_driver
from signakit_flags._runtime.config_feed import ConfigFeed
from support.configs import SDK_KEY, config, flag, whole
from support.faults import arrived, once_each, threads_of_ours, within
from support.programs import Gate, once, take, tracked
from support.server import FlagServer, hang, status, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from support.faces import Face

pytestmark = pytest.mark.usefixtures("ended_loops")

WATCHDOG = 30.0


def make(server: FlagServer, **settings: Any) -> SignaKitClient:
    return SignaKitClient(SDK_KEY, **{**server.urls, "polling_interval": 0, **settings})


def track(client: SignaKitClient, numbers: range) -> None:
    context = client.create_user_context("user")
    assert context is not None
    for number in numbers:
        context.track("visit", metadata={"n": number})


async def until(condition: Callable[[], object]) -> None:
    while not condition():  # noqa: ASYNC110  # nothing tells
        await asyncio.sleep(0.005)


async def _in_trouble(client: SignaKitClient) -> None:
    await until(lambda: client.status().last_error is not None)


async def _all_but_this_end() -> None:
    """Let a loop that does not go on close its connections."""
    await until(lambda: len(asyncio.all_tasks()) == 1)


def version_2(server: FlagServer) -> None:
    server.set_config(config(flag("switch", allocation=whole("off")), version=2))


# --- from a thread to a loop ------------------------------------------------------------------------------------------


ENDS: dict[str, Callable[[SignaKitClient], Coroutine[Any, Any, Any]]] = {
    "aclose": lambda client: client.aclose(WATCHDOG),
    "flush": lambda client: client.flush(WATCHDOG),
    "close-in-a-thread": lambda client: asyncio.to_thread(client.close, WATCHDOG),
    "flush-in-a-thread": lambda client: asyncio.to_thread(client.flush_sync, WATCHDOG),
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_a_loop_that_takes_over_from_a_thread_with_a_post_under_way_sends_the_rest_and_nothing_twice(
    server: FlagServer, end: Callable[[SignaKitClient], Coroutine[Any, Any, Any]]
) -> None:
    gate = Gate(take)
    server.events_faults = [gate]
    client = make(server)
    assert client.on_ready_sync().success
    track(client, range(1))
    assert wait_until(lambda: gate.held == 1)

    async def serve() -> None:
        await client.on_ready()  # this loop is the home loop from now on; the thread still waits for its answer
        track(client, range(1, 50))
        ending = asyncio.create_task(end(client))
        await asyncio.sleep(0.05)
        gate.open()
        assert await ending in {None, True}
        await client.aclose(WATCHDOG)

    within(WATCHDOG, lambda: asyncio.run(serve()))
    assert tracked(server) == {"user": once(50)}
    assert client.status().sent == 50
    assert client.status().dropped == 0
    assert server.posts == 2


# --- a home loop that ends without aclose() ---------------------------------------------------------------------------


def _by_asyncio_run(coroutine: Coroutine[Any, Any, None]) -> None:
    asyncio.run(coroutine)


def _by_uvloop(coroutine: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(coroutine)


def _by_hand(coroutine: Coroutine[Any, Any, None]) -> None:
    """As older servers and plugins of pytest do: no task is cancelled."""
    loop = asyncio.new_event_loop()
    loop.run_until_complete(coroutine)
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()


@pytest.mark.parametrize("run", [_by_asyncio_run, _by_uvloop, _by_hand])
@pytest.mark.parametrize("held", [True, False], ids=["client-held", "client-dropped"])
@pytest.mark.parametrize("busy", [True, False], ids=["busy", "idle"])
def test_a_loop_that_ends_without_aclose_leaves_no_connection(
    server: FlagServer, run: Callable[[Coroutine[Any, Any, None]], None], *, held: bool, busy: bool
) -> None:
    """Else the collector complains about it, and with ``-W error`` a later test of an application fails by that."""
    clients: list[SignaKitClient] = []

    async def application() -> None:
        client = make(server, polling_interval=30)
        if held:
            clients.append(client)
        assert (await client.on_ready()).success
        track(client, range(1))
        assert await client.flush(WATCHDOG)
        if busy:
            server.events_faults = [hang]
            track(client, range(1, 10))
            await until(lambda: client._engine.outbox.in_flight)

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ResourceWarning)
        within(WATCHDOG, lambda: run(application()))
        gc.collect()
    assert [str(warning.message) for warning in caught] == []
    server.release.set()
    for client in clients:
        client.close(WATCHDOG)
    # What was in flight is sent again, by a thread, and so is the rest: nothing is lost because a loop has ended.
    assert wait_until(lambda: tracked(server) == {"user": once(10 if busy else 1)})


def test_a_loop_that_only_says_that_it_ends_is_left_to_itself(server: FlagServer) -> None:
    client = make(server)

    async def application() -> None:
        await client.on_ready()
        await asyncio.get_running_loop().shutdown_asyncgens()
        assert not client._engine.handover.driver.may_vanish
        track(client, range(10))
        assert await client.flush(WATCHDOG)
        assert tracked(server) == {"user": once(10)}
        await client.aclose()

    within(WATCHDOG, lambda: asyncio.run(application()))


def test_nothing_raises_on_a_loop_that_is_about_to_end_and_nothing_is_lost(server: FlagServer) -> None:
    """asyncio warns of asynchronous generators that begin then, ours and httpx's; a warning is an error here."""
    client = make(server)
    assert client.on_ready_sync().success

    async def application() -> None:
        await asyncio.get_running_loop().shutdown_asyncgens()
        await client.on_ready(WATCHDOG)
        track(client, range(10))

    within(WATCHDOG, lambda: asyncio.run(application()))
    client.close(WATCHDOG)
    assert tracked(server) == {"user": once(10)}


def test_a_driver_that_is_closed_leaves_no_task_when_it_is_stopped_once_more(server: FlagServer) -> None:
    """As by the end of a client that the application has dropped, on a loop that ends at the same time."""
    client = make(server)

    async def application() -> None:
        await client.on_ready()
        driver = client._engine.handover.driver
        await client.aclose()
        driver.stop()
        await asyncio.sleep(0)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    within(WATCHDOG, lambda: asyncio.run(application()))


# --- a home loop that stops, or runs elsewhere ------------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["flush", "aclose"])
def test_who_awaits_on_another_loop_is_served_when_the_home_loop_just_stops(server: FlagServer, verb: str) -> None:
    """It is neither cancelled nor closed, so nothing tells that it has stopped."""
    gate = Gate(take)
    server.events_faults = [gate]
    client = make(server)
    ready, leave = threading.Event(), threading.Event()
    loop = asyncio.new_event_loop()

    async def be_home() -> None:
        await client.on_ready()
        track(client, range(10))
        ready.set()
        await until(leave.is_set)

    home = threading.Thread(target=lambda: loop.run_until_complete(be_home()))
    home.start()
    assert ready.wait(WATCHDOG)
    assert wait_until(lambda: gate.held == 1)
    in_flight = len(client._engine.outbox._in_flight.events)  # type: ignore[union-attr]

    async def elsewhere() -> object:
        ending = asyncio.create_task(getattr(client, verb)(WATCHDOG))
        await asyncio.sleep(0.05)
        leave.set()
        await until(lambda: not home.is_alive())
        return await ending

    result = within(WATCHDOG, lambda: asyncio.run(elsewhere()))
    assert result is (True if verb == "flush" else None)
    home.join()
    gate.open()
    twice = once(in_flight)  # the post that was under way is taken in the end
    assert wait_until(lambda: tracked(server) == {"user": once(10) + twice})
    assert client.status().dropped == 0
    client.close()
    loop.run_until_complete(_all_but_this_end())
    loop.close()


def test_a_home_loop_that_goes_on_in_another_thread_is_known_there(server: FlagServer) -> None:
    client = make(server)
    loop = asyncio.new_event_loop()
    first = threading.Thread(target=lambda: loop.run_until_complete(client.on_ready()))
    first.start()
    first.join()

    async def again() -> bool:
        track(client, range(3))
        return client.flush_sync(WATCHDOG)  # this thread runs the loop: waiting for it would wait for itself

    assert within(WATCHDOG, lambda: loop.run_until_complete(again())) is True
    assert tracked(server) == {"user": once(3)}
    loop.run_until_complete(client.aclose())
    loop.run_until_complete(_all_but_this_end())
    loop.close()


# --- pauses -----------------------------------------------------------------------------------------------------------


def _two_polls_later(server: FlagServer) -> Callable[[], bool]:
    enough = len(server.config_requests) + 2
    return lambda: len(server.config_requests) >= enough


def test_a_pause_that_the_server_asked_for_survives_the_change_from_a_thread_to_a_loop(server: FlagServer) -> None:
    server.events_fault = status(503, Retry_After="3600")
    client = make(server, polling_interval=0.02)
    assert client.on_ready_sync().success
    track(client, range(1))
    assert wait_until(lambda: client.status().last_error is not None)

    async def serve() -> None:
        await client.on_ready()
        track(client, range(1, 10))
        await until(_two_polls_later(server))  # the new driver polls, so it had its chance to send
        assert server.posts == 1
        server.events_fault = None
        assert await client.flush(WATCHDOG)
        await client.aclose()

    within(WATCHDOG, lambda: asyncio.run(serve()))
    assert tracked(server) == {"user": once(10)}


def test_a_pause_that_the_server_asked_for_survives_the_change_from_a_loop_to_threads(server: FlagServer) -> None:
    server.events_fault = status(503, Retry_After="3600")
    client = make(server, polling_interval=0.02)

    async def serve() -> None:
        await client.on_ready()
        track(client, range(1))
        await _in_trouble(client)

    within(WATCHDOG, lambda: asyncio.run(serve()))
    track(client, range(1, 10))
    assert wait_until(lambda: len(threads_of_ours()) == 2)
    assert wait_until(_two_polls_later(server))
    assert server.posts == 1
    server.events_fault = None
    assert client.flush_sync(WATCHDOG)
    client.close()
    assert tracked(server) == {"user": once(10)}


# --- a flow that fails by a mistake of ours ---------------------------------------------------------------------------


@pytest.fixture(params=[0.02, 3_600.0], ids=["by itself", "when it is woken"])
def pause(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> float:
    """Seconds after which a flow that failed begins anew by itself."""
    for module in (thread_driver, loop_driver):
        monkeypatch.setattr(module, "CRASH_PAUSE", request.param)
    return float(request.param)


def fails_once(monkeypatch: pytest.MonkeyPatch, owner: type, name: str) -> None:
    """Have a method raise what nobody foresees, the next time that it is called."""
    right = getattr(owner, name)
    mistakes = iter([ZeroDivisionError])

    def mistaken(*arguments: Any) -> Any:
        for mistake in mistakes:
            raise mistake
        return right(*arguments)

    monkeypatch.setattr(owner, name, mistaken)


@pytest.mark.usefixtures("quick_retries")
def test_a_sender_that_failed_with_a_post_under_way_sends_it_again(
    face: Face, server: FlagServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, pause: float
) -> None:
    client = face.client(polling_interval=0)
    assert face.on_ready(client).success
    server.events_faults = [status(503)]  # so nothing of the first post is taken
    fails_once(monkeypatch, Outbox, "settle")
    face.decide(client, "exp", user="u0")
    assert face.wait_until(lambda: "signakit-sender failed" in caplog.text)
    assert face.wait_until(lambda: client._engine.outbox.idle)
    if pause > WATCHDOG:
        face.decide(client, "exp", user="u1")
    server.wait_for_events(1)
    face.decide(client, "exp", user="u2")
    assert face.flush(client, WATCHDOG)
    assert arrived(server) == once_each(["u0", "u1", "u2"] if pause > WATCHDOG else ["u0", "u2"])
    assert client.status().dropped == 0


def test_a_poller_that_failed_with_a_fetch_under_way_fetches_again_and_serves_who_waited(
    face: Face, server: FlagServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for module in (thread_driver, loop_driver):
        monkeypatch.setattr(module, "CRASH_PAUSE", 0.02)
    client = face.client(polling_interval=0)
    assert face.on_ready(client).success
    version_2(server)
    fails_once(monkeypatch, ConfigFeed, "receive")
    assert within(WATCHDOG, lambda: face.refresh(client)) is True
    assert "signakit-poller failed" in caplog.text
    assert client.status().version == 2
    assert len(server.config_requests) == 3


def test_a_poller_that_failed_is_not_waited_for_by_who_asks_next(
    face: Face, server: FlagServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for module in (thread_driver, loop_driver):
        monkeypatch.setattr(module, "CRASH_PAUSE", 3_600.0)
    client = face.client(polling_interval=0.02)
    assert face.on_ready(client).success
    fails_once(monkeypatch, ConfigFeed, "wait")
    assert face.wait_until(lambda: "signakit-poller failed" in caplog.text)
    version_2(server)
    assert within(WATCHDOG, lambda: face.refresh(client)) is True
    # And it goes on polling.
    server.set_config(config(flag("switch", allocation=whole("on")), version=3))
    assert face.wait_until(lambda: client.status().version == 3)


# --- what a closed client leaves on its loop --------------------------------------------------------------------------


@pytest.mark.parametrize("pausing", [False, True], ids=["idle", "in a pause"])
def test_a_loop_that_lives_on_does_not_hold_a_client_that_was_closed(server: FlagServer, *, pausing: bool) -> None:
    """A timer of an hour would: of the next poll, of a pause of the sender's."""

    async def serve() -> None:
        client = make(server, polling_interval=3_600)
        await client.on_ready()
        if pausing:
            server.events_fault = status(503, Retry_After="3600")
            track(client, range(1))
            await _in_trouble(client)
        await client.aclose(0.05)
        engine = weakref.ref(client._engine)
        del client
        for _ in range(200):
            gc.collect()
            if engine() is None:
                return
            await asyncio.sleep(0.01)
        raise AssertionError("it is still there")

    within(WATCHDOG, lambda: asyncio.run(serve()))


def test_an_aclose_whose_time_is_over_cancels_the_post_and_the_fetch_that_hang(server: FlagServer) -> None:
    async def serve() -> None:
        # Of a client of our own the connections are closed, which ends them as well.
        injected = httpx.AsyncClient()
        client = make(server, timeout=3_600, async_client=injected)
        await client.on_ready()
        server.events_fault = server.config_fault = hang
        track(client, range(1))
        refreshing = asyncio.create_task(client.refresh())
        await until(lambda: server.posts == 1 and len(server.config_requests) == 2)
        await client.aclose(0.05)
        assert await refreshing is False
        await _all_but_this_end()
        assert client.status().dropped == 1
        await injected.aclose()

    within(WATCHDOG, lambda: asyncio.run(serve()))


def test_nothing_is_left_to_do_on_a_loop_that_ends_with_aclose(server: FlagServer) -> None:
    """``loop.run_until_complete(client.aclose())`` and ``loop.close()``, with an async client of the application's."""
    loop = asyncio.new_event_loop()

    async def make_both() -> tuple[httpx.AsyncClient, SignaKitClient]:
        injected = httpx.AsyncClient()
        client = make(server, async_client=injected)
        await client.on_ready()
        return injected, client

    injected, client = loop.run_until_complete(make_both())
    loop.run_until_complete(client.aclose())
    left = {task.get_name() for task in asyncio.all_tasks(loop)}
    loop.run_until_complete(injected.aclose())
    loop.run_until_complete(_all_but_this_end())
    loop.close()
    assert left == set()
