"""The loop driver: runs the flows of a client on one event loop, the home loop, with the async transport.

There is a task only while a request is under way; a wait is a timer of the loop. So an idle client leaves no task
behind to be cancelled or reported when the loop ends. It leaves no connection either: ``asyncio.run``, and what else
ends a loop in good order, closes the asynchronous generators of the loop, and one of ours closes the connections.

State: everything but ``alive`` and the ``wake`` methods belongs to the loop's thread.
"""

from __future__ import annotations

import asyncio
import contextvars
from contextlib import suppress
from typing import TYPE_CHECKING

from .._log import logger
from .backoff import CRASH_PAUSE
from .driver import Driver
from .flow import Ask, Flow, Send, Sleep

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from .driver import Host
    from .transport import AsyncTransport


class LoopWorker:
    """One flow on the loop, and the task or the timer that it waits for."""

    def __init__(self, driver: LoopDriver, name: str, make_flow: Callable[[Driver], Flow]) -> None:
        self._driver = driver
        self._name = name
        self._make_flow = make_flow
        self._flow: Flow | None = None
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    def wake(self) -> None:
        """Let the flow go on. Called on the loop's thread."""
        if self._task is not None:
            return  # the flow looks for more to do before it sleeps
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        # In an empty context: the flow outlives the request whose decision woke it, and must not keep its variables.
        context = contextvars.Context()
        # Not by the loop's factory: an eager one would run the flow before `_task` is set.
        self._task = asyncio.Task(self._run(), loop=self._driver.loop, name=self._name, context=context)
        self._task.add_done_callback(self._ended, context=context)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Handle a task that was cancelled before it ran, which cannot tell itself."""
        if task.cancelled():
            self._driver.host.loop_ended(self._driver)

    async def _run(self) -> None:
        driver = self._driver
        flow = self._flow = self._flow or self._make_flow(driver)
        answer: object = None
        try:
            while not isinstance(action := flow.send(answer), Sleep):
                answer = None
                if isinstance(action, Send):
                    answer = await driver.transport.send(action.request)
                elif isinstance(action, Ask):
                    answer = await action.aanswer()
                else:
                    await asyncio.sleep(0)
        except StopIteration:
            self._flow = None
            self._task = None
            driver.host.flow_ended()
            return
        except Exception:
            # Unexpected, so a bug of ours. The flow starts again after a pause, or when it is woken.
            logger.exception("%s failed", self._name)
            self._flow = None
            self._task = None
            driver.host.flow_failed(driver)
            self._wake_later(CRASH_PAUSE)
            return
        except asyncio.CancelledError:
            # The loop ends, or the application cancels every task there is: the threads take over.
            driver.host.loop_ended(driver)
            await driver.transport.aclose()
            raise
        except GeneratorExit:
            # The loop was closed under a request, and the task is being collected: nothing can be awaited any more.
            driver.host.loop_ended(driver)
            raise
        self._task = None
        if action.seconds is not None:
            self._wake_later(action.seconds)

    def _wake_later(self, seconds: float) -> None:
        self._timer = self._driver.loop.call_later(seconds, self.wake, context=contextvars.Context())

    def stop(self) -> asyncio.Task[None] | None:
        """Cancel what is under way, and return the task that ends by it. Called on the loop's thread."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._task is not None:
            self._task.cancel()
        return self._task


class LoopDriver(Driver):
    """Runs the poller and the sender on the running loop.

    Attributes:
        host: Gives the flows, and is told how they end.
        loop: The home loop.
        transport: Requests from it.
    """

    may_vanish = True

    def __init__(self, host: Host, transport: AsyncTransport) -> None:
        self.host: Host = host
        self.loop: asyncio.AbstractEventLoop = asyncio.get_running_loop()
        self.transport: AsyncTransport = transport
        self._poller = LoopWorker(self, "signakit-poller", host.poll_flow)
        self._sender = LoopWorker(self, "signakit-sender", host.delivery_flow)
        self._last: asyncio.Task[None] | None = None
        self._closed = False
        # Referred to, as the loop holds it weakly. Its first step, which awaits nothing, makes it known to the loop.
        # Where the loop is about to end already, asyncio warns of it.
        self._end = self._until_the_loop_ends()
        with suppress(StopIteration, ResourceWarning):
            self._end.__anext__().send(None)

    async def _until_the_loop_ends(self) -> AsyncGenerator[None, None]:
        """Wait for ``loop.shutdown_asyncgens()``, then leave the loop to its end: the threads take over."""
        try:
            yield
        finally:
            if not self._closed:
                self.host.loop_ended(self)
                await self._close()

    @property
    def alive(self) -> bool:
        """True while the loop runs. One that pauses counts as ended, since it may never go on."""
        return self.loop.is_running()

    @property
    def is_here(self) -> bool:
        """True in the thread that runs the loop: to wait there for the driver would wait for ever."""
        try:
            return asyncio.get_running_loop() is self.loop
        except RuntimeError:
            return False

    def wake_poller(self) -> bool:
        """Let the poller look for something to fetch; False when the loop is closed."""
        return self._call(self._poller.wake)

    def wake_sender(self) -> bool:
        """Let the sender look for something to send; False when the loop is closed."""
        return self._call(self._sender.wake)

    def works_elsewhere(self) -> bool:
        """Return whether the sender goes on while the calling thread waits for it."""
        return self.alive and not self.is_here

    def retire(self) -> None:
        """Let both flows notice that this driver is not in force any more."""
        self.wake_poller()
        self.wake_sender()

    def stop(self) -> None:
        """Cancel what is under way and close the connections, as soon as the loop runs again."""
        self._call(self._stop)

    def _stop(self) -> None:
        if self._closed:
            return  # a task that is made as the loop ends would be reported as pending
        # Kept, since a loop holds its tasks weakly.
        self._last = self.loop.create_task(self.aclose(), name="signakit-close")

    async def aclose(self) -> None:
        """Stop, and on the home loop wait for the end: nothing of ours is left on it afterwards."""
        if not self.is_here:
            self.stop()
            return
        await self._close()
        with suppress(StopIteration, RuntimeError):  # it is under way: the loop ends at the same time
            self._end.aclose().send(None)

    async def _close(self) -> None:
        tasks = {self._poller.stop(), self._sender.stop(), self._last} - {None, asyncio.current_task()}
        await asyncio.gather(*[task for task in tasks if task is not None], return_exceptions=True)
        await self.transport.aclose()
        self._closed = True

    def join(self, deadline: float) -> None:
        """Do not wait: tasks end with the flows they run."""

    def _call(self, callback: Callable[[], None]) -> bool:
        # From the loop's own thread, too: in a signal handler the loop may be asleep, and has to be woken.
        try:
            self.loop.call_soon_threadsafe(callback, context=contextvars.Context())
        except RuntimeError:  # closed just now: the next look moves on to the threads
            return False
        return True
