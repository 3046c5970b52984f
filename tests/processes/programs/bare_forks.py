"""Forks at bad moments: beside a thread that holds a lock, and in C, with none of Python's hooks, before each verb."""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common import decide, main, ready_client, say, sending, told, track, until

from signakit_flags._runtime import process

if TYPE_CHECKING:
    from collections.abc import Callable

    from signakit_flags import SignaKitClient

GUARD = 20
"""Seconds after which a child that hangs is killed, by SIGALRM."""


def wait_for(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


# --- beside a lock that is held ---------------------------------------------------------------------------------------

LOCKS: dict[str, Callable[[SignaKitClient], Any]] = {
    "feed": lambda client: client._engine.feed._lock,
    "outbox": lambda client: client._engine.outbox._lock,
    "life": lambda client: client._engine.life._lock,
    "handover": lambda client: client._engine.handover._lock,
    "poller": lambda client: client._engine.handover.driver._poller._lock,
    "sender": lambda client: client._engine.handover.driver._sender._lock,
    "no_fork": lambda client: process.no_fork,
}


def beside_a_held_lock(name: str) -> None:
    """Another thread holds one of our locks at the fork. ``no_fork`` it lets go: the fork waits for that."""
    client = ready_client(polling_interval=0.05)
    track(client, "parent", 10)
    assert client.flush_sync(20)
    lock = LOCKS[name](client)
    held, release = threading.Event(), threading.Event()

    def hold() -> None:
        with lock:
            held.set()
            release.wait(2 * GUARD)

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait(GUARD)
    if name == "no_fork":
        threading.Timer(0.2, release.set).start()
    if (child := os.fork()) == 0:
        signal.alarm(GUARD)
        track(client, "child", 10)
        variation = decide(client, "child")
        flushed = client.flush_sync()
        say(variation=variation, flushed=flushed, refreshed=client.refresh_sync(), sent=client.status().sent)
        client.close()
        os._exit(0)
    code = wait_for(child)
    release.set()
    holder.join()
    track(client, "parent", 10, start=10)
    say(child=code, flushed=client.flush_sync(20), refreshed=client.refresh_sync())
    client.close()


# --- in C, as uWSGI does ----------------------------------------------------------------------------------------------


def on_ready_in_a_loop(client: SignaKitClient) -> object:
    """Ready on a loop of the child's own, which stays the one that polls and sends."""

    async def serve() -> bool:
        ready = (await client.on_ready(5)).success
        home = client._engine.handover.home
        decide(client, "child")
        return ready and client._engine.handover.home is home

    return asyncio.run(serve())


def aclose(client: SignaKitClient) -> object:
    """Close on a loop, for longer than it may take."""
    asyncio.run(client.aclose(5))
    return client._engine.outbox.lost


def close(client: SignaKitClient) -> object:
    """Close, for longer than it may take."""
    client.close(5)
    return client._engine.outbox.lost


VERBS: dict[str, Callable[[SignaKitClient], object]] = {
    "status": lambda client: client.status().queued,
    "on_ready_sync": lambda client: client.on_ready_sync(5).success,
    "on_ready": on_ready_in_a_loop,
    "refresh_sync": lambda client: client.refresh_sync(),
    "refresh": lambda client: asyncio.run(client.refresh()),
    "flush_sync": lambda client: client.flush_sync(5),
    "flush": lambda client: asyncio.run(client.flush(5)),
    "close": close,
    "aclose": aclose,
    "create_user_context": lambda client: decide(client, "child"),
}


def without_hooks(verb: str) -> None:
    """The parent has a fetch and a post under way, and 49 events waiting; the child's first call is ``verb``."""
    client = ready_client(polling_interval=3600)
    say(ready=True)
    until(told)
    refreshing = threading.Thread(target=client.refresh_sync)
    refreshing.start()
    track(client, "parent", 1)
    until(lambda: sending(client))
    track(client, "parent", 49, start=1)
    until(told)
    until(others_sleep)
    # ctypes holds the GIL meanwhile, so that nobody else does at the fork.
    if (child := ctypes.PyDLL(None).fork()) == 0:
        signal.alarm(GUARD)
        say(result=VERBS[verb](client))
        flushed = True
        if "close" not in verb:
            track(client, "child", 10)
            flushed = client.flush_sync()
        sys.stderr.flush()
        os._exit(0 if flushed else 1)
    say(child=wait_for(child))
    flushed = client.flush_sync(20)
    refreshing.join()
    say(flushed=flushed, sent=client.status().sent)


def others_sleep() -> bool:
    """No other thread has run for a fifth of a second, and none wants to. Python does not survive a fork otherwise."""
    before = switches()
    time.sleep(0.2)
    return before is not None and before == switches()


def switches() -> list[str] | None:
    """How often each of the other threads was put to sleep; None if one of them is awake."""
    counts = []
    for task in Path("/proc/self/task").iterdir():
        if int(task.name) != threading.get_native_id():
            lines = (task / "status").read_text().splitlines()
            if not any(line.startswith("State:\tS") for line in lines):
                return None
            counts += [line for line in lines if "ctxt_switches" in line]
    return counts


main()
