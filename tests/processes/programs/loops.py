"""Home loops that end in all the ways there are. The argument is the kind of loop: ``asyncio`` or ``uvloop``."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

from common import (
    decide,
    main,
    make_client,
    new_loop,
    ours,
    say,
    sending,
    told,
    track,
    until,
    until_async,
)

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from signakit_flags import SignaKitClient


def run(kind: str, coroutine: Coroutine[Any, Any, None]) -> None:
    """As ``asyncio.run``: what is still at work at the end is cancelled."""
    with asyncio.Runner(loop_factory=lambda: new_loop(kind)) as runner:
        runner.run(coroutine)


async def fill(client: SignaKitClient) -> None:
    """Leave one event in flight, taken by the test's server, and nine waiting."""
    await client.on_ready()
    track(client, "user", 1)
    await until_async(lambda: sending(client))
    await until_async(told)
    track(client, "user", 9, start=1)


def cancelled(kind: str) -> None:
    """The loop is cancelled with a batch in flight. What waits leaves from a thread, without another call."""
    client = make_client()
    run(kind, fill(client))
    until(lambda: client.status().queued == 0)
    say(sent=client.status().sent, ours=ours())


def cancelled_before_the_sender_ran(kind: str) -> None:
    """The task that was to send is cancelled before its first step."""
    client = make_client()

    async def serve() -> None:
        await client.on_ready()
        track(client, "user", 10)
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()

    run(kind, serve())
    until(lambda: client.status().queued == 0)
    say(sent=client.status().sent)


def ended_in_a_pause(kind: str, how: str) -> None:
    """The endpoint has asked to wait for an hour. ``how`` says who does not wait that long."""
    client = make_client()

    async def serve() -> None:
        await client.on_ready()
        track(client, "user", 10)
        await until_async(lambda: client.status().last_error)
        say(failed=True)
        await until_async(told)
        if how == "flush_sync on the loop":
            say(flushed=client.flush_sync(20))
        elif how == "close on the loop":
            client.close(20)

    run(kind, serve())
    if how == "close after the loop":
        client.close(20)


def closed(kind: str) -> None:
    """The loop is closed under a batch in flight, and is never told. The next use of the client finds out."""
    client = make_client()
    loop = new_loop(kind)
    loop.run_until_complete(fill(client))
    loop.close()
    track(client, "user", 1, start=10)
    say(flushed=client.flush_sync(20), sent=client.status().sent)


def closed_while_idle(kind: str) -> None:
    """The loop is closed with nothing under way. Events and polls go on from threads."""
    client = make_client(polling_interval=0.05)
    loop = new_loop(kind)
    loop.run_until_complete(client.on_ready())
    loop.close()
    before = ours()
    until(told)
    variation = decide(client, "user")
    until(lambda: client.status().version == 2)
    track(client, "user", 10)
    say(before=before, variation=variation, now=decide(client, "user"), flushed=client.flush_sync(20), after=ours())


def ended_while_idle(kind: str) -> None:
    """As above, after ``asyncio.run``."""
    client = make_client(polling_interval=0.05)

    async def serve() -> None:
        await client.on_ready()
        await client.flush()

    run(kind, serve())
    before = ours()
    until(told)
    variation = decide(client, "user")
    until(lambda: client.status().version == 2)
    track(client, "user", 10)
    say(before=before, variation=variation, now=decide(client, "user"), flushed=client.flush_sync(20), after=ours())


def ends_under_a_waiter(kind: str, verb: str, end: str) -> None:
    """Another thread waits in ``flush_sync``, ``close`` or ``refresh_sync`` for the loop that ends."""
    client = make_client()
    loop = new_loop(kind)
    results: list[object] = []

    def wait() -> None:
        if verb == "flush_sync":
            results.append(client.flush_sync())
        elif verb == "refresh_sync":
            results.append(client.refresh_sync())
        else:
            client.close(30)
            results.append(client.status().dropped)

    waiter = threading.Thread(target=wait)

    async def serve() -> None:
        await fill(client)
        waiter.start()
        say(waiting=True)
        await until_async(told)

    loop.run_until_complete(serve())
    if end == "cancelled":
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.run_until_complete(asyncio.sleep(0.01))
    loop.close()
    waiter.join()
    say(result=results[0], sent=client.status().sent)


def paused(kind: str, between: str) -> None:
    """The loop is stopped with a batch in flight, and resumed. The client may be used in between, or not."""
    client = make_client()
    loop = new_loop(kind)
    loop.run_until_complete(fill(client))
    if between == "used":
        track(client, "user", 1, start=10)
        say(flushed=client.flush_sync(20))
    else:
        say(queued=client.status().queued)
    until(told)

    async def resume() -> bool:
        track(client, "user", 1, start=11)
        return await client.flush(20)

    say(flushed=loop.run_until_complete(resume()), sent=client.status().sent)
    loop.run_until_complete(client.aclose())
    loop.close()


def two(kind: str) -> None:
    """Two loops in two threads share a client. The first is home; when it has ended, the second goes on."""
    client = make_client()
    ready = [threading.Event(), threading.Event()]
    counted, first_ended = threading.Event(), threading.Event()

    async def first() -> None:
        await client.on_ready()
        ready[0].set()
        await asyncio.to_thread(ready[1].wait)
        track(client, "first", 50)
        await client.flush(20)
        await asyncio.to_thread(counted.wait)

    async def second() -> None:
        await asyncio.to_thread(ready[0].wait)
        await client.on_ready()
        ready[1].set()
        track(client, "second", 50)
        flushed = await client.flush(20)
        before = ours()
        counted.set()
        await asyncio.to_thread(first_ended.wait)
        track(client, "second", 50, start=50)
        say(before=before, flushed=flushed and await client.flush(20), ready=(await client.on_ready()).success)
        await client.aclose()

    def run_first() -> None:
        run(kind, first())
        first_ended.set()

    threads = [threading.Thread(target=run_first), threading.Thread(target=run, args=(kind, second()))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def no_threads(kind: str) -> None:
    """A program that only uses the async face: it decides, tracks, polls and closes, and starts no thread."""
    started: list[str] = []
    start = threading.Thread.start

    def noted(thread: threading.Thread) -> None:
        started.append(thread.name)
        start(thread)

    threading.Thread.start = noted  # type: ignore[method-assign]

    async def serve() -> None:
        async with make_client(polling_interval=0.02) as client:
            say(variation=decide(client, "user"))
            track(client, "user", 10)
            await until_async(lambda: client.status().version == 2)
            await client.refresh()
            say(flushed=await client.flush(20), variation=decide(client, "user"))
            track(client, "user", 10, start=10)

    run(kind, serve())
    say(started=started, threads=[thread.name for thread in threading.enumerate()])


def subprocesses(kind: str) -> None:
    """The home loop starts other programs, one of them with a ``preexec_fn``, while it sends and polls."""
    client = make_client(polling_interval=0.02)

    async def serve() -> None:
        await fill(client)
        printed = []
        for options in ({}, {"preexec_fn": lambda: None}):
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-c", "print('started')", stdout=subprocess.PIPE, **options
            )
            output, _ = await process.communicate()
            printed.append(output.decode().strip())
        say(printed=printed)
        track(client, "user", 10, start=10)
        flushed = await client.flush(20)
        await until_async(lambda: client.status().version == 2)
        say(flushed=flushed, variation=decide(client, "user"), sent=client.status().sent)
        await client.aclose()

    run(kind, serve())


main()
