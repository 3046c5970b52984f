"""What is asked of the network and what its answers mean, without a network (PROTOCOL sections 2 and 7).

``poll`` and ``deliver`` are generators that yield what is to be done, ``Send`` or ``Sleep``, and receive the answer of
each ``Send``. The thread driver and the task driver are short loops over them, so that the logic is written once.

Rules of the state of ``ConfigFeed``: ``snapshot`` is one immutable value, swapped by reference and read by any thread
without a lock. Everything else changes under ``_lock``, which nothing on the path of a decision takes.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field, replace
from datetime import UTC
from typing import TYPE_CHECKING, Literal, TypeAlias

from .._log import logger
from .._types import OnReadyResult

if TYPE_CHECKING:
    from .._evaluation.ruleset import Ruleset
    from .._events.outbox import Outbox
    from .._sdk_key import SdkKey
    from .snapshot_store import KeyedStore


JITTER = 0.1
"""Polls come at the interval give or take a tenth, so that processes started together drift apart."""

FIRST_BACKOFF = 0.5
LONGEST_BACKOFF = 30.0
CRASH_PAUSE = 5.0
"""Seconds until a poller or sender that failed by a mistake of ours begins anew by itself."""

_FORBIDDEN = 403
"""What a request that must not be made counts as: as if the server had refused it."""

MAX_ETAG = 1_024
LONGEST_RETRY_AFTER = 3_600.0
"""Seconds. A Retry-After beyond it is a mistake, or malice, and would switch polling off."""


# --- requests and responses as values --------------------------------------------------------------------------------
# Not frozen: nobody else sees them, and a frozen dataclass takes 0.6 ms longer to make, each, at every import.


@dataclass(slots=True)
class Request:
    """A request to be made."""

    method: Literal["GET", "POST"]
    url: str
    headers: dict[str, str]
    body: bytes | None = None


@dataclass(slots=True)
class Response:
    """A complete answer. ``body`` is empty where nobody reads it."""

    status: int
    etag: str | None = None
    retry_after: str | None = None
    body: bytes = b""


@dataclass(slots=True)
class Failure:
    """No complete answer came, and why; ``final`` when none ever will, however often one asks."""

    reason: str
    final: bool = False


Answer: TypeAlias = Response | Failure


@dataclass(slots=True)
class Send:
    """Make the request and send its answer back into the generator."""

    request: Request


@dataclass(slots=True)
class Sleep:
    """Wait until woken, or for so many seconds; None is for ever."""

    seconds: float | None


Action: TypeAlias = Send | Sleep
Flow: TypeAlias = Generator[Action, Answer | None, None]


# --- waiting between attempts ----------------------------------------------------------------------------------------


class Backoff:
    """Seconds to wait after failures in a row: doubling, with jitter, up to ``LONGEST_BACKOFF``."""

    __slots__ = ("_failures",)

    def __init__(self) -> None:
        self._failures = 0

    def reset(self) -> None:
        """Begin anew, after a success."""
        self._failures = 0

    def next(self, answer: Answer | None = None) -> float:
        """Return the wait after one more failure; at least what the server asked for by Retry-After."""
        delay: float = min(LONGEST_BACKOFF, FIRST_BACKOFF * 2.0 ** min(self._failures, 16))
        self._failures += 1
        delay *= _uniform(0.5, 1.0)
        asked = parse_retry_after(answer.retry_after) if isinstance(answer, Response) else None
        return delay if asked is None else max(delay, asked)


def _uniform(low: float, high: float) -> float:
    """Return a number between two others, by chance that no fork copies (``random`` would cost an import 4 ms)."""
    return low + (high - low) * int.from_bytes(os.urandom(4), "big") / 0xFFFF_FFFF


def parse_retry_after(value: str | None) -> float | None:
    """Return the seconds that a Retry-After header asks for (RFC 9110, 10.2.3), or None without a usable one."""
    if not value:
        return None
    value = value.strip()
    if value.isascii() and value.isdigit():
        return min(float(value[:10]), LONGEST_RETRY_AFTER)
    from email.utils import parsedate_to_datetime

    try:
        date = parsedate_to_datetime(value)
        # The form without a zone is in UTC, too (RFC 9110, 5.6.7).
        seconds = (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() - time.time()
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(seconds, 0.0), LONGEST_RETRY_AFTER)


def usable_etag(etag: str | None) -> str | None:
    """Return an ETag that can be sent back as a header, or None."""
    return etag if etag and len(etag) <= MAX_ETAG and etag.isascii() and etag.isprintable() else None


# --- the config ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One config, compiled, and where it came from. Immutable: swapped as a whole.

    Attributes:
        ruleset: What is asked for decisions.
        source: ``"cdn"``, ``"snapshot"`` or ``"static"``.
        etag: Its ETag, or None.
        confirmed: When it was last known to be current, in seconds of ``time.monotonic()``.
    """

    ruleset: Ruleset
    source: Literal["cdn", "snapshot", "static"]
    etag: str | None
    confirmed: float


class Ticket:
    """Somebody's wait for a fetch.

    Attributes:
        result: What came of it, once it is there.
    """

    __slots__ = ("_done", "result")

    def __init__(self, done: Callable[[], None]) -> None:
        self.result: OnReadyResult | None = None
        self._done = done

    def resolve(self, result: OnReadyResult) -> None:
        """Hand over the result and wake the one who waits."""
        self.result = result
        self._done()


class ConfigFeed:
    """Fetches configs, one at a time, and holds the last one that could be read.

    Attributes:
        snapshot: The config in force; None before the first.
        last_error: Why the last fetch failed, or None.
        closed: No more fetches.
    """

    def __init__(
        self, *, url: str, key: SdkKey, max_size: int, polling_interval: float, store: KeyedStore | None = None
    ) -> None:
        self._url = url
        self._key = key
        self._max_size = max_size
        self._interval = polling_interval
        self._store = store
        self._said: set[str] = set()
        self.snapshot: Snapshot | None = None
        self._store_tried = False
        self.last_error: str | None = None
        self._failing = False
        self._started = False
        self.forget_after_fork()
        self.closed: bool = False

    def forget_after_fork(self) -> None:
        """Take up our own lock and nobody's waits; the config stays."""
        self._lock = threading.RLock()  # reentrant: close() may come from a signal handler
        self._asked: list[Ticket] = []  # to be served by a fetch that has not begun
        self._served: list[Ticket] = []  # to be served by the fetch in flight
        self._fetch: object | None = None  # identity of the fetch in flight
        self._due = 0.0  # when the next poll is due, in time.monotonic()
        self._backoff = Backoff()

    def ask(self, ticket: Ticket, *, fresh: bool) -> None:
        """Queue a wait for a fetch.

        Args:
            ticket: Resolved when the fetch ends.
            fresh: True asks for a fetch that begins after this call; False is content with one in flight.
        """
        with self._lock:
            if not self.closed:
                self._started = True
                queue = self._served if self._fetch is not None and not fresh else self._asked
                queue.append(ticket)
                return
        ticket.resolve(OnReadyResult(success=False, reason="the client is closed"))

    @property
    def fetching(self) -> bool:
        """A fetch is in flight."""
        return self._fetch is not None

    @property
    def wanted(self) -> bool:
        """Somebody waits for a fetch that has not begun."""
        return bool(self._asked)

    @property
    def polls(self) -> bool:
        """Something is to be fetched without being asked for: polling is on, or a first config is still missing.

        Nothing is before the first time that somebody asks.
        """
        if self.closed or not self._started:
            return False
        return self._interval > 0 or (self._failing and (self.snapshot is None or self.snapshot.source == "snapshot"))

    def begin(self, now: float) -> tuple[Request, object] | None:
        """Return the request to make now, with the identity of this fetch; None when it is not time yet."""
        self._load_stored()
        with self._lock:
            if self.closed or self._fetch is not None or not (self._asked or (self.polls and now >= self._due)):
                return None
            self._served, self._asked = self._asked, []
            self._fetch = fetch = object()
            headers = {"Accept": "application/json"}
            if self.snapshot is not None and self.snapshot.etag is not None:
                headers["If-None-Match"] = self.snapshot.etag
        return Request("GET", self._url, headers), fetch

    def wait(self, now: float) -> float | None:
        """Return the seconds until the next poll, or None when there is none to come."""
        if self._fetch is not None:
            return None  # another driver's, whose end wakes this one
        if self._asked:
            return 0.0
        return max(0.0, self._due - now) if self.polls else None

    def receive(self, fetch: object, answer: Answer) -> None:
        """Take in what came of a fetch: swap the snapshot, plan the next poll, resolve the tickets."""
        if fetch is not self._fetch:
            return  # interrupted meanwhile: its tickets wait for another one
        error = self._take_in(answer)
        with self._lock:
            if fetch is not self._fetch:
                return
            self._fetch = None
            tickets, self._served = self._served, []
            changed = self._plan(error, answer)
        # Without the lock: a handler of the log may take its time, or wait for us.
        if changed and error is None:
            logger.info("config is being fetched again")
        elif changed:
            logger.warning("config cannot be fetched, and is tried again: %s", error)
        if error is None:
            result = OnReadyResult(success=True)
        else:
            result = OnReadyResult(success=False, reason=self._explain(error))
        for ticket in tickets:
            ticket.resolve(result)

    def _take_in(self, answer: Answer) -> str | None:
        """Return None when our config is current now, else why not."""
        now = time.monotonic()
        if isinstance(answer, Failure):
            return answer.reason
        snapshot = self.snapshot
        if answer.status == 304 and snapshot is not None:
            self.snapshot = replace(snapshot, source="cdn", confirmed=now)
            return None
        if answer.status != 200:
            return f"the CDN answered HTTP {answer.status}"
        try:
            ruleset = self._compile(answer.body)
        except ValueError as error:
            return str(error)
        except Exception as error:
            # Not foreseen, so a mistake of ours: the old config stays, and the poller lives on.
            logger.exception("a config cannot be compiled")
            return f"the config cannot be compiled: {error!r}"
        self.snapshot = Snapshot(ruleset, "cdn", answer.etag, now)
        if self._store is not None:
            self._store.save(answer.body, answer.etag)
        return None

    def _plan(self, error: str | None, answer: Answer) -> bool:
        """Plan the next poll, and say whether an outage has begun or ended."""
        now = time.monotonic()
        if error is None:
            self._backoff.reset()
            self._due = now + self._interval * _uniform(1 - JITTER, 1 + JITTER)
        else:
            self._due = now + self._backoff.next(answer)
        self.last_error = error
        was_failing, self._failing = self._failing, error is not None
        return was_failing != self._failing

    def _explain(self, error: str) -> str:
        snapshot = self.snapshot
        if snapshot is None:
            return error
        if snapshot.source == "snapshot":
            return f"{error}; serving the config of the snapshot file"
        return f"{error}; serving the config fetched before"

    def _load_stored(self) -> None:
        """Start from the config on disk, before the first fetch: its ETag may save a download, too."""
        if self._store is None or self._store_tried:
            return
        self._store_tried = True
        stored = self._store.load()
        if stored is None or self.snapshot is not None:
            return
        try:
            ruleset = self._compile(stored.body)
        except ValueError as error:
            logger.warning("snapshot file ignored: %s", error)
            return
        self.snapshot = Snapshot(ruleset, "snapshot", usable_etag(stored.etag), time.monotonic() - stored.age)

    def load_static(self, body: bytes) -> None:
        """Take a config that was handed in.

        Raises:
            ConfigError: It cannot be read.
        """
        self.snapshot = Snapshot(self._compile(body), "static", None, time.monotonic())

    def _compile(self, body: bytes) -> Ruleset:
        from .._evaluation.config import ConfigError, decode_config
        from .._evaluation.ruleset import compile_ruleset

        if len(body) > self._max_size:
            raise ConfigError(f"config is larger than {self._max_size} bytes")
        ruleset = compile_ruleset(decode_config(body))
        for problem in ruleset.problems:
            if problem not in self._said and len(self._said) < 1_000:
                self._said.add(problem)
                logger.warning("config: %s", problem)
        return ruleset

    def interrupt(self) -> None:
        """Give up on the fetch in flight: whoever made it is gone. Its tickets wait for the next."""
        with self._lock:
            self._fetch = None
            self._asked, self._served = self._served + self._asked, []
            self._due = 0.0

    def close(self) -> None:
        """Fetch nothing more and tell everyone who waits."""
        with self._lock:
            self.closed = True
            tickets, self._asked, self._served = self._asked + self._served, [], []
            self._fetch = None
        for ticket in tickets:
            ticket.resolve(OnReadyResult(success=False, reason="the client is closed"))


def poll(feed: ConfigFeed, is_mine: Callable[[], bool]) -> Flow:
    """Fetch configs, when asked and when due, for as long as ``is_mine()``."""
    while is_mine() and not feed.closed:
        begun = feed.begin(time.monotonic())
        if begun is None:
            yield Sleep(feed.wait(time.monotonic()))
            continue
        request, fetch = begun
        answer = yield Send(request)
        assert answer is not None
        feed.receive(fetch, answer)


# --- events ----------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Ingest:
    """Where events go.

    Attributes:
        url: The endpoint.
        key: Whose events they are.
        backoff: The waits after failures.
        due: When the next post may be made, in seconds of ``time.monotonic()``.
    """

    url: str
    key: SdkKey
    backoff: Backoff = field(default_factory=Backoff)
    due: float = 0.0

    def request(self, body: bytes) -> Request:
        """Return the post of one batch."""
        return Request("POST", self.url, {"Content-Type": "application/json", "X-SDK-Key": self.key.text}, body)


def deliver(outbox: Outbox, ingest: Ingest, is_mine: Callable[[], bool], *, until_empty: bool = False) -> Flow:
    """Send what is in the outbox for as long as ``is_mine()``.

    A wait after a failure is cut short by ``outbox.hurry``: ``flush`` and ``close`` want an attempt now.

    Args:
        outbox: What to send.
        ingest: Where to.
        is_mine: Says whether this flow is still the one that sends.
        until_empty: End instead of sleeping once there is nothing to send.
    """
    try:
        yield from _deliver(outbox, ingest, is_mine, until_empty=until_empty)
    finally:
        outbox.idle = True


def _deliver(outbox: Outbox, ingest: Ingest, is_mine: Callable[[], bool], *, until_empty: bool) -> Flow:
    while is_mine():
        # Kept with the address and not with this flow: a new driver must not begin the waiting anew.
        while is_mine() and not outbox.hurry and outbox.queued and (rest := ingest.due - time.monotonic()) > 0:
            # Only a hurry cuts the wait short: a driver may be woken for other reasons, or late for an old one.
            outbox.idle = False
            yield Sleep(rest)
        if not is_mine():
            return
        outbox.idle = False
        batch = outbox.take()
        if batch is None:
            if until_empty or (outbox.closed and not outbox.queued):
                return
            outbox.idle = True
            if outbox.queued and not outbox.in_flight:
                continue  # an event slipped in between the two looks
            yield Sleep(None)
            continue
        try:
            body = batch.encode(outbox.warnings)
        except Exception:
            # Not foreseen, so a mistake of ours: as if the server had refused it, which finds the one bad event.
            logger.exception("a batch of events cannot be encoded")
            outbox.settle(batch, 400, "it cannot be encoded")
            continue
        outbox.hurry = False
        answer = yield Send(ingest.request(body))
        assert answer is not None
        if isinstance(answer, Failure):
            go_on = outbox.settle(batch, _FORBIDDEN if answer.final else None, answer.reason)
        else:
            go_on = outbox.settle(batch, answer.status, f"the server answered HTTP {answer.status}")
        if go_on:
            ingest.backoff.reset()
            ingest.due = 0.0
        else:
            ingest.due = time.monotonic() + ingest.backoff.next(answer)
