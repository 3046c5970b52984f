"""What a driver is, and what it needs of its host. A driver runs the poller and the sender of one client.

There are two: ``thread_driver`` runs each flow in a daemon thread, ``loop_driver`` runs both on an event loop, the home
loop. The host is ``home_loop.Handover``: it decides which driver is in force.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from .flow import Flow


class Host(Protocol):
    """What a driver asks and tells. Called from the driver's threads, or on its loop."""

    def poll_flow(self, driver: Driver) -> Flow:
        """Return a new flow that fetches configs while ``driver`` is in force."""
        ...

    def delivery_flow(self, driver: Driver) -> Flow:
        """Return a new flow that sends events while ``driver`` is in force."""
        ...

    def flow_ended(self) -> None:
        """Take note that a flow has ended by itself."""
        ...

    def flow_failed(self, driver: Driver) -> None:
        """Take back what a flow had under way when it failed."""
        ...

    def loop_ended(self, driver: Driver) -> None:
        """Replace ``driver``, whose event loop has ended."""
        ...


class Driver(ABC):
    """Runs two flows of a host: the poller and the sender.

    Attributes:
        may_vanish: True where the driver can end without telling, as an event loop does. A call that waits for such a
            driver has to look after it. A driver of threads can always start another one.
    """

    may_vanish: bool

    @property
    @abstractmethod
    def alive(self) -> bool:
        """False once the driver has ended and has to be replaced."""

    @property
    @abstractmethod
    def is_here(self) -> bool:
        """True in the thread that the driver itself runs in: to wait there for the driver would wait for ever."""

    @abstractmethod
    def wake_poller(self) -> bool:
        """Let the poller look for something to fetch; False when it cannot run."""

    @abstractmethod
    def wake_sender(self) -> bool:
        """Let the sender look for something to send; False when it cannot run."""

    @abstractmethod
    def works_elsewhere(self) -> bool:
        """Return whether the sender goes on while the calling thread waits for it."""

    @abstractmethod
    def retire(self) -> None:
        """Let both flows notice that this driver is not in force any more."""

    @abstractmethod
    def stop(self) -> None:
        """End both flows, and close the connections that belong to this driver, without waiting for it."""

    @abstractmethod
    async def aclose(self) -> None:
        """Stop, and wait for what of it is on the running loop: nothing of ours is left on that loop afterwards."""

    @abstractmethod
    def join(self, deadline: float) -> None:
        """Wait for threads to end, until ``deadline`` in seconds of ``time.monotonic()``."""
