"""Programs that end, with 1,000 events queued and without ``close()`` unless a scenario is about it."""

from __future__ import annotations

import asyncio
import atexit
import os
import signal
import sys
import threading
import time
from typing import TYPE_CHECKING

from common import (
    decide,
    gathering,
    main,
    make_client,
    ours,
    ready_client,
    say,
    sending,
    told,
    track,
    until,
    until_async,
)

if TYPE_CHECKING:
    from types import FrameType

    from signakit_flags import SignaKitClient

COUNT = 1000


def end() -> None:
    """Falls off its end."""
    track(ready_client(), "user", COUNT)


def of_a_client_that_nobody_holds() -> None:
    """The client is collected before the exit."""

    def work() -> None:
        track(ready_client(), "user", COUNT)

    work()


def sys_exit() -> None:
    """Leaves by ``sys.exit``."""
    track(ready_client(), "user", COUNT)
    sys.exit(3)


def exception() -> None:
    """Ends by an exception that nobody catches."""
    track(ready_client(), "user", COUNT)
    raise RuntimeError("the program ends by an exception")


def threads_only() -> None:
    """The main thread ends first; a thread goes on and tracks all events."""
    client = ready_client()

    def work() -> None:
        threading.main_thread().join()
        track(client, "user", COUNT)

    threading.Thread(target=work).start()


def after_asyncio_run() -> None:
    """The home loop has ended by cancellation, in the midst of sending."""
    client = make_client()

    async def serve() -> None:
        await client.on_ready()
        track(client, "user", COUNT)

    asyncio.run(serve())


def after_asyncio_run_of_its_own_client() -> None:
    """As above, and the client was a local variable of the coroutine."""

    async def serve() -> None:
        client = make_client()
        await client.on_ready()
        track(client, "user", COUNT)

    asyncio.run(serve())


def after_loop_close() -> None:
    """The home loop was closed under the events, without a cancellation."""
    client = make_client()
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        await client.on_ready()
        track(client, "user", COUNT)

    loop.run_until_complete(serve())
    loop.close()
    until(told)


def after_sync_use_of_asyncio_run() -> None:
    """Sync code that awaits ``track_event`` in a new loop each time."""
    client = ready_client()
    context = client.create_user_context("user")
    assert context is not None
    for number in range(COUNT):
        asyncio.run(context.track_event("visit", metadata={"n": number}))


def while_events_gather() -> None:
    """The events would gather for an hour."""
    client = ready_client(flush_interval=3_600)
    track(client, "user", COUNT // 2)
    until(lambda: gathering(client))


def after_a_loop_on_which_events_gather() -> None:
    """The same, and the home loop is gone."""
    client = make_client(flush_interval=3_600)

    async def serve() -> None:
        await client.on_ready()
        track(client, "user", COUNT // 2)
        await until_async(lambda: gathering(client))

    asyncio.run(serve())


def after_a_closed_loop_on_which_events_gather() -> None:
    """The same, and the loop was closed without a cancellation."""
    client = make_client(flush_interval=3_600)
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        await client.on_ready()
        track(client, "user", COUNT // 2)
        await until_async(lambda: gathering(client))

    loop.run_until_complete(serve())
    loop.close()


def flush_in_atexit() -> None:
    """The application's own ``atexit`` callback tracks and flushes; nothing was sent before, by any thread."""
    client = ready_client()

    def bye() -> None:
        track(client, "user", COUNT)
        say(flushed=client.flush_sync())

    atexit.register(bye)


def os_exit() -> None:
    """Leaves by ``os._exit``, which runs nothing: what was not sent is lost."""
    client = ready_client()
    track(client, "user", 1)
    until(lambda: sending(client))
    track(client, "user", COUNT - 1, start=1)
    say(queued=client.status().queued)
    until(told)
    os._exit(0)


def two_clients(other_server: str) -> None:
    """The endpoint of the first hangs; the second's works."""
    first, second = ready_client(), ready_client(events_url=f"{other_server}/v1/flag-events")
    track(first, "first", 10)
    track(second, "second", 10)


# --- while the endpoint hangs -----------------------------------------------------------------------------------------


def close_while_it_hangs() -> None:
    """``close()`` keeps its deadline, and the exit has nothing left to wait for."""
    client = ready_client()
    track(client, "user", 10)
    start = time.monotonic()
    client.close()
    say(seconds=time.monotonic() - start, dropped=client.status().dropped)


def close_in_a_loop_while_it_hangs() -> None:
    """The same by ``aclose()``; the loop goes on meanwhile."""
    client = make_client()
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0.01)

    async def serve() -> None:
        await client.on_ready()
        track(client, "user", 10)
        ticking = asyncio.create_task(tick())
        start = time.monotonic()
        await client.aclose()
        say(seconds=time.monotonic() - start, dropped=client.status().dropped, ticks=ticks)
        ticking.cancel()

    asyncio.run(serve())


def exit_while_it_hangs() -> None:
    """Nobody closes."""
    client = ready_client()
    track(client, "user", 10)
    until(lambda: sending(client))
    say(ending=True)


def exit_after_a_loop_while_it_hangs() -> None:
    """Nobody closes, and the home loop is gone."""
    client = make_client()

    async def serve() -> None:
        await client.on_ready()
        track(client, "user", 10)
        await until_async(lambda: sending(client))

    asyncio.run(serve())
    say(ending=True)


# --- signals ----------------------------------------------------------------------------------------------------------


def terminated(remedy: str) -> None:
    """One event is in flight, 99 wait, and somebody ends the process by a signal."""
    if remedy == "sys.exit":
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    client = ready_client()
    track(client, "user", 1)
    until(lambda: sending(client))
    track(client, "user", 99, start=1)
    say(queued=client.status().queued)
    while True:
        time.sleep(1)


def terminated_in_a_loop(remedy: str) -> None:
    """The same in a program that lives on one loop."""
    if remedy == "sys.exit":
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))

    async def serve() -> None:
        client = make_client()
        await client.on_ready()
        track(client, "user", 1)
        await until_async(lambda: sending(client))
        track(client, "user", 99, start=1)
        say(queued=client.status().queued)
        await asyncio.sleep(3600)

    asyncio.run(serve())


def terminated_in_close() -> None:
    """The signal comes while ``close()`` waits for the server, and its handler raises ``SystemExit``."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    client = ready_client()
    track(client, "user", 1)
    until(lambda: sending(client))
    track(client, "user", 99, start=1)
    threading.Timer(0, lambda: say(closing=client.status().queued)).start()
    client.close(30)


class TimeLimitError(Exception):
    """What a worker of tasks raises in a task that takes too long: an exception like any other."""


def _raise_at_sigterm(kind: str) -> None:
    """``kind`` says of which class: httpx and httpcore have a use of their own for a ``TimeoutError``."""
    errors: dict[str, type[Exception]] = {
        "TimeLimitError": TimeLimitError,
        "TimeoutError": TimeoutError,
        "OSError": OSError,
    }

    def raise_it(*_: object) -> None:
        raise errors[kind]("the time of this task is over")

    signal.signal(signal.SIGTERM, raise_it)


def time_limit(verb: str, kind: str) -> None:
    """The signal comes while a call waits for a server that hangs; the work is done in another thread."""
    _raise_at_sigterm(kind)
    client = ready_client()
    track(client, "user", 10)
    until(lambda: sending(client))
    _wait_through(client, verb)


def time_limit_on_the_home_loop(verb: str, kind: str) -> None:
    """The same in the thread of the home loop, which stands: the call makes the request itself."""
    _raise_at_sigterm(kind)
    client = make_client()

    async def serve() -> None:
        await client.on_ready()
        track(client, "user", 10)
        _wait_through(client, verb)

    asyncio.run(serve())


def _wait_through(client: SignaKitClient, verb: str) -> None:
    def work() -> None:
        if verb == "refresh_sync":
            client.refresh_sync()
        elif verb == "flush_sync":
            client.flush_sync(30)
        else:
            client.close(30)

    threading.Timer(0.05, lambda: say(waiting=True)).start()
    try:
        work()
    except Exception as error:
        # One that a library has made of it would be of a class of its own.
        say(raised=f"{type(error).__module__}.{type(error).__name__}: {error}", queued=client.status().queued)


def aclose_is_cancelled() -> None:
    """The coroutine that awaits ``aclose()`` is cancelled, as a server does that is in a hurry."""
    client = make_client()

    async def serve() -> None:
        await client.on_ready()
        track(client, "user", 1)
        await until_async(lambda: sending(client))
        track(client, "user", 99, start=1)
        try:
            async with asyncio.timeout(0.05):
                await client.aclose(30)
        except TimeoutError:
            say(cancelled=client.status().queued)

    asyncio.run(serve())


# --- close, in all ways -----------------------------------------------------------------------------------------------


def close_twice() -> None:
    client = ready_client()
    track(client, "user", COUNT)
    client.close(20)
    start = client.status().sent
    client.close(20)
    say(first=start, second=client.status().sent, ours=ours())


def close_from_two_threads() -> None:
    client = ready_client()
    track(client, "user", COUNT)
    sent: list[int] = []
    ready = threading.Barrier(2)

    def close() -> None:
        ready.wait()
        client.close(20)
        sent.append(client.status().sent)

    threads = [threading.Thread(target=close) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    say(sent=sent)


def close_inside_a_loop() -> None:
    """The sync ``close()`` on the home loop's own thread, which stands meanwhile; then ``aclose()``."""
    client = make_client()

    async def serve() -> None:
        await client.on_ready()
        track(client, "user", COUNT)
        client.close(20)
        sent = client.status().sent
        await client.aclose(20)
        say(sent=sent, ours=ours())

    asyncio.run(serve())


def close_in_a_signal_handler() -> None:
    """Five clients in turn, each closed by a handler that interrupts the tracking at some moment."""
    client: SignaKitClient
    sent = tried = 0
    closed = False

    def close(number: int, frame: FrameType | None) -> None:
        nonlocal closed
        client.close(20)
        closed = True

    signal.signal(signal.SIGALRM, close)
    for turn in range(5):
        client = ready_client(max_queue_size=10_000_000)  # on a busy machine the timer comes late
        closed = False
        signal.setitimer(signal.ITIMER_REAL, 0.001 + 0.0015 * turn)
        while not closed:
            track(client, f"user{turn}", 1, start=tried)
            tried += 1
        status = client.status()
        assert status.queued == 0
        sent += status.sent
    say(sent=sent, tried=tried)


# --- serverless -------------------------------------------------------------------------------------------------------


def invocations(count: str) -> None:
    """A function that flushes at the end of each invocation; between two of them its process is frozen."""
    client = ready_client(polling_interval=30)
    for number in range(int(count)):
        decide(client, f"visitor{number}", "exp")
        track(client, "user", 1, start=number)
        say(flushed=client.flush_sync(20))
        until(told)


main()
