"""The engine of one client: config feed, outbox, and who drives them.

Rules of the state:

- ``driver`` says who polls and sends: threads, or the home loop. It changes under ``_lock`` and is read without.
- A flow runs on only while its driver is ``driver``. One that was replaced finishes the request it is at, takes note of
  the answer, and ends; then the new one is woken. So there is no moment at which nobody or two of them send.
- The home loop is the one that awaited ``on_ready()``; where only an async client was injected, the first running loop
  that sends. When it has ended, whoever comes next (a context being made, an event) finds ``driver.alive`` False and
  moves on to the threads; if something was in flight, the end itself does.
- After a fork the child takes up new locks, an empty outbox, its own connections and new, unstarted threads.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from contextlib import suppress
from math import inf
from typing import TYPE_CHECKING, Any

from .._events.exposure_filter import ExposureFilter, exposure_key
from .._events.outbox import Outbox
from .._events.payloads import Conversion, Event, Exposure, as_sent, clean_metadata
from .._log import logger
from .._types import ClientStatus, OnReadyResult
from . import process
from .protocol import ConfigFeed, Flow, Ingest, Send, Ticket, deliver, poll
from .threads import ThreadDriver
from .transport import AsyncTransport, SyncTransport

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Mapping

    import httpx

    from .._evaluation.ruleset import Outcome
    from .._types import Decision
    from .tasks import LoopDriver


_LOOK_AFTER = 0.05
"""Seconds between two looks at a home loop in another thread that somebody waits for."""


class Engine:
    """Everything behind a client.

    Attributes:
        feed: The config.
        outbox: The events.
        exposures: Which exposures were sent.
        driver: Who polls and sends.
        home: The home loop, or None while threads drive; plain, as every context that is made looks at it.
        stale: Nobody polls, since the home loop ended or this is a fresh child. Then, or when ``home`` does not run,
            ``revive`` is to be called.
        exposures_suppressed: Exposures that were not sent again.
        recorded: Payloads of the events of an offline client that records them; None otherwise.
    """

    def __init__(
        self,
        *,
        feed: ConfigFeed,
        ingest: Ingest | None,
        max_queue_size: int,
        max_batch_size: int,
        timeout: float,
        max_config_size: int,
        async_client: httpx.AsyncClient | None,
        sync_client: httpx.Client | None,
        record_events: bool = False,
    ) -> None:
        self.feed: ConfigFeed = feed
        self.exposures: ExposureFilter = ExposureFilter()
        self.outbox: Outbox = Outbox(max_queue_size, max_batch_size, self.exposures)
        self.exposures_suppressed: int = 0
        self.recorded: list[dict[str, Any]] | None = [] if record_events else None
        self._ingest = ingest
        self._timeout = timeout
        self._max_config_size = max_config_size
        self._async_client = async_client
        # Only an async client injected: the application wants its events on a loop.
        self._prefers_loop = async_client is not None and sync_client is None
        self._sync = SyncTransport(sync_client, timeout=timeout, max_config_size=max_config_size)
        self._released = False
        self._closing = False
        self._stopping = False  # closing, and past the point where somebody is still to send
        self._closed = False
        self.stale: bool = False
        self._inherited: list[ThreadDriver | LoopDriver] = []
        self._renew()
        if ingest is not None:
            process.watch(self)

    def _renew(self) -> None:
        self._lock = threading.RLock()
        self.pid: int = os.getpid()
        self.driver: ThreadDriver | LoopDriver = self._thread_driver()
        self.home: asyncio.AbstractEventLoop | None = None

    def after_fork(self) -> None:
        """Become a child's: keep the config and what was exposed, share nothing else with the parent."""
        self.feed.forget_after_fork()
        self.outbox.forget_after_fork()
        self._sync.forget_after_fork()
        # The parent's driver is kept, unused: collecting it would complain about its tasks and sockets.
        self._inherited.append(self.driver)
        self._renew()
        if self._closing and not self._closed:
            self._closing = self._stopping = False  # the parent's close() goes on in the parent alone
            self.outbox.closed = self.feed.closed = False
        # Due at once: what the parent fetched may be old by the time the child is used.
        self.stale = True

    def _notice_fork(self) -> None:
        """Become a child's where nobody told us of the fork, as in uWSGI."""
        if self.pid != os.getpid():
            process.notice_fork()

    # --- who drives -------------------------------------------------------------------------------------------

    def _thread_driver(self) -> ThreadDriver:
        driver = ThreadDriver(
            lambda: poll(self.feed, lambda: self._polls(driver)),
            lambda: self._deliver(driver),
            self._sync.send,
            self._handed_over,
            lambda: self._crashed(driver),
        )
        return driver

    def _crashed(self, driver: ThreadDriver | LoopDriver) -> None:
        """Take back what a flow had under way when it failed."""
        if self.driver is driver:
            self._interrupt()

    def _polls(self, driver: ThreadDriver | LoopDriver) -> bool:
        return self.driver is driver and not self._released

    def _deliver(self, driver: ThreadDriver | LoopDriver) -> Flow:
        assert self._ingest is not None
        return deliver(
            self.outbox,
            self._ingest,
            lambda: self.driver is driver and not (self._released and not self.outbox.queued),
        )

    def _handed_over(self) -> None:
        """A flow has ended. If its driver was replaced, the new one may have waited for it."""
        driver = self.driver
        if self._closing:
            if self.outbox.queued:
                driver.wake_sender()
            return
        if self._released and not self.outbox.queued and not self.feed.fetching:
            self._sync.close()
            driver.stop()
            return
        if self.outbox.queued:
            driver.wake_sender()
        if self.feed.wanted or (self.feed.polls and not isinstance(driver, ThreadDriver)):
            self._wake_poller()

    def adopt(self) -> None:
        """Make the running loop the home loop, unless another one is and still runs."""
        import asyncio

        from .tasks import LoopDriver

        with self._lock:
            old = self.driver
            if isinstance(old, LoopDriver) and old.alive:
                return
            if isinstance(old, LoopDriver):
                self._interrupt()
            transport = AsyncTransport(self._async_client, timeout=self._timeout, max_config_size=self._max_config_size)
            driver = LoopDriver(
                lambda: poll(self.feed, lambda: self._polls(driver)),
                lambda: self._deliver(driver),
                transport,
                self._handed_over,
                lambda: self._leave_loop(driver),
                lambda: self._crashed(driver),
            )
            self.stale = False
            self.driver = driver
            self.home = driver.loop
        logger.debug("the home loop is %r", asyncio.get_running_loop())
        if isinstance(old, ThreadDriver):
            old.retire()
        if self.outbox.queued:
            driver.wake_sender()
        if self.feed.wanted or self.feed.polls:
            driver.wake_poller()

    def revive(self) -> None:
        """See to it that somebody polls: called when a context is made and nobody does."""
        driver = self.driver
        if not driver.alive:
            self._leave_loop(driver)
        self.stale = False
        if self.feed.polls and not self._closing:
            self._wake_poller()

    def _leave_loop(self, driver: ThreadDriver | LoopDriver) -> None:
        """Move on to the threads, since the home loop has ended. Something in flight is sent again."""
        if self.driver is not driver:
            return  # before the lock: a task that is being collected comes here from anywhere
        with self._lock:
            if self.driver is not driver or self._stopping:
                return
            self._interrupt()
            self.stale = True
            self.driver = self._thread_driver()
            self.home = None
        # Only what waits is worth a thread now; polling goes on when the client is next used. An application that
        # lives on one loop, and ends with it, starts none.
        if self.outbox.queued:
            self.driver.wake_sender()
        if self.feed.wanted:
            self._wake_poller()

    def _interrupt(self) -> None:
        self.outbox.interrupt()
        self.feed.interrupt()

    def release(self) -> None:
        """End once everything is sent: nobody holds the client any more. Takes no lock, as it may run anywhere."""
        self._released = True
        self.driver.retire()

    # --- events -----------------------------------------------------------------------------------------------

    def expose(self, user_id: str, attributes: Mapping[str, Any], outcome: Outcome) -> None:
        """Send the exposure of an outcome that has one, unless it was sent before."""
        assert outcome.exposure is not None
        outcome.exposed = self.exposures.of(outcome.exposure)
        decision, key = outcome.decision, exposure_key(outcome.exposure, user_id)
        event = Exposure(
            time.time(), user_id, attributes, decision.flag_key, decision.variation_key, decision.rule_key, key
        )
        if self.exposures.admit(key, event):
            self._accept(event)
        else:
            self.exposures_suppressed += 1

    def expose_forced(self, user_id: str, attributes: Mapping[str, Any], decision: Decision) -> None:
        """Record the exposure of a decision that a test has forced, once, where events are recorded. Never sent."""
        if self.posts:
            return
        flag_key, variation_key = decision.flag_key, decision.variation_key
        key = exposure_key(hash((flag_key, variation_key, "forced")), user_id)
        event = Exposure(time.time(), user_id, attributes, flag_key, variation_key, decision.rule_key, key)
        if self.exposures.admit(key, event):
            self._accept(event)

    @property
    def posts(self) -> bool:
        """Events are sent, and not recorded or discarded as an offline client does."""
        return self._ingest is not None

    def track(
        self,
        user_id: str,
        attributes: Mapping[str, Any],
        event_key: str,
        decisions: dict[str, str],
        value: Any,
        metadata: Any,
        *,
        may_adopt: bool = True,
    ) -> None:
        """Send a conversion."""
        cleaned = None if metadata is None else clean_metadata(metadata, self.outbox.warnings)
        event = Conversion(time.time(), user_id, attributes, event_key, decisions, value, cleaned)
        self._accept(event, may_adopt=may_adopt)

    def _accept(self, event: Event, *, may_adopt: bool = True) -> None:
        if self._ingest is None:
            if self.recorded is not None and not self.outbox.closed:
                self.recorded += as_sent(event, self.outbox.warnings)
            return
        if not self.outbox.put(event):
            return
        if self.outbox.idle or not self.driver.alive:
            self._rouse_sender(event, may_adopt=may_adopt)

    def _rouse_sender(self, event: Event, *, may_adopt: bool) -> None:
        if self.pid != os.getpid():
            # The event was put into the parent's outbox, which is now left alone.
            process.notice_fork()
            self._accept(event, may_adopt=may_adopt)
            return
        process.watch_exit_of_children()
        driver = self.driver
        if not driver.alive:
            self._leave_loop(driver)
        if self._prefers_loop and may_adopt and isinstance(self.driver, ThreadDriver) and loop_is_running():
            self.adopt()
        self.driver.wake_sender()

    # --- waiting for the network ------------------------------------------------------------------------------

    def _prepare(self, *, sync: bool) -> None:
        """Import what a fetch needs, in the calling thread, which waits anyway.

        An import holds a lock that a fork copies: were a thread of ours in the midst of one, a child that needs the
        same module would wait for ever.
        """
        with process.no_fork:
            from .._evaluation import config, ruleset  # noqa: F401  # as said

            if self.feed.closed:
                return
            if sync:
                self._sync.prepare()
            else:
                AsyncTransport.prepare()

    async def fetch(self, timeout: float | None, *, fresh: bool) -> OnReadyResult:
        """Fetch the config on the home loop, and wait for it."""
        self._notice_fork()
        if self._ingest is None:
            return OnReadyResult(success=True)
        self._prepare(sync=False)
        self.adopt()
        waiter = _AsyncWaiter()
        ticket = Ticket(waiter.notify)
        self.feed.ask(ticket, fresh=fresh)
        if timeout is not None and timeout <= 0:
            self._wake_poller()  # nobody waits for it, and so nobody else would wake it
        await self._await(waiter, timeout, self._wake_poller)
        return ticket.result or _timed_out(timeout)

    def fetch_sync(self, timeout: float | None, *, fresh: bool) -> OnReadyResult:
        """Fetch the config, wherever polling happens, and wait for it."""
        self._notice_fork()
        if self._ingest is None:
            return OnReadyResult(success=True)
        self._prepare(sync=True)
        done = threading.Event()
        ticket = Ticket(done.set)
        self.feed.ask(ticket, fresh=fresh)
        if timeout is not None and timeout <= 0:
            self._wake_poller()  # as above
        if not self._wait(done, timeout, self._wake_poller):
            self._fetch_here(timeout)
        return ticket.result or _timed_out(timeout)

    def _fetch_here(self, timeout: float | None) -> None:
        """Fetch in the calling thread, as nobody else can."""
        self.feed.interrupt()
        begun = self.feed.begin(time.monotonic())
        if begun is not None:
            request, fetch = begun
            try:
                self.feed.receive(fetch, self._sync.send(request, timeout))
            except BaseException:  # of a signal handler
                self.feed.interrupt()
                raise

    async def flush(self, timeout: float | None) -> bool:
        """Wait until everything accepted so far is settled; True when all of it was sent."""
        self._notice_fork()
        lost = self.outbox.lost
        return await self._settled(timeout) and self.outbox.lost == lost

    async def _settled(self, timeout: float | None) -> bool:
        """Wait until everything accepted so far has left the outbox; False when time ran out."""
        waiter = _AsyncWaiter()
        notify = waiter.notify
        self.outbox.when_settled(notify)
        try:
            return not self.outbox.queued or await self._await(waiter, timeout, self._hurry)
        finally:
            self.outbox.stop_waiting(notify)

    def flush_sync(self, timeout: float | None) -> bool:
        """Wait until everything accepted so far is settled; True when all of it was sent."""
        self._notice_fork()
        lost = self.outbox.lost
        done = threading.Event()
        notify = done.set
        deadline = None if timeout is None else time.monotonic() + timeout
        self.outbox.when_settled(notify)
        try:
            if not self._wait(done, timeout, self._hurry):
                was_home = self._is_home()
                self._drain_here(deadline, done.is_set)
                if was_home:
                    self.adopt()
        finally:
            self.outbox.stop_waiting(notify)
        return done.is_set() and self.outbox.lost == lost

    def _wait(self, done: threading.Event, timeout: float | None, wake: Callable[[], bool]) -> bool:
        """Wait for the driver elsewhere that ``wake`` wakes; False, at once, when the calling thread has to do it.

        That is so in the home loop's own thread, and where there is no other thread to be had. A home loop that ends
        meanwhile tells nobody, so it is looked after.
        """
        deadline = inf if timeout is None else time.monotonic() + timeout
        woken = None
        # Woken once in any case: who has no time to wait has the work done behind their back.
        while not done.is_set() and ((rest := deadline - time.monotonic()) > 0 or woken is None):
            if not self.driver.alive:
                self._leave_loop(self.driver)
            driver = self.driver
            if driver is not woken:
                if self._is_home() or not wake():
                    return False
                woken = driver
            if isinstance(driver, ThreadDriver):
                done.wait(min(rest, threading.TIMEOUT_MAX))
                return True
            done.wait(min(rest, _LOOK_AFTER))
        return True

    async def _await(self, waiter: _AsyncWaiter, timeout: float | None, wake: Callable[[], bool]) -> bool:
        """The same, on a loop, which does it itself where there is nobody else; returns whether it was done in time."""
        deadline = inf if timeout is None else time.monotonic() + timeout
        woken = None
        while not waiter.done and ((rest := deadline - time.monotonic()) > 0 or woken is None):
            if not self.driver.alive:
                self._leave_loop(self.driver)
            if self.driver is not woken and not wake():
                self.adopt()
            driver = woken = self.driver
            if isinstance(driver, ThreadDriver) or driver.is_here:
                return await waiter.wait(None if rest == inf else rest)
            await waiter.wait(min(rest, _LOOK_AFTER))
        return await waiter.wait(0)

    def _wake_poller(self) -> bool:
        """Have the poller look; where there is no thread for it, the next one who makes a context tries again."""
        woken = self.driver.wake_poller()
        if not woken:
            self.stale = True
        return woken

    def _hurry(self) -> bool:
        """Have the sender try now, whatever it waits for."""
        self.outbox.hurry = True
        return self.driver.wake_sender()

    def _is_home(self) -> bool:
        """The calling thread runs the home loop."""
        driver = self.driver
        return not isinstance(driver, ThreadDriver) and driver.is_here

    def _drain_here(self, deadline: float | None, is_done: Callable[[], bool]) -> None:
        """Send in the calling thread, on the sync client, taking over from whoever was at it."""
        assert self._ingest is not None
        with self._lock:
            old = self.driver
            if not isinstance(old, ThreadDriver):
                old.stop()
                self.driver = self._thread_driver()
                self.stale = True
            self._interrupt()
        self.outbox.hurry = True  # whoever waits here does not wait out a pause between attempts

        def goes_on() -> bool:
            return not is_done() and (deadline is None or time.monotonic() < deadline)

        try:
            self._drain(deliver(self.outbox, self._ingest, goes_on, until_empty=True), deadline)
        except BaseException:  # of a signal handler
            self._interrupt()
            raise

    def _drain(self, flow: Flow, deadline: float | None) -> None:
        answer = None
        while True:
            try:
                action = flow.send(answer)
            except StopIteration:
                return
            remaining = None if deadline is None else max(0.001, deadline - time.monotonic())
            answer = None
            if isinstance(action, Send):
                answer = self._sync.send(action.request, remaining)
            else:
                wait = action.seconds or 0.0
                time.sleep(wait if remaining is None else min(wait, remaining))

    # --- the end ----------------------------------------------------------------------------------------------

    def close(self, timeout: float, *, join: bool = True) -> None:
        """Send what is waiting, stop, and give up what took longer than ``timeout`` seconds in all.

        Args:
            timeout: Seconds, for everything together.
            join: Wait for threads to end, too. At exit they end anyway, and a hanging fetch must not delay it.
        """
        self._notice_fork()
        deadline = time.monotonic() + timeout
        if not self._begin_closing():
            # Looking now and then, by `time.sleep` as it is at run time: an event made before gevent came would block.
            while not self._closed and not self._is_home() and time.monotonic() < deadline:
                time.sleep(0.005)
            return
        try:
            if self.outbox.queued:
                done = threading.Event()
                self.outbox.when_settled(done.set)
                # No thread is started for it: the process may be about to exit.
                if not (self.driver.works_elsewhere() and self._wait(done, timeout, self._hurry)):
                    self._drain_here(deadline, lambda: False)
            self._stopping = True
            self.driver.stop()
            if join:
                self.driver.join(deadline)
        except BaseException:
            self._closing = self._stopping = False  # broken off by a signal handler: the exit makes up for it
            raise
        self._finish_closing()

    async def aclose(self, timeout: float) -> None:
        """The same, on a loop."""
        self._notice_fork()
        import asyncio

        deadline = time.monotonic() + timeout
        if not self._begin_closing():
            # Rare, and another thread may be the one that closes: looking now and then is simpler than being told.
            while not self._closed and time.monotonic() < deadline:  # noqa: ASYNC110
                await asyncio.sleep(0.005)
            return
        try:
            if self.outbox.queued:
                if not self.driver.alive:
                    self.adopt()
                await self._settled(timeout)
            self._stopping = True
            driver = self.driver
            if isinstance(driver, ThreadDriver) or not driver.is_here:
                driver.stop()
            else:
                await driver.aclose()
        except BaseException:
            self._closing = self._stopping = False  # cancelled: the exit makes up for it
            raise
        self._finish_closing()

    def _begin_closing(self) -> bool:
        with self._lock:
            if self._closing:
                return False
            self._closing = True
        self.outbox.closed = True
        self.feed.close()
        return True

    def _finish_closing(self) -> None:
        unsent = self.outbox.abandon()
        if unsent:
            if isinstance(self.driver, ThreadDriver):
                self.driver.retire()  # a sender that waits out a pause has nothing left to wait for
            logger.warning("%d event(s) could not be sent before close()", unsent)
        self._sync.close()
        self._closed = True

    def status(self) -> ClientStatus:
        """Return the state of the client."""
        self._notice_fork()
        snapshot, outbox = self.feed.snapshot, self.outbox
        return ClientStatus(
            ready=snapshot is not None,
            source=snapshot.source if snapshot else None,
            version=snapshot.ruleset.version if snapshot else None,
            etag=snapshot.etag if snapshot else None,
            age=max(0.0, time.monotonic() - snapshot.confirmed) if snapshot else None,
            last_error=self.feed.last_error or outbox.last_error,
            queued=outbox.queued,
            sent=outbox.sent,
            dropped=outbox.refused + outbox.lost,
            exposures_suppressed=self.exposures_suppressed,
        )


class _AsyncWaiter:
    """Lets a coroutine wait for a call that may come from any thread."""

    def __init__(self) -> None:
        import asyncio

        self._loop = asyncio.get_running_loop()
        self._future: asyncio.Future[None] = self._loop.create_future()

    def notify(self) -> None:
        with suppress(RuntimeError):  # the loop is closed, so nobody waits
            self._loop.call_soon_threadsafe(self._set)

    def _set(self) -> None:
        if not self._future.done():
            self._future.set_result(None)

    @property
    def done(self) -> bool:
        """The call came."""
        return self._future.done()

    async def wait(self, timeout: float | None) -> bool:
        """Wait so many seconds at most, and say whether the call came."""
        import asyncio

        done, _pending = await asyncio.wait([self._future], timeout=timeout)
        return bool(done)


def loop_is_running() -> bool:
    """Say whether the calling code runs on an asyncio loop."""
    asyncio = sys.modules.get("asyncio")
    if asyncio is None:
        return False
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _timed_out(timeout: float | None) -> OnReadyResult:
    waited = "" if timeout is None else f" within {timeout:g} s"
    return OnReadyResult(success=False, reason=f"no config{waited}; it is still being tried")
