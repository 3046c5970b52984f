"""Batches: how many events travel together, and what an answer of the server means for them.

The rules are those of PROTOCOL section 8, row "batches". A server may refuse a batch for its form, for its size or for
one of its events, or refuse whatever it gets. The states tell these apart by few posts:

========  ====================================  ========================================  ========  ==================
state     answer                                events of the post                        waits     next state
========  ====================================  ========================================  ========  ==================
BATCHES   taken                                 sent                                                BATCHES
BATCHES   413, several events                   go again, half as many a post                       BATCHES
BATCHES   400, more than ``USUAL`` events       go again, ``USUAL`` a post                          BATCHES
BATCHES   400, several events                   go again, one by one                                TRIAL
BATCHES   400 or 413, one event                 lost                                                BATCHES
TRIAL     taken; also the last, all taken       sent                                                TRIAL; SINGLE
TRIAL     rejected                              lost                                                TRIAL
TRIAL     of the last event, not all taken      as above                                            BATCHES
SINGLE    taken                                 sent                                                SINGLE
SINGLE    rejected                              lost                                                SINGLE
REFUSING  taken                                 sent                                                as before it
REFUSING  400 or 413                            go again, the first one alone             yes       PROBING
PROBING   taken                                 sent                                                as before it
PROBING   rejected                              lost, with the rest of their batch                  REFUSING
any       no answer, 3xx, 408, 429, 5xx         go again                                  yes       the same
any       another 4xx                           rejected: lost                                      the same
========  ====================================  ========================================  ========  ==================

- After ``MOST_REFUSED`` single events that got 400 or 413, with none taken between, the state is REFUSING. So many are
  those of a whole trial. A trial of few events shows less: they may all be bad, and the server well.
- In TRIAL, SINGLE and PROBING a post holds one event. In REFUSING it holds ``USUAL`` events at most.
- Without a ceiling of the application's, a post holds up to ``MOST`` events while more than two of the usual size wait.
  If such a post fails, its events go again, ``USUAL`` a post. If that is taken at once, it was for the size: a post
  holds half of it at most for the next ``PATIENCE`` posts. So a server that is slow for large posts still takes events.
- "As before it": a batch of several that was taken shows that batches are, so that is BATCHES. One event shows nothing
  about batches: that is SINGLE, if it was before, or else BATCHES.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Literal, TypeAlias

from .payloads import encode_batch

if TYPE_CHECKING:
    from collections import deque

    from .payloads import Event

RETRIED = frozenset({408, 429})
"""Client errors that are worth a retry; 5xx are, too."""

UNSPLIT = frozenset({400, 413})
"""Statuses that may be about the batch rather than about its events."""

USUAL = 100
"""Events in a post, at most, where nothing asks for more. So many go one by one, too, to find what is refused."""

MOST = 1_000
"""Events in a post, at most, while many wait."""

MAX_BODY = 1_000_000
"""Bytes of a post of several events, at most, unless the application gave a ceiling of events."""

PATIENCE = 100
"""Posts that are taken before a post has a size again that the server did not take."""

_SHARE = 400
"""Bytes of an event besides what its ``size`` counts, about: names, times and ids."""

MOST_REFUSED = 100
"""Single events refused in a row, after which the server counts as one that refuses everything."""

Fate: TypeAlias = Literal["sent", "retry", "split", "probe", "rejected", "dropped"]
"""What becomes of the events of a post.

``"sent"``; ``"retry"``, after a wait; ``"split"``: they go again, in smaller batches; ``"probe"``: after a wait the
first one goes again, alone; ``"rejected"``: they are lost; ``"dropped"``: so is the rest of the batch that they are of.
"""


class State(Enum):
    """What is known of the server."""

    BATCHES = "it takes batches"
    TRIAL = "the events of a refused batch go one by one"
    SINGLE = "it takes single events only"
    REFUSING = "it refuses everything"
    PROBING = "it refuses everything, and is asked once more"


_ONE_EACH = frozenset({State.TRIAL, State.SINGLE, State.PROBING})
_ALL_REFUSED = frozenset({State.REFUSING, State.PROBING})


@dataclass(slots=True, eq=False)
class Batch:
    """Events that travel together."""

    events: list[Event]

    def encode(self) -> bytes:
        """Return the body of the post."""
        return encode_batch(self.events)

    def encode_first(self, most: int) -> tuple[int, bytes]:
        """Return how many events, at least one, fit into a body of ``most`` bytes, and that body."""
        start, end = b'{"events":[', b"]}"
        room = most - len(start) - len(end)
        parts: list[bytes] = []
        for event in self.events:
            part = encode_batch([event])[len(start) : -len(end)]
            room -= len(part) + bool(parts)  # and a comma
            if room < 0 and parts:
                break
            parts.append(part)
        return len(parts), start + b",".join(parts) + end


class BatchSize:
    """How many events the next batch may hold. Not locked: the outbox calls it with its lock held.

    Attributes:
        state: What is known of the server. The module's table has the transitions.
        max_body: Bytes of a post of several events, at most; None without a limit.
    """

    __slots__ = (
        "_ceiling",
        "_gathers",
        "_grows",
        "_largest",
        "_limit",
        "_patience",
        "_refused",
        "_single",
        "_some_rejected",
        "_suspect",
        "_too_large",
        "_trial",
        "max_body",
        "state",
    )

    def __init__(self, largest: int | None, *, gathers: bool = False) -> None:
        """Start with a server that takes batches.

        Args:
            largest: The most events that a batch may ever hold. None: ``USUAL``, and ``MOST`` while many wait.
            gathers: Events wait to be sent together: then ``MOST`` for None in any case.
        """
        self._grows = largest is None
        self._gathers = gathers
        self._largest = MOST if largest is None else largest
        self._ceiling = self._largest  # what the limit may grow to
        self._limit = self._largest
        self._suspect = 0  # events of a grown batch that failed: for its size, or for an outage
        self._patience = 0  # posts to be taken before the ceiling is doubled
        self.max_body: int | None = MAX_BODY if largest is None else None
        self.state: State = State.BATCHES
        self._trial = 0  # TRIAL: events that are still to go one by one. PROBING: events of the refused batch
        self._some_rejected = False  # of the trial
        self._single = False  # the server was found to take single events only
        self._too_large = False  # PROBING: the batch got 413
        self._refused = 0  # single events that got 400 or 413 since one post was taken

    @property
    def limit(self) -> int:
        """The most events that a batch may hold, however many wait."""
        return 1 if self.state in _ONE_EACH else self._limit

    def take(self, waiting: deque[Event]) -> list[Event]:
        """Take the events of the next batch out of ``waiting``, which holds at least one."""
        count = min(self.limit, len(waiting))
        if self._grows and not self._gathers and len(waiting) <= 2 * USUAL:
            count = min(count, USUAL)
        if self.max_body is None:
            return [waiting.popleft() for _ in range(count)]
        events: list[Event] = []
        room = self.max_body
        for _ in range(count):
            room -= waiting[0].size + _SHARE
            if room < 0 and events:
                break
            events.append(waiting.popleft())
        return events

    @property
    def refusing(self) -> bool:
        """True while the server refuses whatever it gets."""
        return self.state in _ALL_REFUSED

    @property
    def rest_of_batch(self) -> int:
        """Events that are lost with one that is dropped: the others of its batch."""
        return self._trial - 1

    def answered(self, status: int | None, size: int) -> Fate:
        """Take note of the server's answer to a post of ``size`` events, None for no answer, and return their fate."""
        if status is None or status in RETRIED or status >= 500 or 300 <= status < 400:
            self._fail(size)
            return "retry"
        if status < 300:
            self._sent(size)
            return "sent"
        if status in UNSPLIT:
            if self.state is State.REFUSING:
                self.state = State.PROBING
                self._trial = size
                self._too_large = status == 413
                return "probe"
            if size > 1:
                self._split(status, size)
                return "split"
            self._refused += 1
        return self._reject()

    def _fail(self, size: int) -> None:
        self._suspect = 0  # the events of a grown batch fail in a small one as well: an outage
        if self._grows and size > USUAL:
            self._suspect = size
            self._limit = USUAL

    def _blame(self, size: int) -> None:
        """Keep batches below ``size`` for a while, if that is a grown one: growth must not cost posts over and over."""
        if self._grows and size > USUAL:
            self._ceiling = max(USUAL, size // 2)
            self._patience = PATIENCE

    def _regain(self) -> None:
        """Count a post that was taken; the ceiling rises after enough of them."""
        if self._suspect:
            self._blame(self._suspect)
            self._suspect = 0
        elif self._ceiling < self._largest:
            self._patience -= 1
            if self._patience == 0:
                self._ceiling = min(self._largest, self._ceiling * 2)
                self._patience = PATIENCE

    def _split(self, status: int, size: int) -> None:
        if status == 413:
            self._limit = max(1, size // 2)
            self._blame(size)
        elif size > USUAL:
            # The batch may have been refused for its size. And that its first events are taken one by one would show
            # nothing: the bad one may be further behind.
            self._limit = USUAL
        else:
            self.state = State.TRIAL
            self._trial = size
            self._some_rejected = False

    def _sent(self, size: int) -> None:
        self._refused = 0
        self._regain()
        if self.state is State.TRIAL:
            self._advance()
            return
        if self.state is State.PROBING and self._too_large:
            self._limit = max(1, self._trial // 2)
        elif size >= self._limit:
            self._limit = min(self._ceiling, self._limit * 2)
        if self.refusing:
            self._single = self._single and size == 1
            self.state = State.SINGLE if self._single else State.BATCHES

    def _reject(self) -> Fate:
        if self.state is State.PROBING:
            self.state = State.REFUSING
            return "dropped"
        if self.state is State.TRIAL:
            self._some_rejected = True
            self._advance()
        if self._refused >= MOST_REFUSED:
            self._refuse()
        return "rejected"

    def _advance(self) -> None:
        self._trial -= 1
        if self._trial:
            return
        if self._some_rejected:
            self.state = State.BATCHES
        else:
            self.state = State.SINGLE
            self._single = True

    def _refuse(self) -> None:
        self.state = State.REFUSING
        self._refused = 0
        self._limit = min(USUAL, self._largest)  # also after 413: what the server takes is found anew
