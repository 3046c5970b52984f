"""Batches: how many events travel together, and what an answer of the server means for them.

The rules are those of PROTOCOL section 8, row "batches".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from .payloads import encode_batch

if TYPE_CHECKING:
    from .payloads import Event

RETRIED = frozenset({408, 429})
"""Client errors that are worth a retry; 5xx are, too."""

_UNSPLIT = frozenset({400, 413})
"""Statuses that may be about the batch rather than about its events."""

Fate: TypeAlias = Literal["sent", "retry", "split", "rejected"]


def fate_of(status: int, size: int) -> Fate:
    """Return what becomes of a batch.

    Args:
        status: The status of the server's answer.
        size: Events in the batch.

    Returns:
        ``"sent"``; ``"retry"``, after a wait; ``"split"``: the same events go again, in smaller batches;
        ``"rejected"``: they are lost.
    """
    if status in RETRIED or status >= 500 or 300 <= status < 400:
        return "retry"
    if status < 300:
        return "sent"
    return "split" if status in _UNSPLIT and size > 1 else "rejected"


@dataclass(slots=True, eq=False)
class Batch:
    """Events that travel together."""

    events: list[Event]

    def encode(self) -> bytes:
        """Return the body of the post."""
        return encode_batch(self.events)


class BatchSize:
    """How many events the next batch may hold. Not locked: the outbox calls it with its lock held.

    413 halves the size, and each success doubles it up to the largest. After 400 the events of that batch go one by
    one. If the server takes all of them, it takes single events only, and no larger batch is sent any more.
    """

    __slots__ = ("_largest", "_limit", "_one_by_one", "_rejected", "_single")

    def __init__(self, largest: int) -> None:
        self._largest = largest
        self._limit = largest
        self._one_by_one = 0  # events of a batch that are still to go one by one
        self._rejected = False  # one of them was rejected
        self._single = False

    @property
    def limit(self) -> int:
        """The most events that the next batch may hold."""
        return 1 if self._single or self._one_by_one else self._limit

    def split(self, status: int, size: int) -> None:
        """Make batches smaller after the server refused one of ``size`` events with ``status``, 400 or 413."""
        if status == 413:
            self._limit = max(1, size // 2)
        else:
            self._one_by_one = size
            self._rejected = False

    def sent(self, size: int) -> bool:
        """Note that a batch of ``size`` events was taken. Returns whether only single events are sent from now on."""
        if self._one_by_one:
            return self._advance()
        if size >= self._limit:
            self._limit = min(self._largest, self._limit * 2)
        return False

    def rejected(self) -> None:
        """Note that a batch was rejected."""
        if self._one_by_one:
            self._rejected = True
            self._advance()

    def _advance(self) -> bool:
        self._one_by_one -= 1
        if self._one_by_one == 0 and not self._rejected:
            self._single = True
            return True
        return False
