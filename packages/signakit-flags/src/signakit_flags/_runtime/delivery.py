"""Delivering events: batches from the outbox to the service, one at a time, with waits after failures (PROTOCOL 7).

The flow ``deliver`` does it (see ``flow``). ``_events.outbox`` decides what an answer means for a batch.
"""

from __future__ import annotations

import time
from logging import DEBUG
from typing import TYPE_CHECKING

from .._log import logger
from .._secrets import shown_url
from .._signal_handlers import let_through
from .backoff import Backoff, Due, wait_while_nearly_full
from .flow import Failure, Flow, Request, Send, Sleep

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._events.outbox import Outbox
    from .._sdk_key import SdkKey
    from .flow import Answer

_FORBIDDEN = 403
"""The status that stands for a request that must not be made: as if the server had refused it."""


class Ingest:
    """The endpoint that takes events, and when it may be asked again.

    Attributes:
        url: Its address.
        key: The key of the project that the events belong to.
        backoff: The waits after failures.
        due: When the next post may be made, after a failure.
        due_soon: The same while the queue has little room left, or a call waits for a server that refuses everything.
        flush_interval: Seconds that events may gather before they are sent.
        gathered: When those that gather have done so; None while none do.
    """

    __slots__ = ("backoff", "due", "due_soon", "flush_interval", "gathered", "key", "url")

    def __init__(self, url: str, key: SdkKey, flush_interval: float = 0.0) -> None:
        self.url: str = url
        self.key: SdkKey = key
        self.flush_interval: float = flush_interval
        self.gathered: Due | None = None
        self.backoff: Backoff = Backoff()
        self.due: Due = Due()
        self.due_soon: Due = Due()

    def request(self, body: bytes) -> Request:
        """Return the post of one batch."""
        return Request("POST", self.url, {"Content-Type": "application/json", "X-SDK-Key": self.key.text}, body)

    def wait_after(self, answer: Answer) -> None:
        """Plan the next post after ``answer``, by which events wait."""
        now, wait = time.monotonic(), self.backoff.next(answer)
        self.due.plan(now, wait)
        self.due_soon.plan(now, wait_while_nearly_full(wait, answer))


def deliver(outbox: Outbox, ingest: Ingest, is_mine: Callable[[], bool], *, until_empty: bool = False) -> Flow:
    """Return the flow that sends what is in the outbox, for as long as ``is_mine()`` is true.

    ``outbox.hurry`` cuts a wait after a failure short: ``flush`` and ``close`` want an attempt now.

    Args:
        outbox: The events.
        ingest: The endpoint to post them to.
        is_mine: Returns whether this flow is still the one that sends.
        until_empty: End, instead of sleeping, once there is nothing to send.
    """
    try:
        yield from _deliver(outbox, ingest, is_mine, until_empty=until_empty)
    finally:
        outbox.idle = True


def _deliver(outbox: Outbox, ingest: Ingest, is_mine: Callable[[], bool], *, until_empty: bool) -> Flow:
    while is_mine():
        yield from _wait_after_failure(outbox, ingest, is_mine)
        if ingest.flush_interval and not until_empty:
            yield from _gather(outbox, ingest, is_mine)
        if not is_mine():
            return
        outbox.idle = False
        batch = outbox.take()
        if batch is None:
            if not outbox.queued:
                outbox.hurry, ingest.gathered = False, None  # what was in a hurry, or gathered, has left
            if until_empty or (outbox.closed and not outbox.queued):
                return
            outbox.idle = True
            if outbox.queued and not outbox.in_flight:
                continue  # an event slipped in between the two looks
            yield Sleep(None)
            continue
        try:
            body = outbox.encode(batch)
        except Exception as error:
            let_through(error)
            # Unexpected, so a bug of ours. Handled like a batch that the server refused, which finds the bad event.
            logger.exception("a batch of events cannot be encoded")
            outbox.settle(batch, 400, "it cannot be encoded")
            continue
        if body is None:
            continue
        outbox.hurry = False
        began = time.monotonic()
        answer = yield Send(ingest.request(body))
        assert answer is not None
        if logger.isEnabledFor(DEBUG):
            _tell_of_post(ingest.url, len(batch.events), len(body), answer, time.monotonic() - began)
        if isinstance(answer, Failure):
            go_on = outbox.settle(batch, _FORBIDDEN if answer.final else None, answer.reason)
        else:
            go_on = outbox.settle(batch, answer.status, f"the server answered HTTP {answer.status}")
        if go_on:
            ingest.due = Due()
            if not outbox.refusing:  # or else the waits before it is asked again keep growing
                ingest.backoff.reset()
        else:
            ingest.wait_after(answer)


def _wait_after_failure(outbox: Outbox, ingest: Ingest, is_mine: Callable[[], bool]) -> Flow:
    """Wait until the next post is due. Only a hurry, or a queue that gets nearly full, cuts the wait short.

    A hurry does not end the wait for a server that refuses everything: a flush after each event would be a post for
    each. While a call waits for the events, the wait is a short one. The end of the client is worth one more attempt.

    When it is due is kept with the endpoint and not with this flow: a new driver must not start the wait again.
    """
    while is_mine() and outbox.queued and ingest.due.rest(time.monotonic()):
        if outbox.hurry and (outbox.closed or not outbox.refusing):
            break
        outbox.idle = False
        soon = outbox.wake_when_nearly_full() or (outbox.refusing and outbox.awaited)
        rest = (ingest.due_soon if soon else ingest.due).rest(time.monotonic())
        if not rest:
            break
        yield Sleep(rest)
    if is_mine():
        outbox.stop_waking()


def _gather(outbox: Outbox, ingest: Ingest, is_mine: Callable[[], bool]) -> Flow:
    """Wait until the first event that was seen waiting is old enough, or a batch is full.

    A hurry cuts it short, as does a call that waits for the events, and the end of the client. When they have gathered
    is kept with the endpoint, as the wait after a failure is.
    """
    while is_mine() and not outbox.hurry:
        outbox.idle = False
        if not outbox.wake_when_batch_is_full():
            break
        now = time.monotonic()
        if ingest.gathered is None:
            ingest.gathered = Due()
            ingest.gathered.plan(now, ingest.flush_interval)
        rest = ingest.gathered.rest(now)
        if not rest:
            break
        yield Sleep(rest)
    if is_mine():
        ingest.gathered = None
        outbox.release()


def _tell_of_post(url: str, events: int, size: int, answer: Answer, seconds: float) -> None:
    outcome = answer.reason if isinstance(answer, Failure) else f"HTTP {answer.status}"
    message = "POST %s: %d events, %d bytes: %s in %.0f ms"
    logger.debug(message, shown_url(url), events, size, outcome, 1_000 * seconds)
