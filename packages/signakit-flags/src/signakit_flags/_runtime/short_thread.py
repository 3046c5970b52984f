"""Work in a thread that ends with it, for what must not hold up an event loop, or might never return.

The thread belongs to no request. Where none can be started, the work is done where it is wanted: better a loop that
stands than a client without a config.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from contextvars import Context
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class _Outcome:
    """What came of some work."""

    def __init__(self) -> None:
        self._result: object = None
        self._error: BaseException | None = None

    def work(self, work: Callable[[], object], done: Callable[[], None]) -> None:
        try:
            self._result = work()
        except BaseException as error:  # noqa: BLE001  # raised by `get`
            self._error = error
        done()

    def get(self) -> object:
        """Return what the work returned, and raise what it raised; what would end a thread is a ``RuntimeError``."""
        error = self._error
        if isinstance(error, Exception):
            raise error
        if error is not None:
            raise RuntimeError(repr(error)) from error
        return self._result


def in_thread(work: Callable[[], T], name: str, timeout: float) -> T:
    """Return what ``work`` returns in a thread called ``name``, and raise what it raises.

    Raises:
        TimeoutError: It did not return within ``timeout`` seconds. The thread goes on.
    """
    outcome, done = _Outcome(), threading.Event()
    if not _start(lambda: outcome.work(work, done.set), name):
        outcome.work(work, done.set)
    if not done.wait(timeout):
        raise TimeoutError(f"no answer within {timeout:g} s")
    return outcome.get()  # type: ignore[return-value]  # what `work` returned


async def off_loop(work: Callable[[], T], name: str) -> T:
    """Return what ``work`` returns in a thread called ``name``, and raise what it raises, on an event loop."""
    import asyncio

    loop = asyncio.get_running_loop()
    outcome, done = _Outcome(), asyncio.Event()

    def tell() -> None:
        with suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(done.set)

    if not _start(lambda: outcome.work(work, tell), name):
        outcome.work(work, done.set)
    await done.wait()
    return outcome.get()  # type: ignore[return-value]  # as above


def _start(target: Callable[[], None], name: str) -> bool:
    """Start a thread, and return whether that was possible."""
    thread = threading.Thread(target=target, name=name, daemon=True)
    try:
        Context().run(thread.start)  # not in the context of the request that happens to come first
    except RuntimeError:
        return False
    return True
