"""Work that an event loop waits for, in a thread that ends with the work."""

from __future__ import annotations

import threading
from contextlib import suppress
from contextvars import Context
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


async def off_loop(work: Callable[[], T], name: str) -> T:
    """Return what ``work`` returns, from a thread called ``name``, and raise what it raises.

    The thread belongs to no request. Where none can be started the loop does the work itself: better a loop that stands
    than a client without a config.
    """
    import asyncio

    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def settle(end: Callable[[Any], None], outcome: object) -> None:
        if not done.done():  # else the one that waited was cancelled
            end(outcome)

    def run() -> None:
        end: Callable[[Any], None] = done.set_result
        outcome: object
        try:
            outcome = work()
        except Exception as error:  # noqa: BLE001  # for the one that waits
            end, outcome = done.set_exception, error
        with suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(settle, end, outcome)

    thread = threading.Thread(target=run, name=name, daemon=True)
    try:
        Context().run(thread.start)  # not in the context of the request that happens to come first
    except RuntimeError:
        return work()
    return await done
