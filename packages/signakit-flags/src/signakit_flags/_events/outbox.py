"""The bounded queue of events, and its retry state. ``batches`` has the rules for batches that a server refuses.

Rules of the state:

- ``_pending`` grows on the right by ``put``, from any thread and without a lock (``deque.append`` is atomic).
- All else changes under ``_lock``, which ``put`` never takes, so that a decision never waits for a sender.
- At most one batch is in flight, however many senders there are: ``take`` gives None while there is one. Order is kept.
- A batch that was interrupted (its loop died, the process goes away) goes back to the front: at least once. The sender
  that had it may come back later with an answer; ``settle`` does not listen to it, since it no longer is the batch.
- Events over ``LARGE`` characters are counted in ``_large``, under a lock of its own, which is held for no longer than
  that takes. So the queue is bounded in bytes as well, and ``put`` takes no lock for an event of the usual size.
- ``idle`` is True while no sender looks at the buffer. Who puts an event into an idle buffer has to wake one. A sender
  sets it before it sleeps and looks once more afterwards, so no event can slip in between.
- A sender that waits has ``idle`` at False: events do not wake it one by one. It sets ``_bound``, and the event that
  finds so many waiting sets ``idle``. Usually ``_bound`` is the capacity, so ``put`` makes one comparison for both.
"""

from __future__ import annotations

import threading
from collections import deque
from logging import ERROR, INFO, WARNING
from math import inf
from typing import TYPE_CHECKING

from .._log import Warnings, logger
from .batches import MAX_BODY, Batch, BatchSize, State
from .payloads import Event, Exposure

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .exposure_filter import ExposureFilter


LARGE = 1_024
"""Characters of an event from which on it counts towards ``MAX_LARGE``."""

MAX_LARGE = 32 * 1024 * 1024
"""Characters of all large events that wait, at most. Cut to what is sent, one event may have 5 million."""


NEARLY_FULL = 0.8
"""Share of the capacity, and of ``MAX_LARGE``, above which a retry does not wait for long."""


class Outbox:
    """What waits to be sent, for one client.

    Attributes:
        idle: No sender is at work; who puts an event in has to wake one.
        hurry: Somebody waits: try again now instead of waiting out a pause.
        closed: Nothing more is accepted.
        sent: Events that the server took.
        refused: Events not accepted, since the buffer was full or closed.
        lost: Events accepted and lost: rejected by the server, or unsent at the end.
        last_error: Why the last post failed, or None.
        warnings: What was said about events already.
    """

    def __init__(
        self, capacity: int, max_batch_size: int | None, exposures: ExposureFilter, *, gathers: bool = False
    ) -> None:
        """Make an empty queue.

        Args:
            capacity: Events that wait or are in flight, at most.
            max_batch_size: Events of a post, at most; None lets them grow.
            exposures: Is told of exposures that are lost.
            gathers: Events wait for more before they are sent.
        """
        self._capacity = capacity
        self._max_batch_size = max_batch_size
        self._gathers = gathers
        self._exposures = exposures
        self.warnings: Warnings = Warnings()
        self._reset()

    def _reset(self) -> None:
        self._lock = threading.RLock()  # reentrant: close() may come from a signal handler
        self._pending: deque[Event] = deque()
        self._in_flight: Batch | None = None
        self._flying = 0  # len(self._in_flight.events), for `put`
        self._counting = threading.RLock()  # guards `_large`; reentrant as well
        self._large = 0  # characters of the large events that wait or are in flight
        self._settled = 0  # events that left the buffer, in order, whatever became of them
        self._waiters: list[tuple[int, Callable[[], None]]] = []
        self._bound: int = self._capacity  # events that wait: the next one is refused, or wakes the sender
        self._large_bound: float = inf  # characters of large events from which on one wakes the sender
        self._full = False
        self._size = BatchSize(self._max_batch_size, gathers=self._gathers)
        self._released = 0  # what `_settled` has to reach before events gather again
        self._failing = False
        self._rejected: set[int | None] = set()  # statuses already logged
        self._said_single = False
        self._unsaid: list[tuple[int, str, tuple[object, ...]]] = []  # log records, for when the lock is released
        self.idle: bool = True
        self.hurry: bool = False
        self.closed: bool = False
        self.sent: int = 0
        self.refused: int = 0
        self.lost: int = 0
        self.last_error: str | None = None

    def forget_after_fork(self) -> None:
        """Start empty, with a lock of our own: what is in here belongs to the parent, which sends it."""
        closed = self.closed
        self._reset()
        self.closed = closed

    # --- the application's side -------------------------------------------------------------------------------

    def put(self, event: Event) -> bool:
        """Accept an event, or refuse it because the buffer is full or closed. Never waits."""
        if self.closed or len(self._pending) + self._flying >= self._bound or event.size > LARGE:
            return self._put_with_care(event)
        self._pending.append(event)
        return True

    def _put_with_care(self, event: Event) -> bool:
        """Do the same where the event may be refused, or may be one that a sender waits for."""
        waiting = self.queued
        if self.closed or waiting >= self._capacity or (event.size > LARGE and not self._has_room(event.size)):
            self._refuse(event)
            return False
        self._pending.append(event)
        if waiting >= self._bound or self._large >= self._large_bound:
            self.idle = True
        return True

    def _has_room(self, size: int) -> bool:
        """Take room for a large event, if there is as much."""
        with self._counting:
            fits = self._large + size <= MAX_LARGE
            if fits:
                self._large += size
        return fits

    def _refuse(self, event: Event) -> None:
        self.refused += 1
        if isinstance(event, Exposure):
            self._exposures.forget(event.key)
        if self.closed:
            self.warnings.once("closed", "event after close() dropped")
        elif not self._full:
            self._full = True
            logger.warning("event queue full (%d): new events are dropped until some are sent", self.queued)

    @property
    def queued(self) -> int:
        """Events accepted and not yet sent, those in flight included."""
        return len(self._pending) + self._flying

    @property
    def refusing(self) -> bool:
        """The server refuses whatever it gets. No answer of it counts as a success, even where the sender may go on."""
        return self._size.refusing

    @property
    def awaited(self) -> bool:
        """A call waits for events that are queued."""
        return bool(self._waiters)

    @property
    def in_flight(self) -> bool:
        """A batch is with the server, or with a sender that is gone."""
        return self._in_flight is not None

    def when_settled(self, callback: Callable[[], None]) -> None:
        """Call ``callback`` once every event accepted so far has left the buffer; at once if there is none."""
        with self._lock:
            if self.queued:
                self._waiters.append((self._settled + self.queued, callback))
                return
        callback()

    def stop_waiting(self, callback: Callable[[], None]) -> None:
        """Take back a ``when_settled`` that nobody waits for any more."""
        with self._lock:
            self._waiters = [waiter for waiter in self._waiters if waiter[1] is not callback]

    # --- the sender's side ------------------------------------------------------------------------------------

    def wake_when_nearly_full(self) -> bool:
        """Have the event wake the sender that leaves little room. Returns True, and does not, where that is past."""
        self._wake_at(int(self._capacity * NEARLY_FULL) + 1, MAX_LARGE * NEARLY_FULL)
        is_full = len(self._pending) > self._bound or self._large >= self._large_bound
        if is_full:
            self.stop_waking()
        return is_full

    def wake_when_batch_is_full(self) -> bool:
        """Have the event wake the sender that fills a batch.

        Returns:
            False where the sender has nothing to wait for: no event waits, a batch is full, a call waits for the
            events, the buffer is closed, or they have gathered already and the batch that they are in failed.
        """
        full = max(1, min(self._size.limit, self._capacity // 2))
        with self._lock:
            self._wake_at(full, MAX_BODY)
            return (
                0 < len(self._pending) < full
                and self._large < MAX_BODY
                and self._settled >= self._released
                and not (self._in_flight or self._waiters or self.closed)
            )

    def release(self) -> None:
        """Let all events that wait by now leave without gathering, unless earlier ones are still about to."""
        with self._lock:
            if self.hurry or self._settled >= self._released:
                self._released = self._settled + self.queued
        self.stop_waking()

    def stop_waking(self) -> None:
        """Let no event wake the sender until it is idle."""
        self._wake_at(inf, inf)

    def _wake_at(self, events: float, characters: float) -> None:
        """Have the event wake the sender by which so many wait, or so many characters of large ones."""
        self._bound = int(min(self._capacity, events - 1))
        self._large_bound = characters

    def take(self) -> Batch | None:
        """Return the next batch, which is then in flight; None when there is nothing to send, or one is in flight."""
        with self._lock:
            if self._in_flight is not None or not self._pending:
                return None
            batch = Batch(self._size.take(self._pending))
            self._in_flight = batch
            self._flying = len(batch.events)
            return batch

    def encode(self, batch: Batch) -> bytes | None:
        """Return the body of a batch. What does not fit into a post goes back to the front of the queue.

        Returns:
            None where the batch was interrupted meanwhile: another sender has its events.
        """
        body, most = batch.encode(), self._size.max_body
        if most is None or len(body) <= most or len(batch.events) == 1:
            return body
        # Rare: the size of an event counts characters, and leaves out names. Without the lock, as it takes a while.
        count, body = batch.encode_first(most)
        with self._lock:
            if batch is not self._in_flight:
                return None
            self._pending.extendleft(reversed(batch.events[count:]))
            del batch.events[count:]
            self._flying = count
        return body

    def settle(self, batch: Batch, status: int | None, reason: str) -> bool:
        """Take note of what became of a batch.

        Args:
            batch: What was posted.
            status: The server's answer; None when there was none.
            reason: What to log when it failed.

        Returns:
            True to go on at once; False to wait before the same batch is taken again.
        """
        go_on = True
        callbacks: list[Callable[[], None]] = []
        with self._lock:
            if batch is not self._in_flight:
                return True  # interrupted meanwhile: another sender has these events
            size, was_refusing = len(batch.events), self._size.refusing
            fate = self._size.answered(status, size)
            if fate == "sent":
                self._note_success(was_refusing=was_refusing)
                callbacks = self._leave(batch.events, sent=True)
            elif fate in {"rejected", "dropped"}:
                lost = self._with_rest(batch) if fate == "dropped" else batch.events
                self._note_rejection(lost, status, reason, was_refusing=was_refusing)
                callbacks = self._leave(lost, sent=False)
            else:
                self._put_back()
                go_on = fate == "split"
                if fate == "retry":
                    self._note_failure(reason)
                elif fate == "probe":
                    self.last_error = reason
            unsaid, self._unsaid = self._unsaid, []
        # Without the lock: a handler of the log may take its time, or flush.
        for level, message, args in unsaid:
            logger.log(level, message, *args)
        for callback in callbacks:
            callback()
        return go_on

    def interrupt(self) -> None:
        """Take the batch in flight back: its sender is gone, or is no longer trusted to come back."""
        with self._lock:
            self._put_back()
            self.idle = True

    def abandon(self) -> int:
        """Drop everything, at the very end, and return how many events that were."""
        with self._lock:
            self._put_back()
            events = list(self._pending)
            self._pending.clear()
            callbacks = self._leave(events, sent=False)
        for callback in callbacks:
            callback()
        return len(events)

    # --- what follows is called with the lock held -----------------------------------------------------------

    def _say(self, level: int, message: str, *args: object) -> None:
        self._unsaid.append((level, message, args))

    def _put_back(self) -> None:
        if self._in_flight is not None:
            self._pending.extendleft(reversed(self._in_flight.events))
            self._in_flight = None
            self._flying = 0

    def _leave(self, events: Sequence[Event], *, sent: bool) -> list[Callable[[], None]]:
        count = len(events)
        large = sum([event.size for event in events if event.size > LARGE])
        if large:
            with self._counting:
                self._large -= large
        self._in_flight = None
        self._flying = 0
        self._settled += count
        if len(self._pending) <= self._capacity // 2:
            self._full = False
        if sent:
            self.sent += count
        else:
            self.lost += count
        due = [callback for target, callback in self._waiters if target <= self._settled]
        if due:
            self._waiters = [waiter for waiter in self._waiters if waiter[0] > self._settled]
        return due

    def _with_rest(self, batch: Batch) -> list[Event]:
        """Return the events of ``batch``, one that was probed, and the rest of the batch that it is of."""
        rest = min(self._size.rest_of_batch, len(self._pending))
        return [*batch.events, *[self._pending.popleft() for _ in range(rest)]]

    def _note_success(self, *, was_refusing: bool) -> None:
        self.last_error = None
        if self._failing:
            self._failing = False
            self._say(INFO, "events are being sent again")
        if was_refusing:
            self._say(INFO, "the server takes events again")
        if self._size.state is State.SINGLE and not self._said_single:
            self._said_single = True
            self._say(WARNING, "the server takes one event a request only: batches are no longer sent")

    def _note_failure(self, reason: str) -> None:
        self.last_error = reason
        if not self._failing:
            self._failing = True
            self._say(WARNING, "events cannot be sent, and wait: %s", reason)

    def _note_rejection(self, events: Sequence[Event], status: int | None, reason: str, *, was_refusing: bool) -> None:
        self.last_error = reason
        for event in events:
            if isinstance(event, Exposure):
                self._exposures.forget(event.key)
        if status not in self._rejected:
            self._rejected.add(status)
            self._say(ERROR, "the server refused %d event(s), which are lost: %s", len(events), reason)
        if self._size.refusing and not was_refusing:
            message = "the server refuses every event: it is asked now and then, and what it refuses is lost: %s"
            self._say(ERROR, message, reason)
