"""The log of received events: counters of everything, the last events themselves, and what was refused.

``EventLog`` is written by the server's loop and read by any thread, all under one lock. Everything in it is bounded:
counters are exact, but their number is limited, and of the events themselves the last ones are kept.
"""

from __future__ import annotations

import secrets
import threading
from collections import deque
from dataclasses import dataclass, field
from itertools import islice
from math import isfinite
from typing import TYPE_CHECKING, Any

from .._project.names import EXPOSURE
from .event_schema import kind_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .event_schema import EventKind

MAX_PROBLEMS = 100
MAX_PROBLEM = 300
"""Characters of one problem, and how many of them the log keeps of a post."""
MAX_DECISIONS = 10_000
"""Counters of conversions by decision, over all event keys."""


@dataclass(slots=True)
class Exposures:
    """Exposures of one variation by one rule.

    Attributes:
        count: Events.
        users: Hashes of the users; not added to once the log holds as many as it may.
    """

    count: int = 0
    users: set[int] = field(default_factory=set)


@dataclass(slots=True)
class Conversions:
    """Events of one key.

    Attributes:
        count: Events.
        total: Sum of the values. It may be past what a float can hold; in JSON it is null then.
        values: Events with a value.
        by_decision: Events by (flag, variation) that the user had been given; no further ones once the log holds as
            many as it may.
    """

    count: int = 0
    total: float = 0.0
    values: int = 0
    by_decision: dict[tuple[str, str], int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Received:
    """One event.

    Attributes:
        number: Counts from 1.
        at: When it was received, in seconds since the epoch.
        event: As it came.
    """

    number: int
    at: float
    event: dict[str, Any]


@dataclass(frozen=True, slots=True)
class RefusedPost:
    """A post that was not taken.

    Attributes:
        number: Counts from 1.
        at: When, in seconds since the epoch.
        what: What it was, in a few words.
        problems: What is wrong with it.
    """

    number: int
    at: float
    what: str
    problems: tuple[str, ...]


class EventLog:
    """What has been received.

    Args:
        keep: How many of the last events are kept whole.
        max_counters: How many different counters there may be of each kind; what is beyond counts in ``total`` only.
        max_users: How many users are told apart, over all variations.

    Attributes:
        total: Events taken.
        exposures: By (flag, rule or None, variation).
        conversions: By event key.
        refused_total: Events and posts that were not taken.
        users_capped: True once there were more users than are told apart.
        revision: Counts every change.
        epoch: Another text each time that counting begins anew, in this process or another one.
    """

    def __init__(self, *, keep: int = 1_000, max_counters: int = 2_000, max_users: int = 200_000) -> None:
        self._changed = threading.Condition()
        self._max_counters = max_counters
        self._max_users = max_users
        self.received: deque[Received] = deque(maxlen=keep)
        self.refused: deque[RefusedPost] = deque(maxlen=100)
        self.revision: int = 0
        self._reset()

    def _reset(self) -> None:
        self.epoch: str = secrets.token_hex(4)
        self.total: int = 0
        self.refused_total: int = 0
        self.exposures: dict[tuple[str, str | None, str], Exposures] = {}
        self.conversions: dict[str, Conversions] = {}
        self.users_capped: bool = False
        self._users = 0
        self._decisions = 0
        self.received.clear()
        self.refused.clear()
        self.revision += 1

    def record(self, events: Iterable[dict[str, Any]], *, at: float) -> None:
        """Take events that are in order, received ``at`` seconds since the epoch."""
        with self._changed:
            for event in events:
                self.total += 1
                self.received.append(Received(self.total, at, event))
                if event["eventKey"] == EXPOSURE:
                    self._count_exposure(event)
                else:
                    self._count_conversion(event)
            self.revision += 1
            self._changed.notify_all()

    def refuse(self, what: str, problems: Iterable[str], *, at: float) -> None:
        """Note something that was not taken; of long problems the beginning is kept, of many the first hundred."""
        listed = list(problems)
        kept = [item if len(item) <= MAX_PROBLEM else f"{item[:MAX_PROBLEM]}…" for item in listed[:MAX_PROBLEMS]]
        if len(listed) > MAX_PROBLEMS:
            kept.append(f"{len(listed) - MAX_PROBLEMS} more")
        with self._changed:
            self.refused_total += 1
            self.refused.append(RefusedPost(self.refused_total, at, what, tuple(kept)))
            self.revision += 1
            self._changed.notify_all()

    def clear(self) -> None:
        """Forget everything."""
        with self._changed:
            self._reset()
            self._changed.notify_all()

    def dismiss_refused(self) -> None:
        """Forget what was not taken, and keep what was."""
        with self._changed:
            self.refused_total = 0
            self.refused.clear()
            self.revision += 1
            self._changed.notify_all()

    def _count_exposure(self, event: dict[str, Any]) -> None:
        metadata = event["metadata"]
        key = (metadata["flagKey"], metadata["ruleKey"], metadata["variationKey"])
        counter = self.exposures.get(key)
        if counter is None:
            if len(self.exposures) >= self._max_counters:
                return
            counter = self.exposures[key] = Exposures()
        counter.count += 1
        user = hash(event["userId"])
        if user not in counter.users:
            if self._users >= self._max_users:
                self.users_capped = True
                return
            self._users += 1
            counter.users.add(user)

    def _count_conversion(self, event: dict[str, Any]) -> None:
        key = event["eventKey"]
        counter = self.conversions.get(key)
        if counter is None:
            if len(self.conversions) >= self._max_counters:
                return
            counter = self.conversions[key] = Conversions()
        counter.count += 1
        value = event.get("value")
        if value is not None:
            counter.total += value
            counter.values += 1
        for decision in event.get("decisions", {}).items():
            if decision in counter.by_decision:
                counter.by_decision[decision] += 1
            elif self._decisions < MAX_DECISIONS:
                self._decisions += 1
                counter.by_decision[decision] = 1

    def events(self, kind: EventKind | None = None) -> list[dict[str, Any]]:
        """Return the events that are kept, in order."""
        with self._changed:
            return [item.event for item in self.received if kind is None or kind_of(item.event) == kind]

    def after(self, number: int, *, limit: int) -> list[Received]:
        """Return the last events with a number above ``number``, at most ``limit``, in order."""
        with self._changed:
            newest = list(islice(reversed(self.received), max(0, min(limit, self.total - number))))
        return newest[::-1]

    def wait_for(self, condition: Callable[[], bool], timeout: float) -> bool:
        """Wait until ``condition`` holds, asked after each change; say whether it did in ``timeout`` seconds."""
        with self._changed:
            return self._changed.wait_for(condition, timeout)

    def as_json(self) -> dict[str, Any]:
        """Return the counters as JSON data."""
        with self._changed:
            return {
                "total": self.total,
                "refused": self.refused_total,
                "users_capped": self.users_capped,
                "exposures": [
                    {
                        "flag": flag,
                        "rule": rule,
                        "variation": variation,
                        "count": counter.count,
                        "users": len(counter.users),
                    }
                    for (flag, rule, variation), counter in self.exposures.items()
                ],
                "conversions": [
                    {
                        "event": key,
                        "count": counter.count,
                        "values": counter.values,
                        "total": counter.total if isfinite(counter.total) else None,
                        "decisions": [
                            {"flag": flag, "variation": variation, "count": count}
                            for (flag, variation), count in counter.by_decision.items()
                        ],
                    }
                    for key, counter in self.conversions.items()
                ],
                "problems": [
                    {"number": item.number, "at": item.at, "what": item.what, "problems": list(item.problems)}
                    for item in self.refused
                ],
            }
