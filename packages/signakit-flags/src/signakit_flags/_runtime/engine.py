"""The engine of one client: it makes the parts, takes events in, and waits and closes for the client's verbs.

The parts: ``feed`` holds the config, ``outbox`` the events, and ``exposures`` what was exposed before. ``handover``
decides who polls and sends. ``life`` is the phase of the client; ``lifecycle`` has the table of phases.

After a fork the child takes up new locks, an empty outbox, its own connections and new, unstarted threads.
"""

from __future__ import annotations

import os
import threading
import time
from functools import partial
from math import inf
from typing import TYPE_CHECKING, Any

from .._events.exposure_filter import ExposureFilter, exposure_key
from .._events.outbox import Outbox
from .._events.payloads import Event, as_sent, conversion, exposure
from .._log import logger
from .._running_loop import loop_is_running
from .._types import ClientStatus, OnReadyResult
from . import process
from .config_feed import Ticket, poll_once
from .delivery import deliver
from .flow import run
from .home_loop import Handover
from .lifecycle import Life, Phase
from .transport import AsyncTransport, SyncTransport
from .unknown_flags import UnknownFlags
from .waiting import LoopWaiter, wait_in_thread, wait_on_loop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import httpx

    from .._evaluation.ruleset import Outcome
    from .._types import Decision
    from .config_feed import ConfigFeed
    from .delivery import Ingest
    from .flow import Answer, Request
    from .transport.environment import Environment

START_PATIENCE = 1.0
"""Seconds that a start waits for the CDN while it has a stored config."""

_CLOSING_LOOK = 0.005
"""Seconds between two looks at a ``close()`` that another call has begun."""

_prepared: set[bool] = set()
"""The faces, sync as True, for which all is imported in this process."""


class Engine:
    """Everything behind a client.

    Attributes:
        feed: The config.
        outbox: The events.
        exposures: Which exposures were sent.
        ingest: The endpoint that takes events; None offline.
        life: The phase of the client.
        uses_loops: False where only a sync client was injected. Then it makes every request, in threads: one of our own
            would go past it, to the network that a test has shut off, or around a proxy.
        transport: Requests from threads.
        handover: Who polls and sends.
        unknown_flags: Which flags were asked for in vain.
        exposures_suppressed: Exposures that were not sent again.
        recorded: Payloads of the events of an offline client that records them; None otherwise.
        pid: The process that this engine belongs to.
    """

    def __init__(
        self,
        *,
        feed: ConfigFeed,
        ingest: Ingest | None,
        max_queue_size: int,
        max_batch_size: int | None,
        timeout: float,
        max_config_size: int,
        environment: Environment,
        async_client: httpx.AsyncClient | None,
        sync_client: httpx.Client | None,
        record_events: bool = False,
    ) -> None:
        self.feed: ConfigFeed = feed
        self.exposures: ExposureFilter = ExposureFilter()
        gathers = ingest is not None and ingest.flush_interval > 0
        self.outbox: Outbox = Outbox(max_queue_size, max_batch_size, self.exposures, gathers=gathers)
        self.exposures_suppressed: int = 0
        self.unknown_flags: UnknownFlags = UnknownFlags(handed_in=ingest is None)
        self.recorded: list[dict[str, Any]] | None = [] if record_events else None
        self.pid: int = os.getpid()
        self.ingest: Ingest | None = ingest
        self.life: Life = Life()
        # Only an async client was injected: the application wants its events on a loop.
        self._prefers_loop = async_client is not None and sync_client is None
        self.uses_loops: bool = sync_client is None or async_client is not None
        limits: dict[str, Any] = {"timeout": timeout, "max_config_size": max_config_size}
        self.transport: SyncTransport = SyncTransport(sync_client, environment, **limits)
        self._async_transport = partial(AsyncTransport, async_client, environment, **limits)
        self.handover: Handover = Handover(self)
        if ingest is not None:
            process.watch(self)

    def make_async_transport(self) -> AsyncTransport:
        """Return a new transport for the running loop."""
        return self._async_transport()

    def after_fork(self) -> None:
        """Become a child's: keep the config and what was exposed, share nothing else with the parent."""
        self.feed.forget_after_fork()
        self.outbox.forget_after_fork()
        if self.ingest is not None:
            self.ingest.gathered = None  # the parent sends what gathers there
        self.transport.forget_after_fork()
        self.handover.forget_after_fork()
        if self.life.forget_after_fork():
            self.outbox.closed = self.feed.closed = False
        # Last: a thread of the child that sees the child's id goes on at once, and must not meet a lock of the parent.
        self.pid = os.getpid()

    def _notice_fork(self) -> None:
        """Become a child's where no hook of Python's told of the fork, as in uWSGI."""
        if self.pid != os.getpid():
            process.notice_fork()

    def release(self) -> None:
        """End once everything is sent: the application holds no reference to the client. Takes no lock."""
        self.life.released = True
        self.outbox.hurry = True  # events that gather wait for no more of them
        self.handover.driver.retire()

    # --- events -----------------------------------------------------------------------------------------------

    def expose(self, user_id: str, attributes: dict[str, Any], outcome: Outcome) -> None:
        """Send the exposure of an outcome that has one, unless it was sent before. Makes ``attributes`` plain."""
        assert outcome.exposure is not None
        outcome.exposed = self.exposures.of(outcome.exposure)
        decision, key = outcome.decision, exposure_key(outcome.exposure, user_id)
        event = exposure(time.time(), user_id, attributes, decision, key, self.outbox.warnings)
        if self.exposures.admit(key, event):
            self._accept(event)
        else:
            self.exposures_suppressed += 1

    def expose_forced(self, user_id: str, attributes: dict[str, Any], decision: Decision) -> None:
        """Record the exposure of a decision that a test has forced, once, where events are recorded. Never sent."""
        if self.posts:
            return
        key = exposure_key(hash((decision.flag_key, decision.variation_key, "forced")), user_id)
        event = exposure(time.time(), user_id, attributes, decision, key, self.outbox.warnings)
        if self.exposures.admit(key, event):
            self._accept(event)

    @property
    def posts(self) -> bool:
        """True where events are sent; an offline client records or discards them."""
        return self.ingest is not None

    def track(
        self,
        user_id: str,
        attributes: dict[str, Any],
        event_key: str,
        decisions: dict[str, str],
        value: float | str | None,
        metadata: Any,
        *,
        may_adopt: bool = True,
    ) -> None:
        """Send a conversion. Makes ``attributes`` plain."""
        warnings = self.outbox.warnings
        event = conversion(time.time(), user_id, attributes, event_key, decisions, value, metadata, warnings)
        self._accept(event, may_adopt=may_adopt)

    def _accept(self, event: Event, *, may_adopt: bool = True) -> None:
        if self.ingest is None:
            if self.recorded is not None and not self.outbox.closed:
                self.recorded += as_sent(event)
            return
        if not self.outbox.put(event):
            return
        if self.outbox.idle or not self.handover.driver.alive:
            self._rouse_sender(event, may_adopt=may_adopt)

    def _rouse_sender(self, event: Event, *, may_adopt: bool) -> None:
        if self.pid != os.getpid():
            # The event was put into the parent's outbox, which is now left alone.
            process.notice_fork()
            self._accept(event, may_adopt=may_adopt)
            return
        process.watch_exit_of_children()
        driver = self.handover.leave_ended_loop()
        if self._prefers_loop and may_adopt and not driver.may_vanish and loop_is_running():
            self.handover.adopt()
        self.handover.driver.wake_sender()

    # --- waiting for the network ------------------------------------------------------------------------------

    def _prepare(self, *, sync: bool) -> None:
        """Import what a fetch needs, in the calling thread, which waits anyway.

        An import holds a lock that a fork copies. If a thread of ours were in the middle of an import, a child that
        needs the same module would wait for ever.
        """
        if sync in _prepared:
            return  # without the lock: a thread that makes a TLS context holds it, and a loop must not wait for that
        with process.no_fork:
            from .._evaluation import config, ruleset  # noqa: F401  # imported for later, as said

            if self.feed.closed:
                return
            if sync:
                self.transport.prepare()
            else:
                AsyncTransport.prepare()
            _prepared.add(sync)

    async def fetch(self, timeout: float | None, *, fresh: bool) -> OnReadyResult:
        """Fetch the config on the home loop, and wait for it."""
        self._notice_fork()
        if self.ingest is None:
            return OnReadyResult(success=True)
        self._prepare(sync=not self.uses_loops)
        self.handover.adopt()
        waiter = LoopWaiter()
        ticket = self._ask(waiter.notify, timeout, fresh=fresh)
        for seconds in self._waits(ticket, timeout):
            await wait_on_loop(self.handover, waiter, seconds, self.handover.wake_poller)
        return ticket.result or self._unanswered(ticket, timeout)

    def fetch_sync(self, timeout: float | None, *, fresh: bool) -> OnReadyResult:
        """Fetch the config, wherever polling happens, and wait for it."""
        self._notice_fork()
        if self.ingest is None:
            return OnReadyResult(success=True)
        self._prepare(sync=True)
        done = threading.Event()
        ticket = self._ask(done.set, timeout, fresh=fresh)
        for seconds in self._waits(ticket, timeout):
            if not wait_in_thread(self.handover, done, seconds, self.handover.wake_poller):
                self._fetch_here(ticket, timeout)
                break
        return ticket.result or self._unanswered(ticket, timeout)

    def _ask(self, done: Callable[[], None], timeout: float | None, *, fresh: bool) -> Ticket:
        ticket = Ticket(done, content=inf if fresh else time.monotonic() + START_PATIENCE)
        self.feed.ask(ticket, fresh=fresh)
        if timeout is not None and timeout <= 0:
            self.handover.wake_poller()  # the call does not wait, and a wait is what wakes otherwise
        return ticket

    def _waits(self, ticket: Ticket, timeout: float | None) -> Iterator[float | None]:
        """Give the seconds to wait for a fetch, in one part or two: with a stored config the first one is enough."""
        began = time.monotonic()
        if self.feed.may_load_stored and _is_patient(ticket, timeout):
            yield START_PATIENCE
            if ticket.result is not None or self.feed.serves_stored:
                return
            timeout = None if timeout is None else timeout - (time.monotonic() - began)
        yield timeout

    def _limit(self, ticket: Ticket, timeout: float | None) -> float | None:
        """Return how long a call with ``timeout`` waits for the CDN, as things are."""
        return START_PATIENCE if self.feed.serves_stored and _is_patient(ticket, timeout) else timeout

    def _unanswered(self, ticket: Ticket, timeout: float | None) -> OnReadyResult:
        return self.feed.unanswered(self._limit(ticket, timeout))

    def _fetch_here(self, ticket: Ticket, timeout: float | None) -> None:
        """Fetch in the calling thread, as no other can."""

        def send(request: Request) -> Answer:
            return self.transport.send(request, self._limit(ticket, timeout))

        self.feed.interrupt()
        try:
            run(poll_once(self.feed), send, lambda _seconds: None)
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
        waiter = LoopWaiter()
        notify = waiter.notify
        self.outbox.when_settled(notify)
        try:
            return not self.outbox.queued or await wait_on_loop(self.handover, waiter, timeout, self._hurry)
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
            if not wait_in_thread(self.handover, done, timeout, self._hurry):
                was_home = self.handover.driver.is_here
                self._drain_here(deadline, done.is_set)
                if was_home:
                    self.handover.adopt()
        finally:
            self.outbox.stop_waiting(notify)
        return done.is_set() and self.outbox.lost == lost

    def _hurry(self) -> bool:
        """Have the sender try now, even during a wait after a failure."""
        self.outbox.hurry = True
        return self.handover.driver.wake_sender()

    def _drain_here(self, deadline: float | None, is_done: Callable[[], bool]) -> None:
        """Send in the calling thread, on the sync transport, in place of the driver."""
        assert self.ingest is not None
        self.handover.come_here()
        self.outbox.hurry = True  # the calling thread does not wait out a pause between attempts

        def goes_on() -> bool:
            return not is_done() and (deadline is None or time.monotonic() < deadline)

        def remaining() -> float | None:
            return None if deadline is None else max(0.001, deadline - time.monotonic())

        def send(request: Request) -> Answer:
            return self.transport.send(request, remaining())

        def sleep(seconds: float | None) -> None:
            rest = remaining()
            time.sleep((seconds or 0.0) if rest is None else min(seconds or 0.0, rest))

        try:
            run(deliver(self.outbox, self.ingest, goes_on, until_empty=True), send, sleep)
        except BaseException:  # of a signal handler
            self.handover.interrupt()
            raise

    # --- the end ----------------------------------------------------------------------------------------------

    def close(self, timeout: float, *, join: bool = True) -> None:
        """Send what is queued, stop, and give up what takes longer than ``timeout`` seconds in all.

        Args:
            timeout: Seconds, for everything together.
            join: Wait for threads to end, too. At exit they end anyway, and a hanging fetch must not delay it.
        """
        self._notice_fork()
        life, handover = self.life, self.handover
        deadline = time.monotonic() + timeout
        if not self._begin_closing():
            # By `time.sleep` as it is at run time: an event made before gevent patched would block.
            while life.phase < Phase.CLOSED and not handover.driver.is_here and time.monotonic() < deadline:
                time.sleep(_CLOSING_LOOK)
            return
        try:
            if self.outbox.queued:
                done = threading.Event()
                self.outbox.when_settled(done.set)
                # No thread is started for it: the process may be about to exit.
                waits = handover.driver.works_elsewhere()
                if not (waits and wait_in_thread(handover, done, timeout, self._hurry)):
                    self._drain_here(deadline, lambda: False)
            life.stop()
            handover.driver.stop()
            if join:
                handover.driver.join(deadline)
        except BaseException:
            life.reopen()  # broken off by a signal handler
            raise
        self._finish_closing()

    async def aclose(self, timeout: float) -> None:
        """The same, on a loop."""
        self._notice_fork()
        import asyncio

        life = self.life
        deadline = time.monotonic() + timeout
        if not self._begin_closing():
            # Rare, and another thread may be the one that closes: a look now and then is simpler than a message.
            while life.phase < Phase.CLOSED and time.monotonic() < deadline:  # noqa: ASYNC110  # as said
                await asyncio.sleep(_CLOSING_LOOK)
            return
        try:
            if self.outbox.queued:
                if not self.handover.driver.alive:
                    self.handover.adopt()
                await self._settled(timeout)
            life.stop()
            await self.handover.driver.aclose()
        except BaseException:
            life.reopen()  # cancelled
            raise
        self._finish_closing()

    def _begin_closing(self) -> bool:
        if not self.life.begin_closing():
            return False
        self.outbox.closed = True
        self.feed.close()
        return True

    def _finish_closing(self) -> None:
        unsent = self.outbox.abandon()
        if unsent:
            driver = self.handover.driver
            if not driver.may_vanish:
                driver.retire()  # a sender that waits out a pause has nothing left to wait for
            logger.warning("%d event(s) could not be sent before close()", unsent)
        self.transport.close()
        self.life.end()

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


def _is_patient(ticket: Ticket, timeout: float | None) -> bool:
    """Return whether a call would wait for longer than a start with a stored config has to."""
    return ticket.content < inf and (timeout is None or timeout > START_PATIENCE)
