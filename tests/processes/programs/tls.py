"""A fork while another thread makes the TLS context of the client."""

from __future__ import annotations

import os
import signal
import ssl
import threading
import time
from typing import Any

from common import decide, main, make_client, say, track

GUARD = 20
"""Seconds after which a child that hangs is killed, by SIGALRM."""

inside, made = threading.Event(), threading.Event()
contexts: list[int] = []
real = ssl.create_default_context


def slowly(*args: Any, **kwargs: Any) -> ssl.SSLContext:
    """Make a context, and take a fork's time for it."""
    contexts.append(os.getpid())
    inside.set()
    time.sleep(0.5)
    context = real(*args, **kwargs)
    made.set()
    return context


def while_a_context_is_made(face: str) -> None:
    ssl.create_default_context = slowly
    client = make_client()
    if face == "sync":
        fetching = threading.Thread(target=client.on_ready_sync)
    else:
        import asyncio

        fetching = threading.Thread(target=asyncio.run, args=(client.on_ready(),))
    fetching.start()
    assert inside.wait(GUARD)
    was_made = made.is_set()
    if (child := os.fork()) == 0:
        signal.alarm(GUARD)
        waited = made.is_set() and not was_made
        use(client, "child")
        # A child of a child, as a pool that replaces its processes makes them.
        if (grandchild := os.fork()) == 0:
            signal.alarm(GUARD)
            use(client, "grandchild")
            os._exit(0)
        code = wait_for(grandchild)
        say(waited=waited, grandchild=code, contexts=len(contexts), own=contexts.count(os.getpid()))
        os._exit(0)
    code = wait_for(child)
    fetching.join()
    use(client, "parent")
    say(child=code)


def use(client: Any, user: str) -> None:
    """Fetch the config, decide and send, over connections of this process."""
    assert client.refresh_sync()
    assert decide(client, user) == "on"
    track(client, user, 10)
    assert client.flush_sync(GUARD)


def wait_for(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


main()
