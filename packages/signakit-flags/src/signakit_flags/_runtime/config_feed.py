"""The config: fetched when asked and when due, compiled, kept, stored (PROTOCOL section 2).

All of polling is here: ``ConfigFeed`` knows when the next poll is due and takes in its answer. The flow ``poll`` asks
it what to do next, without touching the network (see ``flow``).

Rules of the state of ``ConfigFeed``: ``snapshot`` is one immutable value, swapped by reference and read by any thread
without a lock. Everything else changes under ``_lock``, which nothing on the path of a decision takes.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, replace
from logging import DEBUG
from math import inf
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from .._evaluation.slices import finish
from .._log import logger
from .._secrets import shown_url
from .._signal_handlers import let_through
from .._types import OnReadyResult
from .backoff import Backoff, Due, uniform
from .flow import Action, Answer, Failure, Flow, Pause, Request, Send, Sleep, usable_etag

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from .._evaluation.problems import Problems
    from .._evaluation.ruleset import Ruleset
    from .._sdk_key import SdkKey
    from .flow import Ask
    from .snapshot_keeper import SnapshotKeeper

    Work: TypeAlias = Generator[Pause | Ask, Any, None]

JITTER = 0.1
"""Polls come at the interval give or take a tenth, so that processes started together drift apart."""

MAX_PROBLEMS = 1_000
"""Problems of configs that are remembered as logged; more are not logged."""

PROBLEMS_SHOWN = 50
"""Problems of one config that get a line each; of more, their number is logged."""


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
    """One call that waits for a fetch.

    Attributes:
        result: The result of the fetch; None while it is under way.
        content: From when on a stored config will do, in seconds of ``time.monotonic()``.
    """

    __slots__ = ("_done", "content", "result")

    def __init__(self, done: Callable[[], None], *, content: float = inf) -> None:
        self.result: OnReadyResult | None = None
        self.content: float = content
        self._done = done

    def resolve(self, result: OnReadyResult) -> None:
        """Hand over the result and wake the waiting call."""
        self.result = result
        self._done()


class ConfigFeed:
    """Fetches configs, one at a time, and holds the last one that could be read.

    Attributes:
        snapshot: The config in force; None before the first.
        last_error: Why the last fetch failed, or None.
        closed: True once no more fetches are made.
    """

    def __init__(
        self, *, url: str, key: SdkKey, max_size: int, polling_interval: float, keeper: SnapshotKeeper | None = None
    ) -> None:
        self._url = url
        self._key = key
        self._max_size = max_size
        self._interval = polling_interval
        self._keeper = keeper
        self._said: set[str] = set()
        self.snapshot: Snapshot | None = None
        self._store_tried = False
        self._loading: object | None = None  # identity of the last try to load what is stored
        self.last_error: str | None = None
        self._failing = False
        self._given_up = False  # the last fetch failed, and so would every other
        self._started = False
        self.forget_after_fork()
        self.closed: bool = False

    def forget_after_fork(self) -> None:
        """Start with a new lock and without the parent's tickets; the config stays."""
        self._lock = threading.RLock()  # reentrant: close() may come from a signal handler
        self._asked: list[Ticket] = []  # to be served by a fetch that has not begun
        self._served: list[Ticket] = []  # to be served by the fetch in flight
        self._fetch: object | None = None  # identity of the fetch in flight
        self._began = 0.0  # the fetch in flight, in time.monotonic()
        self._due = Due()  # the next poll
        if self._keeper is not None:
            self._keeper.forget_after_fork()
        self._backoff = Backoff()

    def ask(self, ticket: Ticket, *, fresh: bool) -> None:
        """Add a ticket for a fetch.

        Args:
            ticket: Resolved when the fetch ends.
            fresh: True asks for a fetch that begins after this call; False takes one in flight, too.
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
        """True while a fetch is in flight."""
        return self._fetch is not None

    @property
    def wanted(self) -> bool:
        """True while a ticket waits for a fetch that has not begun."""
        return bool(self._asked)

    @property
    def polls(self) -> bool:
        """True when configs are fetched without being asked for: polling is on, or a first config is still missing.

        False before the first ticket, and after a failure that is final, until the next ticket brings something else.
        """
        if self.closed or not self._started or self._given_up:
            return False
        return self._interval > 0 or (self._failing and (self.snapshot is None or self.snapshot.source == "snapshot"))

    def begin(self, now: float) -> tuple[Request, object] | None:
        """Return the request to make now, with the identity of this fetch; None when it is not time yet."""
        with self._lock:
            if self.closed or self._fetch is not None or not (self._asked or (self.polls and not self._due.rest(now))):
                return None
            self._served, self._asked = self._asked, []
            self._fetch = fetch = object()
            self._began = now
            headers = {"Accept": "application/json"}
            if self.snapshot is not None and self.snapshot.etag is not None:
                headers["If-None-Match"] = self.snapshot.etag
        return Request("GET", self._url, headers), fetch

    def wait(self, now: float) -> float | None:
        """Return the seconds until the next poll, or None when there is none to come."""
        if self._fetch is not None:
            return None  # another driver's fetch, whose end wakes this one
        if self._asked:
            return 0.0
        return self._due.rest(now) if self.polls else None

    def receive(self, fetch: object, answer: Answer) -> Work:
        """Take in what came of a fetch, in slices: swap the snapshot, plan the next poll, resolve the tickets.

        A fetch may be interrupted while its config is being compiled. Then nothing comes of it.
        """
        if fetch is not self._fetch:
            return  # interrupted meanwhile: its tickets wait for another one
        self._tell_of_fetch(answer)
        error = yield from self._take_in(fetch, answer)
        result = OnReadyResult(success=error is None, reason=None if error is None else self._explain(error))
        if error is None and self._keeper is not None:
            with self._lock:
                if fetch is not self._fetch:
                    return
                for ticket in self._served:
                    ticket.result = result  # for a call whose time is over before the store has answered
            yield from self._keeper.keep()
        with self._lock:
            if fetch is not self._fetch:
                return
            self._fetch = None
            tickets, self._served = self._served, []
            changed = self._plan(error, answer)
        # Without the lock: a log handler may be slow, or wait for us.
        if changed and error is None:
            logger.info("config is being fetched again")
        elif changed:
            again = "" if self._given_up else ", and is tried again"
            logger.warning("config cannot be fetched%s: %s", again, error)
        for ticket in tickets:
            ticket.resolve(result)

    def _take_in(self, fetch: object, answer: Answer) -> Generator[Pause, None, str | None]:
        """Return None when the config is current now, else the reason why not."""
        now = time.monotonic()
        if isinstance(answer, Failure):
            return answer.reason
        snapshot = self.snapshot
        if answer.status == 304 and snapshot is not None:
            self.last_error = None  # first: a status must not show a config of the CDN beside an earlier failure
            self.snapshot = replace(snapshot, source="cdn", confirmed=now)
            if self._keeper is not None:
                self._keeper.confirmed()
            return None
        if answer.status != 200:
            return f"the CDN answered HTTP {answer.status}"
        try:
            ruleset = yield from self._compile(answer.body, lambda: fetch is self._fetch)
        except ValueError as error:
            from .._evaluation.problems import NotJsonError

            return f"{error}; {answer.looks()}" if isinstance(error, NotJsonError) else str(error)
        except Exception as error:
            let_through(error)
            # Unexpected, so a bug of ours: the old config stays, and polling goes on.
            logger.exception("a config cannot be compiled")
            return f"the config cannot be compiled: {error!r}"
        if ruleset is None:
            return None  # interrupted
        with self._lock:
            if fetch is not self._fetch:
                return None
            self.last_error = None  # as above
            before, self.snapshot = self.snapshot, Snapshot(ruleset, "cdn", answer.etag, now)
        self._tell_of_swap(before, self.snapshot)
        if self._keeper is not None:
            self._keeper.fetched(answer.body, answer.etag, ruleset.version)
        return None

    def _plan(self, error: str | None, answer: Answer) -> bool:
        """Plan the next poll, and return whether an outage has begun or ended."""
        now = time.monotonic()
        if error is None:
            self._backoff.reset()
            self._due.plan(now, self._interval * uniform(1 - JITTER, 1 + JITTER))
        else:
            self._due.plan(now, self._backoff.next(answer))
        self.last_error = error
        self._given_up = isinstance(answer, Failure) and answer.final
        was_failing, self._failing = self._failing, error is not None
        return was_failing != self._failing

    @property
    def serves_stored(self) -> bool:
        """True while the config in force is the stored one, which the CDN has not confirmed yet."""
        return self.snapshot is not None and self.snapshot.source == "snapshot"

    @property
    def may_load_stored(self) -> bool:
        """True where a stored config may be found."""
        return self._keeper is not None

    def unanswered(self, waited: float | None) -> OnReadyResult:
        """Return the result of a call that got no answer within ``waited`` seconds."""
        after = "" if waited is None else f" within {waited:g} s"
        return OnReadyResult(success=False, reason=self._explain(f"no config{after}; it is still being tried"))

    def _explain(self, error: str) -> str:
        snapshot = self.snapshot
        if snapshot is None:
            return error
        if self._keeper is not None and snapshot.source == "snapshot":
            return f"{error}; serving the config of the {self._keeper.name}"
        return f"{error}; serving the config fetched before"

    def load_stored(self) -> Work:
        """Start from the stored config, in slices, before the first fetch: its ETag may save a download, too.

        Where a flow is broken off in the middle of it, the next one begins anew.
        """
        if self._keeper is None or self._store_tried:
            return
        self._loading = loading = object()
        stored = yield from self._keeper.load()
        confirmed = 0.0 if stored is None else time.monotonic() - stored.age
        ruleset = None
        if stored is not None and self.snapshot is None:
            try:
                ruleset = yield from self._compile(stored.kept.body, lambda: loading is self._loading)
            except ValueError as error:
                logger.warning("%s ignored: %s", self._keeper.name, error)
        with self._lock:
            if loading is not self._loading:
                return
            self._store_tried = True
            if stored is None or ruleset is None or self.snapshot is not None or self.closed:
                return
            self.snapshot = Snapshot(ruleset, "snapshot", usable_etag(stored.etag), confirmed)
            self._keeper.loaded(stored, ruleset.version)
            now = time.monotonic()
            served = [ticket for ticket in self._asked if ticket.content <= now]
            self._asked = [ticket for ticket in self._asked if ticket.content > now]
        self._tell_of_swap(None, self.snapshot)
        for ticket in served:
            ticket.resolve(self.unanswered(None))

    def load_static(self, body: bytes | memoryview) -> None:
        """Use a config that was handed in.

        Raises:
            ConfigError: It cannot be read.
        """
        ruleset = finish(self._compile(body, lambda: True))
        assert ruleset is not None
        before, self.snapshot = self.snapshot, Snapshot(ruleset, "static", None, time.monotonic())
        self._tell_of_swap(before, self.snapshot)

    def _compile(
        self, body: bytes | memoryview, is_wanted: Callable[[], bool]
    ) -> Generator[Pause, None, Ruleset | None]:
        """Return the ruleset of a config; None when ``is_wanted()`` was false after a pause."""
        from .._evaluation.problems import ConfigError
        from .._evaluation.ruleset import load_ruleset

        if len(body) > self._max_size:
            raise ConfigError(f"config is larger than {self._max_size} bytes")
        work = load_ruleset(body)
        while True:
            try:
                next(work)
            except StopIteration as end:
                ruleset: Ruleset = end.value
                self._tell_problems(ruleset.problems)
                return ruleset
            yield Pause()
            if not is_wanted():
                return None

    @staticmethod
    def _tell_of_swap(before: Snapshot | None, snapshot: Snapshot) -> None:
        if logger.isEnabledFor(DEBUG):
            ruleset = snapshot.ruleset
            old = "none" if before is None else f"version {before.ruleset.version}"
            message = "config swapped: version %s with %d flags from %s, before it %s"
            logger.debug(message, ruleset.version, len(ruleset.flags), snapshot.source, old)

    def _tell_of_fetch(self, answer: Answer) -> None:
        if not logger.isEnabledFor(DEBUG):
            return
        url, milliseconds = shown_url(self._url), 1_000 * (time.monotonic() - self._began)
        if isinstance(answer, Failure):
            logger.debug("GET %s: %s, after %.0f ms", url, answer.reason, milliseconds)
        else:
            message = "GET %s: HTTP %d, %d bytes in %.0f ms"
            logger.debug(message, url, answer.status, len(answer.body), milliseconds)

    def _tell_problems(self, problems: Problems) -> None:
        new = [problem for problem in problems.lines if problem not in self._said]
        room = MAX_PROBLEMS - len(self._said)
        if not new or not room:
            return
        self._said.update(new[:room])
        for problem in new[:PROBLEMS_SHOWN]:
            logger.warning("config: %s", problem)
        more = max(0, len(new) - PROBLEMS_SHOWN) + problems.more
        if more:
            logger.warning("config: %d more problem(s)", more)

    def interrupt(self) -> None:
        """Forget the fetch in flight, whose driver is gone. Its tickets wait for the next one."""
        with self._lock:
            self._fetch = None
            self._asked, self._served = self._served + self._asked, []

    def close(self) -> None:
        """Stop fetching, and resolve all tickets."""
        with self._lock:
            self.closed = True
            tickets, self._asked, self._served = self._asked + self._served, [], []
            self._fetch = None
        for ticket in tickets:
            ticket.resolve(OnReadyResult(success=False, reason="the client is closed"))


def poll(feed: ConfigFeed, is_mine: Callable[[], bool]) -> Flow:
    """Return the flow that fetches configs, when asked and when due, for as long as ``is_mine()`` is true."""
    while is_mine() and not feed.closed:
        fetched = yield from _fetch(feed, is_mine)
        if is_mine() and not fetched:
            yield Sleep(feed.wait(time.monotonic()))


def poll_once(feed: ConfigFeed) -> Flow:
    """Return the flow that fetches the config now, if a ticket waits or it is due."""
    yield from _fetch(feed, lambda: True)


def _fetch(feed: ConfigFeed, is_mine: Callable[[], bool]) -> Generator[Action, Any, bool]:
    """Fetch the config if it is time to, and return whether it was."""
    yield from feed.load_stored()
    begun = feed.begin(time.monotonic()) if is_mine() else None  # else replaced meanwhile
    if begun is None:
        return False
    request, fetch = begun
    answer: Answer = yield Send(request)
    yield from feed.receive(fetch, answer)
    return True
