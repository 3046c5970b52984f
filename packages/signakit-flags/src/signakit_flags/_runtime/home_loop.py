"""Which event loop is the home loop, and the handover between it and the threads: who polls and sends.

======================  ======================  =====================================================================
from                    to                      when
======================  ======================  =====================================================================
threads                 home loop               ``adopt``: a loop awaits ``on_ready()``, or, where only an async
                                                client was injected, sends its first event
home loop that ended    home loop               the same on another loop
home loop               threads                 ``loop_ended``: its tasks are cancelled, or the next call finds that
                                                it does not run (a context being made, an event, a waiting call)
home loop               threads                 ``come_here``: a call on the home loop's own thread cannot wait for it
either                  threads of the child    ``forget_after_fork``: the process was forked
======================  ======================  =====================================================================

Rules of the state:

- ``driver`` is in force. It changes under ``_lock`` and is read without.
- A flow goes on only while its driver is ``driver``. A flow that was replaced finishes its request, takes note of the
  answer, and ends; then the new driver is woken.
- After ``come_here`` the calling thread sends beside the new driver. The outbox keeps at most one batch in flight, and
  the feed one fetch, so no event is sent twice by that.
- A home loop that ends while the client is STOPPING (see ``lifecycle``) is not replaced.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Protocol

from .._log import logger
from .config_feed import poll
from .delivery import deliver
from .lifecycle import Phase
from .thread_driver import ThreadDriver

if TYPE_CHECKING:
    import asyncio

    from .._events.outbox import Outbox
    from .config_feed import ConfigFeed
    from .delivery import Ingest
    from .driver import Driver
    from .flow import Flow
    from .lifecycle import Life
    from .transport import AsyncTransport, SyncTransport


class Parts(Protocol):
    """What the handover works with: the engine of a client."""

    feed: ConfigFeed
    outbox: Outbox
    ingest: Ingest | None
    life: Life
    transport: SyncTransport
    uses_loops: bool

    def make_async_transport(self) -> AsyncTransport:
        """Return a new transport for the running loop."""
        ...


class Handover:
    """Holds the driver in force, replaces it, and is the host of every driver (``driver.Host``).

    A running thread or task refers to its driver, that to the handover, and that to the engine. So the engine of a
    client that the application has dropped lives, and the exit finds it, for as long as there is work.

    Attributes:
        driver: The driver in force.
        home: The home loop; None while threads drive. Plain, since every context that is made looks at it.
        stale: True while no driver polls: the home loop has ended, or this is a fresh child. Then, or when ``home``
            does not run, ``revive`` has to be called.
    """

    def __init__(self, engine: Parts) -> None:
        self._engine = engine
        self._inherited: list[Driver] = []
        self._renew()
        self.stale: bool = False

    def _renew(self) -> None:
        self._lock = threading.RLock()
        self.driver: Driver = self._thread_driver()
        self.home: asyncio.AbstractEventLoop | None = None

    def forget_after_fork(self) -> None:
        """Start with a new lock and new, unstarted threads."""
        # The parent's driver is kept, unused: collecting it would complain about its tasks and sockets.
        self._inherited.append(self.driver)
        self._renew()
        # A poll is due at once: the parent's config may be old by the time the child is used.
        self.stale = True

    def _thread_driver(self) -> ThreadDriver:
        return ThreadDriver(self, self._engine.transport.send)

    # --- the host of the drivers ------------------------------------------------------------------------------

    def poll_flow(self, driver: Driver) -> Flow:
        """Return a new flow that fetches configs while ``driver`` is in force."""
        engine = self._engine
        return poll(engine.feed, lambda: self.driver is driver and not engine.life.released)

    def delivery_flow(self, driver: Driver) -> Flow:
        """Return a new flow that sends events while ``driver`` is in force."""
        engine = self._engine
        assert engine.ingest is not None
        return deliver(
            engine.outbox,
            engine.ingest,
            lambda: self.driver is driver and not (engine.life.released and not engine.outbox.queued),
        )

    def flow_ended(self) -> None:
        """Wake the driver in force: if the driver of the flow was replaced, the new one may wait for this."""
        engine, driver = self._engine, self.driver
        feed, queued = engine.feed, engine.outbox.queued
        if engine.life.phase is not Phase.OPEN:
            if queued:
                driver.wake_sender()
            return
        if engine.life.released and not queued and not feed.fetching:
            engine.transport.close()
            driver.stop()
            return
        if queued:
            driver.wake_sender()
        if feed.wanted or (feed.polls and driver.may_vanish):
            self.wake_poller()

    def flow_failed(self, driver: Driver) -> None:
        """Take back what a flow of ``driver`` had under way when it failed."""
        if self.driver is driver:
            self.interrupt()

    def loop_ended(self, driver: Driver) -> None:
        """Move on to the threads, if ``driver`` is in force. What was in flight is sent again."""
        if self.driver is not driver:
            return  # before the lock: a task that is being collected comes here from anywhere
        with self._lock:
            if self.driver is not driver or self._engine.life.phase >= Phase.STOPPING:
                return
            self.interrupt()
            self._to_threads()
        # A queued event is worth a thread now. Polling goes on when the client is next used: an application that lives
        # on one loop, and ends with it, starts none.
        if self._engine.outbox.queued:
            self.driver.wake_sender()
        if self._engine.feed.wanted:
            self.wake_poller()

    # --- changing the driver ----------------------------------------------------------------------------------

    def adopt(self) -> None:
        """Make the running loop the home loop, unless another one is and still runs, or the client uses no loops."""
        if not self._engine.uses_loops:
            return
        from .loop_driver import LoopDriver

        with self._lock:
            old = self.driver
            if old.may_vanish:
                if old.alive:
                    return
                self.interrupt()
            driver = LoopDriver(self, self._engine.make_async_transport())
            self.stale = False
            self.driver = driver
            self.home = driver.loop
        logger.debug("the home loop is %r", driver.loop)
        if not old.may_vanish:
            old.retire()
        if self._engine.outbox.queued:
            driver.wake_sender()
        if self._engine.feed.wanted or self._engine.feed.polls:
            driver.wake_poller()

    def leave_ended_loop(self) -> Driver:
        """Return the driver in force, after moving on to the threads if it was a home loop that has ended."""
        driver = self.driver
        if not driver.alive:
            self.loop_ended(driver)
        return self.driver

    def come_here(self) -> None:
        """Take the work away from the driver in force: the calling thread does it. What was in flight is sent again."""
        with self._lock:
            if self.driver.may_vanish:
                self.driver.stop()
                self._to_threads()
            self.interrupt()

    def _to_threads(self) -> None:
        self.stale = True
        self.driver = self._thread_driver()
        self.home = None

    def revive(self) -> None:
        """Start polling again; for a context that is made while no driver polls."""
        self.leave_ended_loop()
        self.stale = False
        if self._engine.feed.polls and self._engine.life.phase is Phase.OPEN:
            self.wake_poller()

    def wake_poller(self) -> bool:
        """Wake the poller; where no thread can be started, the next context that is made tries again."""
        woken = self.driver.wake_poller()
        if not woken:
            self.stale = True
        return woken

    def interrupt(self) -> None:
        """Take back the batch and the fetch in flight."""
        self._engine.outbox.interrupt()
        self._engine.feed.interrupt()
