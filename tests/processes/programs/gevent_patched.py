"""A process in which gevent has replaced threads, locks and sockets, before anything else is imported."""

from __future__ import annotations

from gevent import monkey

monkey.patch_all()

import os  # noqa: E402
import sys  # noqa: E402

import gevent  # noqa: E402
from common import decide, main, ours, ready_client, say, sending, told, track, until  # noqa: E402


def serve() -> None:
    """A hundred greenlets decide and track; while one waits for a flush, others go on. It ends without a close."""
    client = ready_client(polling_interval=0.05)
    ticks = 0

    def tick() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            gevent.sleep(0.001)

    def request(number: int) -> None:
        decide(client, f"visitor{number}", "exp")
        gevent.sleep(0)
        track(client, "user", 1, start=number)

    gevent.joinall([gevent.spawn(request, number) for number in range(100)], raise_error=True)
    ticking = gevent.spawn(tick)
    flushed = client.flush_sync(20)
    meanwhile = ticks
    ticking.kill()
    say(flushed=flushed, ticks=meanwhile, version=client.status().version, ours=ours())
    until(lambda: client.status().version == 2)
    say(variation=decide(client, "visitor"))
    track(client, "user", 100, start=100)


def fork() -> None:
    """A worker of a master in which the client was made, is ready and has nothing under way."""
    client = ready_client()
    track(client, "master", 10)
    client.flush_sync(20)
    if (child := os.fork()) == 0:
        track(client, "worker", 10)
        say(variation=decide(client, "worker"), flushed=client.flush_sync(20))
        sys.exit(0)
    say(child=os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


def fork_in_flight() -> None:
    """A worker is made while the master waits for the answer to its events: gevent copies the greenlet that waits."""
    client = ready_client(timeout=4)
    track(client, "master", 1)
    until(lambda: sending(client))
    until(told)
    if (child := os.fork()) == 0:
        track(client, "worker", 10)
        flushed = client.flush_sync(20)
        say(flushed=flushed)
        until(told)
        os._exit(0)
    say(child=os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flushed=client.flush_sync(20))


main()
