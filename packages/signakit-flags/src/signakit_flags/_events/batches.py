"""Batches: how many events travel together, and what an answer of the server means for them.

The rules are those of PROTOCOL section 8, row "batches". A server may refuse a batch for its form, for its size or for
one of its events, or refuse whatever it gets. The states tell these apart, so that few posts are made in vain:

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
TRIAL     of the last event, and some taken     as above                                            BATCHES
TRIAL     of the last event, and none taken     as above                                            REFUSING
SINGLE    taken                                 sent                                                SINGLE
SINGLE    rejected                              lost                                                SINGLE
REFUSING  taken                                 sent                                                as before it
REFUSING  400 or 413                            go again, the first one alone             yes       PROBING
PROBING   taken                                 sent                                                as before it
PROBING   rejected                              lost, with the rest of their batch                  REFUSING
any       no answer, 3xx, 408, 429, 5xx         go again                                  yes       the same
any       another 4xx                           rejected: lost                                      the same
========  ====================================  ========================================  ========  ==================

- After ``MOST_REFUSED`` single events that got 400 or 413, with none taken between, the state is REFUSING as well.
- In TRIAL, SINGLE and PROBING a post holds one event. In REFUSING it holds ``USUAL`` events at most.
- "As before it": a batch of several that was taken shows that batches are, so that is BATCHES. One event shows nothing
  about batches: that is SINGLE, if it was before, or else BATCHES.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Literal, TypeAlias

from .payloads import encode_batch

if TYPE_CHECKING:
    from .payloads import Event

RETRIED = frozenset({408, 429})
"""Client errors that are worth a retry; 5xx are, too."""

UNSPLIT = frozenset({400, 413})
"""Statuses that may be about the batch rather than about its events."""

USUAL = 100
"""Events in a post, at most, where nothing asks for more. So many go one by one, too, to find what is refused."""

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


class BatchSize:
    """How many events the next batch may hold. Not locked: the outbox calls it with its lock held.

    Attributes:
        state: What is known of the server. The module's table has the transitions.
    """

    __slots__ = (
        "_largest",
        "_limit",
        "_refused",
        "_single",
        "_some_rejected",
        "_some_taken",
        "_too_large",
        "_trial",
        "state",
    )

    def __init__(self, largest: int) -> None:
        self._largest = largest
        self._limit = largest
        self.state: State = State.BATCHES
        self._trial = 0  # TRIAL: events that are still to go one by one. PROBING: events of the refused batch
        self._some_taken = False  # of the trial
        self._some_rejected = False  # of the trial
        self._single = False  # the server was found to take single events only
        self._too_large = False  # PROBING: the batch got 413
        self._refused = 0  # single events that got 400 or 413 since one post was taken

    @property
    def limit(self) -> int:
        """The most events that the next batch may hold."""
        return 1 if self.state in _ONE_EACH else self._limit

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

    def _split(self, status: int, size: int) -> None:
        if status == 413:
            self._limit = max(1, size // 2)
        elif size > USUAL:
            # The batch may have been refused for its size. And that its first events are taken one by one would show
            # nothing: the bad one may be further behind.
            self._limit = USUAL
        else:
            self.state = State.TRIAL
            self._trial = size
            self._some_taken = self._some_rejected = False

    def _sent(self, size: int) -> None:
        self._refused = 0
        if self.state is State.TRIAL:
            self._some_taken = True
            self._advance()
            return
        if self.state is State.PROBING and self._too_large:
            self._limit = max(1, self._trial // 2)
        elif size >= self._limit:
            self._limit = min(self._largest, self._limit * 2)
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
        if not self._some_taken:
            self._refuse()
        elif self._some_rejected:
            self.state = State.BATCHES
        else:
            self.state = State.SINGLE
            self._single = True

    def _refuse(self) -> None:
        self.state = State.REFUSING
        self._refused = 0
        self._limit = min(USUAL, self._largest)  # also after 413: what the server takes is found anew
