"""Event loops that come, pause, end and die: what still arrives, counted at a real server.

Where a loop ends other than by running to its end, it does so in a process of its own (programs/loops.py). A batch that
was in flight when its loop ended is sent again. So the server has it once if the first post never reached it, and twice
if it did: the tests decide which of the two it is, and count.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import httpx
import pytest
import trio

from signakit_flags import SignaKitClient
from support.configs import SDK_KEY, config, flag, rule, whole
from support.programs import Gate, Program, exposures, once, play, take, tracked
from support.server import hang, reset, status, wait_until

if TYPE_CHECKING:
    from support.server import FlagServer

LOOPS = pytest.mark.parametrize("loop", ["asyncio", "uvloop"])


def version_2(server: FlagServer) -> None:
    server.set_config(config(flag("tgt", rule("r-tgt", kind="targeted", split=whole("off"))), version=2))


def ours() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("signakit")]


def track(client: SignaKitClient, user: str, numbers: range) -> None:
    context = client.create_user_context(user)
    assert context is not None
    for number in numbers:
        context.track("visit", metadata={"n": number})


# --- loops that last as long as one call -----------------------------------------------------------------------------


@pytest.mark.parametrize("injected", [False, True], ids=["own client", "async client injected"])
def test_200_calls_of_asyncio_run_from_sync_code_arrive_once_and_leave_no_home_loop(
    server: FlagServer, caplog: pytest.LogCaptureFixture, *, injected: bool
) -> None:
    caplog.set_level(logging.DEBUG, "signakit_flags")
    used: list[str] = []

    async def note(request: httpx.Request) -> None:
        used.append(request.method)

    # With only an async client injected, a loop that sends becomes the home loop; one that runs a single call must not.
    async_client = httpx.AsyncClient(event_hooks={"request": [note]}) if injected else None
    client = SignaKitClient(SDK_KEY, polling_interval=0, async_client=async_client, **server.urls)
    assert client.on_ready_sync().success
    context = client.create_user_context("user")
    assert context is not None
    for number in range(200):
        asyncio.run(context.track_event("visit", metadata={"n": number}))
    assert client.flush_sync(20)
    client.close()
    assert tracked(server) == {"user": once(200)}
    assert used == []
    assert "home loop" not in caplog.text


def test_events_from_pool_threads_leave_through_the_living_home_loop(server: FlagServer) -> None:
    threads: set[int] = set()

    async def note(request: httpx.Request) -> None:
        if request.method == "POST":
            threads.add(threading.get_ident())

    async def serve() -> None:
        async with httpx.AsyncClient(event_hooks={"request": [note]}) as http:
            client = SignaKitClient(SDK_KEY, async_client=http, **server.urls)
            await client.on_ready()
            await asyncio.gather(
                *[asyncio.to_thread(track, client, "to_thread", range(n, n + 10)) for n in range(0, 100, 10)]
            )
            with ThreadPoolExecutor(4) as pool:
                done = [pool.submit(track, client, "executor", range(n, n + 10)) for n in range(0, 100, 10)]
                await asyncio.gather(*map(asyncio.wrap_future, done))
            assert await client.flush(20)
            assert ours() == []
            assert threads == {threading.get_ident()}
            await client.aclose()

    asyncio.run(serve())
    assert tracked(server) == {"to_thread": once(100), "executor": once(100)}


# --- the home loop's own thread, and other loops ----------------------------------------------------------------------


def test_flush_sync_and_close_on_the_home_loops_own_thread_send_there(server: FlagServer) -> None:
    async def serve() -> None:
        client = SignaKitClient(SDK_KEY, **server.urls)
        await client.on_ready()
        track(client, "user", range(10))
        assert client.flush_sync(20)  # the loop stands meanwhile
        assert tracked(server) == {"user": once(10)}
        track(client, "user", range(10, 20))
        assert await client.flush(20)  # and goes on as the home loop
        assert ours() == []
        track(client, "user", range(20, 30))
        client.close()
        assert tracked(server) == {"user": once(30)}
        assert client.status().dropped == 0
        await asyncio.sleep(0)
        while len(asyncio.all_tasks()) > 1:  # noqa: ASYNC110  # the loop closes its connections when it comes to it
            await asyncio.sleep(0)

    asyncio.run(serve())
    assert ours() == []


def test_aclose_from_another_loop_than_the_home_loop_sends_and_stops_there(server: FlagServer) -> None:
    client = SignaKitClient(SDK_KEY, polling_interval=0.02, **server.urls)
    ready, closed = threading.Event(), threading.Event()
    left: list[set[str]] = []

    async def home() -> None:
        await client.on_ready()
        ready.set()
        await asyncio.to_thread(closed.wait)
        for _ in range(100):
            if len(asyncio.all_tasks()) == 1:
                break
            await asyncio.sleep(0.01)
        left.append({task.get_name() for task in asyncio.all_tasks() - {asyncio.current_task()}})

    thread = threading.Thread(target=asyncio.run, args=(home(),))
    thread.start()
    assert ready.wait(20)
    track(client, "user", range(100))
    asyncio.run(client.aclose(20))
    assert tracked(server) == {"user": once(100)}
    assert client.status().dropped == 0
    closed.set()
    thread.join()
    assert left == [set()]
    assert ours() == []


@LOOPS
def test_two_loops_in_two_threads_share_a_client_and_the_second_outlives_the_first(
    server: FlagServer, loop: str
) -> None:
    [line] = play("loops", "two", loop, server=server)
    assert line == {"before": [], "flushed": True, "ready": True}
    assert tracked(server) == {"first": once(50), "second": once(100)}


# --- several loops at once --------------------------------------------------------------------------------------------

USERS = [f"u{number}" for number in range(20)]


async def _expose_all(client: SignaKitClient) -> None:
    for user in USERS:
        context = client.create_user_context(user)
        assert context is not None
        assert context.variation("exp") in {"control", "treatment"}
        await asyncio.sleep(0)


def test_several_loops_at_once_send_each_exposure_once(server: FlagServer) -> None:
    """Each becomes the home loop while the others run, and none ends under a post."""
    client = SignaKitClient(SDK_KEY, polling_interval=0, **server.urls)
    together = threading.Barrier(4)

    async def serve() -> None:
        assert (await client.on_ready()).success
        await _expose_all(client)
        assert await client.flush(20)
        await asyncio.to_thread(together.wait, 20)
        # Now one is the home loop, and nothing is in flight; the next loop takes over after its end.
        assert await client.refresh()

    def run(_number: int) -> None:
        together.wait(20)
        asyncio.run(serve())

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(run, range(4)))
    client.close()
    assert exposures(server) == Counter(USERS)
    assert client.status().exposures_suppressed == 3 * len(USERS)


def test_of_several_loops_at_once_one_that_ends_under_a_post_doubles_that_post_alone(server: FlagServer) -> None:
    gate = Gate(take)
    server.events_faults = [gate]
    client = SignaKitClient(SDK_KEY, polling_interval=0, **server.urls)
    home, ended = threading.Event(), threading.Event()

    async def serve_and_end() -> None:
        await client.on_ready()
        track(client, "first", range(3))
        home.set()
        while gate.held == 0:  # noqa: ASYNC110  # nothing tells
            await asyncio.sleep(0.005)

    async def serve() -> None:
        await _expose_all(client)
        await asyncio.to_thread(ended.wait, 20)
        assert await client.flush(20)

    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(asyncio.run, serve_and_end())
        assert home.wait(20)
        others = [pool.submit(asyncio.run, serve()) for _ in range(3)]
        first.result(20)
        ended.set()
        for other in others:
            other.result(20)
        gate.open()
    client.close()
    in_flight = gate.events
    assert wait_until(lambda: len(server.events) == len(USERS) + 3 + len(in_flight))
    assert exposures(server) == Counter(USERS) + Counter(
        event["userId"] for event in in_flight if event["eventKey"] == "$exposure"
    )


# --- the end of the home loop -----------------------------------------------------------------------------------------


@LOOPS
@pytest.mark.parametrize("fate", ["lost", "taken"])
def test_when_the_home_loop_is_cancelled_a_thread_sends_what_was_in_flight_again(
    server: FlagServer, loop: str, fate: str
) -> None:
    gate = Gate(take if fate == "taken" else reset)
    server.events_faults = [gate]
    with Program("loops", "cancelled", loop, server=server) as program:
        assert wait_until(lambda: gate.held == 1)
        program.tell()
        assert program.next() == {"sent": 10, "ours": ["signakit-sender"]}
        gate.open()
        assert program.end() == 0
        assert "Traceback" not in program.errors
    twice = once(1) if fate == "taken" else once(0)
    assert wait_until(lambda: tracked(server) == {"user": once(10) + twice})


@LOOPS
def test_a_home_loop_that_is_cancelled_before_the_sender_ran_loses_nothing(server: FlagServer, loop: str) -> None:
    assert play("loops", "cancelled_before_the_sender_ran", loop, server=server) == [{"sent": 10}]
    assert tracked(server) == {"user": once(10)}


@LOOPS
@pytest.mark.parametrize("how", ["flush_sync on the loop", "close on the loop", "close after the loop", "exit"])
def test_a_pause_between_attempts_is_cut_short_by_whoever_sends_in_its_own_thread(
    server: FlagServer, loop: str, how: str
) -> None:
    server.events_fault = status(503, Retry_After="3600")
    with Program("loops", "ended_in_a_pause", loop, how, server=server) as program:
        assert program.next() == {"failed": True}
        server.events_fault = None
        program.tell()
        assert program.end() == 0
    assert tracked(server) == {"user": once(10)}


@LOOPS
@pytest.mark.parametrize("fate", ["lost", "taken"])
def test_when_the_home_loop_is_closed_under_a_batch_the_next_use_sends_it_again(
    server: FlagServer, loop: str, fate: str
) -> None:
    gate = Gate(take if fate == "taken" else reset)
    server.events_faults = [gate]
    with Program("loops", "closed", loop, server=server) as program:
        assert wait_until(lambda: gate.held == 1)
        program.tell()
        assert program.next() == {"flushed": True, "sent": 11}
        gate.open()
        assert program.end() == 0
    twice = once(1) if fate == "taken" else once(0)
    assert wait_until(lambda: tracked(server) == {"user": once(11) + twice})


@LOOPS
@pytest.mark.parametrize("end", ["closed_while_idle", "ended_while_idle"])
def test_after_an_idle_home_loop_has_ended_the_next_use_polls_and_sends_from_threads(
    server: FlagServer, loop: str, end: str
) -> None:
    with Program("loops", end, loop, server=server) as program:
        assert wait_until(lambda: len(server.config_requests) >= 1)
        program.tell()
        assert wait_until(lambda: len(server.config_requests) >= 3)
        version_2(server)
        assert program.next() == {
            "before": [],
            "variation": "on",
            "now": "off",
            "flushed": True,
            "after": ["signakit-poller", "signakit-sender"],
        }
        assert program.end() == 0
    assert tracked(server) == {"user": once(10)}


@LOOPS
@pytest.mark.parametrize("end", ["closed", "cancelled"])
@pytest.mark.parametrize("verb", ["flush_sync", "close", "refresh_sync"])
def test_whoever_waits_for_a_home_loop_in_another_thread_is_served_when_it_ends(
    server: FlagServer, loop: str, verb: str, end: str
) -> None:
    gate = Gate(reset)
    server.events_faults = [gate]
    with Program("loops", "ends_under_a_waiter", loop, verb, end, server=server) as program:
        assert wait_until(lambda: gate.held == 1)
        server.config_faults = [hang]
        program.tell()
        assert program.next() == {"waiting": True}
        if verb == "refresh_sync":
            assert wait_until(lambda: len(server.config_requests) == 2)
        program.tell()
        line = program.next()
        assert line["result"] == {"flush_sync": True, "close": 0, "refresh_sync": True}[verb]
        assert program.end() == 0
    gate.open()
    assert tracked(server) == {"user": once(10)}


# --- a loop that pauses -----------------------------------------------------------------------------------------------


@LOOPS
def test_a_home_loop_that_pauses_goes_on_where_it_was_if_nobody_used_the_client(server: FlagServer, loop: str) -> None:
    gate = Gate(take)
    server.events_faults = [gate]
    with Program("loops", "paused", loop, "unused", server=server) as program:
        assert wait_until(lambda: gate.held == 1)
        program.tell()
        assert program.next() == {"queued": 10}
        gate.open()
        program.tell()
        assert program.next() == {"flushed": True, "sent": 11}
        assert program.end() == 0
    assert tracked(server) == {"user": once([*range(10), 11])}


@LOOPS
def test_a_home_loop_that_pauses_counts_as_ended_once_the_client_is_used(server: FlagServer, loop: str) -> None:
    gate = Gate(take)
    server.events_faults = [gate]
    with Program("loops", "paused", loop, "used", server=server) as program:
        assert wait_until(lambda: gate.held == 1)
        program.tell()
        assert program.next() == {"flushed": True}
        gate.open()
        program.tell()
        assert program.next() == {"flushed": True, "sent": 12}
        assert program.end() == 0
    # The batch of one that was in flight at the pause arrived twice, everything else once.
    assert tracked(server) == {"user": once(12) + once(1)}


# --- threads and processes --------------------------------------------------------------------------------------------


@LOOPS
def test_a_purely_async_program_starts_no_thread(server: FlagServer, loop: str) -> None:
    with Program("loops", "no_threads", loop, server=server) as program:
        assert program.next() == {"variation": "on"}
        version_2(server)
        assert program.next() == {"flushed": True, "variation": "off"}
        assert program.next() == {"started": [], "threads": ["MainThread"]}
        assert program.end() == 0
    assert tracked(server) == {"user": once(20)}


@LOOPS
def test_a_home_loop_that_starts_subprocesses_goes_on_sending_and_polling(server: FlagServer, loop: str) -> None:
    gate = Gate(take)
    server.events_faults = [gate]
    with Program("loops", "subprocesses", loop, server=server) as program:
        assert wait_until(lambda: gate.held == 1)
        program.tell()
        assert program.next() == {"printed": ["started", "started"]}
        version_2(server)
        gate.open()
        assert program.next() == {"flushed": True, "variation": "off", "sent": 20}
        assert program.end() == 0
    assert tracked(server) == {"user": once(20)}


# --- trio -------------------------------------------------------------------------------------------------------------


def test_under_trio_the_awaited_verbs_work_and_threads_poll_and_send(server: FlagServer) -> None:
    async def serve() -> None:
        client = SignaKitClient(SDK_KEY, polling_interval=0.02, **server.urls)
        assert (await client.on_ready()).success
        context = client.create_user_context("user")
        assert context is not None
        assert context.variation("tgt") == "on"
        context.variation("exp")
        await context.track_event("visit", metadata={"n": 0})
        context.track("visit", metadata={"n": 1})
        assert await client.flush(20)
        assert tracked(server) == {"user": once(2)}
        assert ours() == ["signakit-poller", "signakit-sender"]
        assert await client.refresh()
        version_2(server)
        with trio.fail_after(20):
            while client.status().version != 2:  # noqa: ASYNC110  # the poller is a thread, which knows no trio
                await trio.sleep(0.01)
        await client.aclose()

    trio.run(serve)
    assert ours() == []
    assert exposures(server) == {"user": 1}
