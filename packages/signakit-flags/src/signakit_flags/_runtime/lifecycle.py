"""The phases of a client's life: which there are, and what moves a client from one to the next.

========  ========  ==========================================================  ==========================
from      to        when                                                        by
========  ========  ==========================================================  ==========================
OPEN      CLOSING   ``close()``, ``aclose()`` or the exit of the process; of    ``Life.begin_closing``
                    several calls at once one wins
CLOSING   STOPPING  the queue is empty, or the time for it is over              ``Life.stop``
STOPPING  CLOSED    the driver was told to stop; what is still queued is given  ``Life.end``
                    up
CLOSING,  OPEN      a signal handler or a cancellation broke the call off: the  ``Life.reopen``
STOPPING            queue takes nothing more, and the exit sends what it holds
CLOSING,  OPEN      the process was forked meanwhile, and the child called      ``Life.forget_after_fork``
STOPPING            nothing: its queue takes events again
========  ========  ==========================================================  ==========================

========  ==================================  ===========================================================
phase     takes events                        if the home loop ends
========  ==================================  ===========================================================
OPEN      yes; not after ``Life.reopen``      threads take over
CLOSING   no                                  threads take over, and send what is queued
STOPPING  no                                  nothing takes over: what is in flight is given up
CLOSED    no                                  nothing takes over
========  ==================================  ===========================================================

``released`` is apart from the phases: the application holds no reference to the client any more. Polling ends, and the
driver stops once the queue is empty.
"""

from __future__ import annotations

import threading
from enum import IntEnum


class Phase(IntEnum):
    """A phase of a client's life; later phases are greater."""

    OPEN = 0
    CLOSING = 1
    STOPPING = 2
    CLOSED = 3


class Life:
    """The phase of one client. The engine moves it on; the handover reads it.

    Attributes:
        phase: The phase.
        released: True once the application holds no reference to the client.
    """

    __slots__ = ("_lock", "phase", "released")

    def __init__(self) -> None:
        self._lock = threading.RLock()  # reentrant: close() may come from a signal handler
        self.phase: Phase = Phase.OPEN
        self.released: bool = False

    def begin_closing(self) -> bool:
        """Move from OPEN to CLOSING; False when another call has done so."""
        with self._lock:
            if self.phase is not Phase.OPEN:
                return False
            self.phase = Phase.CLOSING
        return True

    def stop(self) -> None:
        """Move from CLOSING to STOPPING. A child that was forked in a ``close()``, and comes out of it, stays OPEN."""
        if self.phase is Phase.CLOSING:
            self.phase = Phase.STOPPING

    def end(self) -> None:
        """Move from STOPPING to CLOSED; from no other phase, as ``stop``."""
        if self.phase is Phase.STOPPING:
            self.phase = Phase.CLOSED

    def reopen(self) -> None:
        """Go back to OPEN, so that the exit closes the client once more."""
        self.phase = Phase.OPEN

    def forget_after_fork(self) -> bool:
        """Start with a new lock. Returns whether the parent was about to close the client, which the child is not."""
        self._lock = threading.RLock()
        was_closing = Phase.OPEN < self.phase < Phase.CLOSED
        if was_closing:
            self.phase = Phase.OPEN
        return was_closing
