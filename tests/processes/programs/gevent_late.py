"""A worker that gevent patches after its fork from an unpatched, ready parent: gunicorn --preload -k gevent."""

from __future__ import annotations

import os
import sys

from common import decide, main, ours, ready_client, say, track


def worker() -> None:
    client = ready_client(polling_interval=0.05)
    track(client, "master", 10)
    if (child := os.fork()) == 0:
        from gevent import monkey

        monkey.patch_all()
        import gevent

        ticks = 0

        def tick() -> None:
            nonlocal ticks
            while True:
                ticks += 1
                gevent.sleep(0.001)

        def request(number: int) -> None:
            decide(client, f"visitor{number}", "exp")
            gevent.sleep(0)
            track(client, "worker", 1, start=number)

        gevent.spawn(tick)
        gevent.joinall([gevent.spawn(request, number) for number in range(100)], raise_error=True)
        flushed = client.flush_sync(20)
        say(flushed=flushed, ticks=ticks, ours=ours())
        track(client, "worker", 100, start=100)
        sys.exit(0)
    say(child=os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


main()
