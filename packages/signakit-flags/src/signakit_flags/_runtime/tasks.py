"""The task driver: runs the flows of ``protocol`` on one event loop, the home loop, with the async client.

There is a task only while a request is under way; a wait is a timer of the loop. So an idle client leaves no task
behind to be cancelled or reported when the loop ends.

State: everything but ``alive`` and the ``wake`` methods belongs to the loop's thread.
"""

from __future__ import annotations

import asyncio
import contextvars
from typing import TYPE_CHECKING

from .._log import logger
from .protocol import CRASH_PAUSE, Answer, Flow, Send

if TYPE_CHECKING:
    from collections.abc import Callable

    from .transport import AsyncTransport


class LoopWorker:
    """One flow on the loop."""

    def __init__(self, driver: LoopDriver, name: str, make_flow: Callable[[], Flow]) -> None:
        self._driver = driver
        self._name = name
        self._make_flow = make_flow
        self._flow: Flow | None = None
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    def wake(self) -> None:
        """Let the flow go on. Called on the loop's thread."""
        if self._task is not None:
            return  # it looks for more to do before it sleeps
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        # A context of its own: the flow outlives the request whose decision woke it, and must not hold its variables.
        context = contextvars.Context()
        # Not by the loop's factory: an eager one would run the flow before `_task` says that it runs.
        self._task = asyncio.Task(self._run(), loop=self._driver.loop, name=self._name, context=context)
        self._task.add_done_callback(self._ended, context=context)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Notice a task that was cancelled before it ran: it had no chance to say so itself."""
        if task.cancelled():
            self._driver.on_loop_end()

    async def _run(self) -> None:
        flow = self._flow = self._flow or self._make_flow()
        answer: Answer | None = None
        seconds: float | None = None
        try:
            while True:
                action = flow.send(answer)
                answer = None
                if isinstance(action, Send):
                    answer = await self._driver.transport.send(action.request)
                else:
                    seconds = action.seconds
                    break
        except StopIteration:
            self._flow = None
            self._task = None
            self._driver.on_end()
            return
        except Exception:
            # Not foreseen, so a mistake of ours. It begins anew after a pause, or when it is woken.
            logger.exception("%s failed", self._name)
            self._flow = None
            self._task = None
            self._driver.on_crash()
            self._timer = self._driver.loop.call_later(CRASH_PAUSE, self.wake, context=contextvars.Context())
            return
        except asyncio.CancelledError:
            # The loop ends, or somebody cancels every task there is: the threads take over.
            self._driver.on_loop_end()
            await self._driver.transport.aclose()
            raise
        except GeneratorExit:
            # The loop was closed under a request, and the task is being collected: nothing can be awaited any more.
            self._driver.on_loop_end()
            raise
        self._task = None
        if seconds is not None:
            self._timer = self._driver.loop.call_later(seconds, self.wake, context=contextvars.Context())

    def stop(self) -> asyncio.Task[None] | None:
        """Cancel what is under way, and return the task that then ends. Called on the loop's thread."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._task is not None:
            self._task.cancel()
        return self._task


class LoopDriver:
    """Runs the poller and the sender on the running loop.

    Attributes:
        loop: The home loop.
        transport: Requests from it.
        on_end: Called when a flow has ended by itself.
        on_loop_end: Called when the loop ends under a flow.
        on_crash: Called when a flow has failed with something under way.
    """

    def __init__(
        self,
        poll: Callable[[], Flow],
        deliver: Callable[[], Flow],
        transport: AsyncTransport,
        on_end: Callable[[], None],
        on_loop_end: Callable[[], None],
        on_crash: Callable[[], None],
    ) -> None:
        self.loop: asyncio.AbstractEventLoop = asyncio.get_running_loop()
        self.transport: AsyncTransport = transport
        self.on_end: Callable[[], None] = on_end
        self.on_loop_end: Callable[[], None] = on_loop_end
        self.on_crash: Callable[[], None] = on_crash
        self._poller = LoopWorker(self, "signakit-poller", poll)
        self._sender = LoopWorker(self, "signakit-sender", deliver)
        self._last: asyncio.Task[None] | None = None

    @property
    def alive(self) -> bool:
        """The loop runs. One that merely pauses counts as ended, since nobody knows whether it will go on."""
        return self.loop.is_running()

    @property
    def is_here(self) -> bool:
        """The calling thread is the one that runs the loop: waiting in it would wait for itself."""
        try:
            return asyncio.get_running_loop() is self.loop
        except RuntimeError:
            return False

    def wake_poller(self) -> bool:
        """Let the poller look whether there is something to fetch; False when the loop is closed."""
        return self._call(self._poller.wake)

    def wake_sender(self) -> bool:
        """Let the sender look whether there is something to send; False when the loop is closed."""
        return self._call(self._sender.wake)

    def works_elsewhere(self) -> bool:
        """Say whether the sender goes on while the calling thread waits for it."""
        return self.alive and not self.is_here

    def retire(self) -> None:
        """Let both flows notice that they are no longer wanted."""
        self.wake_poller()
        self.wake_sender()

    def stop(self) -> None:
        """Cancel what is under way and close the connections, as soon as the loop comes to it."""
        self._call(self._stop)

    def _stop(self) -> None:
        # Kept, since a loop holds its tasks weakly.
        self._last = self.loop.create_task(self.aclose(), name="signakit-close")

    async def aclose(self) -> None:
        """The same, on the loop itself: nothing of ours is left on it afterwards."""
        tasks = [task for task in (self._poller.stop(), self._sender.stop()) if task is not None]
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.transport.aclose()

    def join(self, deadline: float) -> None:
        """Do not wait: tasks end with the flows they run."""

    def _call(self, callback: Callable[[], None]) -> bool:
        # From the loop's own thread, too: in a signal handler the loop may be asleep, and has to be told.
        try:
            self.loop.call_soon_threadsafe(callback, context=contextvars.Context())
        except RuntimeError:  # closed just now: the next one to look moves on to the threads
            return False
        return True
