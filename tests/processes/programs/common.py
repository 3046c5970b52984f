"""What the programs of this folder begin with.

Each is run as ``program.py SCENARIO ARGUMENT...``; the server's address comes by SIGNAKIT_EMULATOR_URL. It prints one
JSON object a line. Events are numbered from 0 for each user, so that the server can tell which arrived, and how often.
"""

from __future__ import annotations

import asyncio
import json
import os
import select
import signal
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

from signakit_flags import SignaKitClient

if TYPE_CHECKING:
    from collections.abc import Callable

# Where these are installed, httpx imports its command line, and httpcore what it has for trio: most of the time that a
# program here would take. Servers have imported them by now.
for name in {"click", "trio"} - sys.modules.keys():
    sys.modules[name] = None  # type: ignore[assignment]

KEY = "sk_dev_org1_1234_abcdef"


def make_client(**settings: Any) -> SignaKitClient:
    return SignaKitClient(KEY, **{"polling_interval": 0, **settings})


def ready_client(**settings: Any) -> SignaKitClient:
    client = make_client(**settings)
    assert client.on_ready_sync().success
    return client


def say(**facts: Any) -> None:
    # One write for the line: several processes share the pipe.
    os.write(1, json.dumps(facts).encode() + b"\n")


def track(client: SignaKitClient, user: str, count: int, *, start: int = 0) -> None:
    """Track so many events, numbered from ``start``."""
    context = client.create_user_context(user)
    assert context is not None
    for number in range(start, start + count):
        context.track("visit", metadata={"n": number})


def decide(client: SignaKitClient, user: str, flag: str = "tgt") -> str:
    context = client.create_user_context(user)
    assert context is not None
    return context.variation(flag)


def ours() -> list[str]:
    """The threads that the library has started."""
    return sorted(thread.name for thread in threading.enumerate() if thread.name.startswith("signakit"))


def sending(client: SignaKitClient) -> bool:
    """A batch is on its way."""
    return client._engine.outbox.in_flight


def gathering(client: SignaKitClient) -> bool:
    """Events wait for more."""
    ingest = client._engine.ingest
    return ingest is not None and ingest.gathered is not None


def told() -> bool:
    """The test has let us go on. True once each time it does."""
    return bool(select.select([0], [], [], 0)[0]) and bool(os.read(0, 3))


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "waited for what did not come"
        time.sleep(0.002)


async def until_async(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "waited for what did not come"
        await asyncio.sleep(0.002)


def new_loop(kind: str) -> asyncio.AbstractEventLoop:
    """Return a loop of ``asyncio`` or ``uvloop``."""
    if kind == "uvloop":
        import uvloop

        return uvloop.new_event_loop()
    return asyncio.new_event_loop()


def main() -> None:
    """Play the scenario that the command line names: a function of the program."""
    # A shell that starts the tests in the background has them, and all that they start, ignore Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    name, *arguments = sys.argv[1:]
    vars(sys.modules["__main__"])[name](*arguments)
