"""When the next attempt is due: growing waits, jitter, and what a server asks for by Retry-After."""

from __future__ import annotations

import os
import time
from datetime import UTC

from .flow import Answer, Response

FIRST_BACKOFF = 0.5
LONGEST_BACKOFF = 30.0
SHORTEST_WHILE_NEARLY_FULL = 2.0
LONGEST_WHILE_NEARLY_FULL = 5.0
CRASH_PAUSE = 5.0
"""Seconds until a poller or sender restarts by itself after an unexpected exception, which is a bug of ours."""

_ROUNDING = 1.0
"""Seconds: more than ``at + wait - at`` can differ from ``wait``."""

LONGEST_RETRY_AFTER = 3_600.0
"""Seconds. A longer Retry-After is a mistake, or malice: it would switch polling off."""


class Backoff:
    """Seconds to wait after consecutive failures: doubling, with jitter, up to ``LONGEST_BACKOFF``."""

    __slots__ = ("_failures",)

    def __init__(self) -> None:
        self._failures = 0

    def reset(self) -> None:
        """Start again with the shortest wait, after a success."""
        self._failures = 0

    def next(self, answer: Answer | None = None) -> float:
        """Count one more failure and return the wait after it; at least what Retry-After in ``answer`` asks for."""
        delay: float = min(LONGEST_BACKOFF, FIRST_BACKOFF * 2.0 ** min(self._failures, 16))
        self._failures += 1
        delay *= uniform(0.5, 1.0)
        asked = parse_retry_after(answer.retry_after) if isinstance(answer, Response) else None
        return delay if asked is None else max(delay, asked)


def wait_while_nearly_full(wait: float, answer: Answer) -> float:
    """Return the wait after a failure while the queue is nearly full, where it would be ``wait`` with room left.

    A long outage is over seconds before a long wait is. Then new events would be dropped meanwhile, for no reason. What
    Retry-After in ``answer`` asks for is waited for all the same.
    """
    wait = min(wait, uniform(SHORTEST_WHILE_NEARLY_FULL, LONGEST_WHILE_NEARLY_FULL))
    asked = parse_retry_after(answer.retry_after) if isinstance(answer, Response) else None
    return wait if asked is None else max(wait, asked)


class Due:
    """When something may happen again.

    The clock that ``time.monotonic()`` shows may be frozen, and jump: by tests that stop the time, and by virtual
    machines. So a time that is further away than it was when it was planned counts as come.
    """

    __slots__ = ("_at", "_wait")

    def __init__(self) -> None:
        self._at = 0.0
        self._wait = 0.0

    def plan(self, now: float, wait: float) -> None:
        """Let it be due ``wait`` seconds from ``now``, in seconds of ``time.monotonic()``."""
        self._at, self._wait = now + wait, wait

    def rest(self, now: float) -> float:
        """Return the seconds that are left; 0.0 when it is due."""
        rest = self._at - now
        return rest if 0.0 < rest <= self._wait + _ROUNDING else 0.0


def uniform(low: float, high: float) -> float:
    """Return a random number between ``low`` and ``high``.

    Not from ``random``: a fork copies its state, so that children would wait equally long, and it costs an import 4 ms.
    """
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
