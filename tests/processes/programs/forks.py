"""Forks at any moment, by ``os.fork``. A child leaves by ``os._exit`` unless a scenario is about how it leaves."""

from __future__ import annotations

import asyncio
import ctypes
import multiprocessing
import os
import sys
import threading
import time

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


def leave(*, flushed: bool) -> None:
    os._exit(0 if flushed else 1)


def wait_for(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def with_queued_events() -> None:
    """The parent has one event in flight and 49 waiting."""
    client = ready_client()
    track(client, "parent", 1)
    until(lambda: sending(client))
    track(client, "parent", 49, start=1)
    child = os.fork()
    if child == 0:
        before = ours()
        queued = client.status().queued
        variation = decide(client, "child")
        after_deciding = ours()
        track(client, "child", 20)
        flushed = client.flush_sync(20)
        say(
            before=before,
            queued=queued,
            variation=variation,
            after_deciding=after_deciding,
            after_tracking=ours(),
            flushed=flushed,
            sent=client.status().sent,
        )
        leave(flushed=flushed)
    say(child=wait_for(child))
    flushed = client.flush_sync(20)
    say(flushed=flushed, sent=client.status().sent)


def current_again(interval: str) -> None:
    """The config changes while the child is made, or later. What it was is decided at once, then what it is."""
    client = ready_client(polling_interval=float(interval))
    say(version=client.status().version)
    until(told)
    if (child := os.fork()) == 0:
        variation = decide(client, "child")
        say(variation=variation)
        until(lambda: client.status().version == 2)
        say(variation=decide(client, "child"))
        leave(flushed=client.flush_sync(20))
    say(child=wait_for(child))


def hammered() -> None:
    """Threads decide, track and flush all the time while eight children are made."""
    client = ready_client(polling_interval=0.01)
    stop = threading.Event()
    counts = [0] * 4

    def hammer(number: int) -> None:
        while not stop.is_set():
            track(client, f"parent{number}", 5, start=counts[number])
            decide(client, f"p{number}-{counts[number]}", "exp")
            counts[number] += 5
            client.flush_sync(20)

    threads = [threading.Thread(target=hammer, args=(number,)) for number in range(len(counts))]
    for thread in threads:
        thread.start()
    codes = []
    for number in range(8):
        before = sum(counts)
        until(lambda before=before: sum(counts) > before)
        if (child := os.fork()) == 0:
            track(client, f"child{number}", 5)
            assert decide(client, f"c{number}", "exp") in {"control", "treatment"}
            leave(flushed=client.flush_sync(20))
        codes.append(wait_for(child))
    stop.set()
    for thread in threads:
        thread.join()
    client.close(20)
    say(children=codes, parent=counts)


def inside_a_loop(loop: str) -> None:
    """The home loop runs while the child is made in it, with an event in flight. The child never returns to it."""

    async def serve() -> None:
        client = make_client()
        await client.on_ready()
        track(client, "parent", 1)
        await until_async(lambda: sending(client))
        if (child := os.fork()) == 0:
            track(client, "child", 10)
            flushed = client.flush_sync(20)

            async def on_a_loop_of_its_own() -> bool:
                ready = (await client.on_ready()).success
                track(client, "child", 10, start=10)
                return ready and await client.flush(20)

            say(own_loop=asyncio.run(on_a_loop_of_its_own()))
            leave(flushed=flushed)
        say(child=await asyncio.to_thread(wait_for, child))
        track(client, "parent", 10, start=1)
        say(flushed=await client.flush(20), ours=ours())
        await client.aclose()

    if loop == "uvloop":
        import uvloop

        uvloop.run(serve())
    else:
        asyncio.run(serve())


def prefork() -> None:
    """Four workers of a client that is ready, each with requests of its own. They end as programs do."""
    client = ready_client(polling_interval=0.05)
    track(client, "master", 10)
    workers = []
    for number in range(4):
        child = os.fork()
        if child == 0:
            for request in range(25):
                decide(client, f"visitor{number}-{request}", "exp")
                track(client, f"worker{number}", 1, start=request)
            say(worker=number, ours=ours())
            sys.exit(0)
        workers.append(child)
    say(workers=[wait_for(child) for child in workers])


def made_before_and_used_after() -> None:
    """The parent makes a client and never uses it."""
    client = make_client()
    parent = ours()
    if (child := os.fork()) == 0:
        before = ours()
        ready = client.on_ready_sync().success
        track(client, "child", 10)
        say(before=before, ready=ready, variation=decide(client, "child"))
        sys.exit(0)
    say(child=wait_for(child), parent=parent, parent_after=ours(), ready=client.is_ready)


def grandchild() -> None:
    """A child forks, too, each with events of its own that are still queued."""
    client = ready_client()
    track(client, "parent", 10)
    if (child := os.fork()) == 0:
        track(client, "child", 10)
        if (grandchild := os.fork()) == 0:
            track(client, "grandchild", 10)
            sys.exit(0)
        say(grandchild=wait_for(grandchild))
        sys.exit(0)
    say(child=wait_for(child))


def while_importing(module: str) -> None:
    """Another thread is in the middle of importing what the first fetch needs."""
    reached, forking = threading.Event(), threading.Event()
    parent = os.getpid()

    class Slow:
        @staticmethod
        def find_spec(name: str, path: object = None, target: object = None) -> None:
            if name == module and os.getpid() == parent:
                reached.set()
                forking.wait(30)
                time.sleep(0.1)  # the fork, which begins now, comes in the midst of this import or waits for its end

    sys.meta_path.insert(0, Slow())
    client = make_client()
    # What is registered last is called first, so before anything that the library may do there.
    os.register_at_fork(before=forking.set)
    loading = threading.Thread(target=client.on_ready_sync)
    loading.start()
    assert reached.wait(30)
    if (child := os.fork()) == 0:
        ready = client.on_ready_sync(20).success
        say(ready=ready, variation=decide(client, "child"))
        track(client, "child", 5)
        leave(flushed=client.flush_sync(20))
    loading.join()
    say(child=wait_for(child), ready=client.is_ready)


def without_hooks() -> None:
    """As uWSGI forks: in C, with none of Python's hooks.

    Python itself does not survive that while another thread runs, or wants to: so all of them shall sleep.
    """
    client = ready_client(polling_interval=3600)
    track(client, "master", 10)
    client.flush_sync(20)
    until(lambda: client._engine.outbox.idle)
    time.sleep(0.1)
    forked = time.monotonic()
    child = ctypes.PyDLL(None).fork()
    if child == 0:
        track(client, "worker", 10)
        say(variation=decide(client, "worker"))
        flushed = client.flush_sync(5)
        until(lambda: (client.status().age or 0) < time.monotonic() - forked)  # it has polled, too
        leave(flushed=flushed)
    say(child=wait_for(child))


def injected(when: str) -> None:
    """The parent's client makes its requests on a client of the application's; the child's on ...

    ... the same one (``before``), one that was made in the child (``after``), or none (``never``).
    """
    import httpx

    http = None if when == "never" else httpx.Client()
    client = ready_client(sync_client=http)
    if (child := os.fork()) == 0:
        if when == "after":
            client = make_client(sync_client=httpx.Client())
        say(ready=client.on_ready_sync().success)
        track(client, "child", 10)
        leave(flushed=client.flush_sync(20))
    say(child=wait_for(child))


def of_a_gathering_parent(end: str) -> None:
    """Events of the parent gather for an hour while the child is made, whose own do, too."""
    client = ready_client(flush_interval=3_600)
    track(client, "parent", 10)
    until(lambda: gathering(client))
    if end == "multiprocessing":
        work = multiprocessing.get_context("fork").Process(target=track, args=(client, "child", 20))
        work.start()
        work.join()
        say(child=work.exitcode)
    else:
        if (child := os.fork()) == 0:
            began_anew = not gathering(client)
            track(client, "child", 20)
            until(lambda: gathering(client))
            say(began_anew=began_anew)
            sys.exit(0)
        say(child=wait_for(child))
    say(queued=client.status().queued)


def leaves_at_once(remedy: str) -> None:
    """The child leaves by ``os._exit`` as Celery's workers do, which runs nothing that is registered for the exit."""
    client = ready_client()
    track(client, "parent", 1)
    if (child := os.fork()) == 0:
        track(client, "child", 1000)
        if remedy == "close":
            client.close()
        os._exit(0)
    say(child=wait_for(child))


main()
