"""Waiting for a driver: in a thread, and on an event loop.

A call such as ``flush()`` waits for work that a driver does elsewhere. It cannot wait in the thread that the driver
itself runs in. And a home loop may end meanwhile without telling, so each wait looks after its driver.
"""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from math import inf
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from .home_loop import Handover

LOOK_AFTER = 0.05
"""Seconds between two looks at a home loop that a call in another thread waits for."""


def wait_in_thread(handover: Handover, done: threading.Event, timeout: float | None, wake: Callable[[], bool]) -> bool:
    """Wait up to ``timeout`` seconds for the driver that ``wake`` wakes to set ``done``.

    Returns:
        False, at once, where the calling thread has to do the work itself: it runs the home loop, or no other thread
        can be started. True otherwise, whether or not ``done`` was set in time.
    """
    deadline = inf if timeout is None else time.monotonic() + timeout
    woken = None
    # Woken once in any case: a call without time to wait leaves the work to the background.
    while not done.is_set() and ((rest := deadline - time.monotonic()) > 0 or woken is None):
        driver = handover.leave_ended_loop()
        if driver is not woken:
            if driver.is_here or not wake():
                return False
            woken = driver
        if not driver.may_vanish:
            done.wait(min(rest, threading.TIMEOUT_MAX))
            return True
        done.wait(min(rest, LOOK_AFTER))
    return True


async def wait_on_loop(handover: Handover, waiter: LoopWaiter, timeout: float | None, wake: Callable[[], bool]) -> bool:
    """Wait up to ``timeout`` seconds for the driver that ``wake`` wakes to notify ``waiter``.

    Where no driver can be woken, the running loop becomes the home loop and does the work. A client that uses no loops
    then waits for a thread that can be started.

    Returns:
        Whether ``waiter`` was notified in time.
    """
    deadline = inf if timeout is None else time.monotonic() + timeout
    woken, looked = None, False
    while not waiter.done and ((rest := deadline - time.monotonic()) > 0 or not looked):
        looked = True
        works = handover.leave_ended_loop() is woken or wake()
        if not works:
            handover.adopt()
        driver = handover.driver
        if driver.is_here or (works and not driver.may_vanish):
            return await waiter.wait(None if rest == inf else rest)
        woken = driver if works else None
        await waiter.wait(min(rest, LOOK_AFTER))
    return await waiter.wait(0)


class LoopWaiter:
    """Lets a coroutine wait for a call that may come from any thread."""

    def __init__(self) -> None:
        import asyncio

        self._loop = asyncio.get_running_loop()
        self._future: asyncio.Future[None] = self._loop.create_future()

    def notify(self) -> None:
        """Wake the coroutine."""
        with suppress(RuntimeError):  # the loop is closed, and the coroutine with it
            self._loop.call_soon_threadsafe(self._set)

    def _set(self) -> None:
        if not self._future.done():
            self._future.set_result(None)

    @property
    def done(self) -> bool:
        """True after ``notify``."""
        return self._future.done()

    async def wait(self, timeout: float | None) -> bool:
        """Wait up to ``timeout`` seconds, and return whether ``notify`` was called."""
        import asyncio

        done, _pending = await asyncio.wait([self._future], timeout=timeout)
        return bool(done)
