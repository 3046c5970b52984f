"""One module for each contestant: how its package is given the workload and made to do it.

`load_adapter` imports only the one that is asked for, since each runs in an environment that has its package alone. The
packages of peers are imported by name, so that the type checker does not ask for them. Like the workload, what is here
is imported where memory is measured, so it imports little.
"""

from __future__ import annotations

from importlib import import_module

TYPE_CHECKING = False  # as the type checkers know it, without the import
if TYPE_CHECKING:
    from typing import Any

    from ..workload import FlagSpec, Request

Outcome = tuple[bool, bool, str]
"""What one request got: the on/off flag, the targeted flag, and the variable "title" of the A/B flag."""


class Adapter:
    """A contestant. Methods that say "timed" hold a loop and nothing else that the package does not ask for.

    Attributes:
        offers: Which probes apply, by their operation; the rest is left out of the tables.
        event_variants: The ways of sending events that are measured.
    """

    offers: frozenset[str] = frozenset({"request", "threads", "load", "memory"})
    event_variants: tuple[str, ...] = ()

    def native(self, specs: list[FlagSpec], *, exposing: bool = False) -> bytes:
        """Return the project in the format of the contestant.

        Args:
            specs: The flags.
            exposing: True is for the "exposure" row: a decision of an A/B flag is then logged. It changes nothing where
                logging is a matter of the call or of the client.
        """
        raise NotImplementedError

    def load(self, config: bytes) -> Any:
        """Return a client that is ready, without a network. Timed."""
        raise NotImplementedError

    def close(self, client: Any) -> None:
        """Let a client go."""

    def decide(self, client: Any, requests: list[Request]) -> None:
        """Make a context and decide three flags, for each request. Timed."""
        raise NotImplementedError

    def outcomes(self, client: Any, requests: list[Request]) -> list[Outcome]:
        """Return what each request gets."""
        raise NotImplementedError

    def decisions(self, client: Any, requests: list[Request]) -> list[str]:
        """Return each decision in full, as text, where contestants are to agree to the letter; else nothing."""
        del client, requests
        return []

    def decide_all(self, client: Any, requests: list[Request]) -> None:
        """Make a context and decide every flag, for each request. Timed."""
        raise NotImplementedError

    def exposures_suppressed(self, client: Any) -> int | None:
        """Return how many exposures were not sent because they had been, if the contestant counts them."""
        del client
        return None

    def exposures_logged(self) -> int:
        """Return how many exposures were handed to the application so far; 0 where a contestant does not do that."""
        return 0

    def contexts(self, client: Any, users: list[tuple[str, dict[str, Any]]]) -> None:
        """Make a context of each user id and attributes, ``$userAgent`` among them. Timed."""
        raise NotImplementedError

    def exposures(self, sink_url: str) -> Exposures:
        """Return what is needed to measure exposures, sent to the sink."""
        raise NotImplementedError

    def events(self, sink_url: str, variant: str) -> Events:
        """Return what is needed to measure events, sent to the sink."""
        raise NotImplementedError

    def loaded_over_network(self, sink_url: str) -> Any:
        """Return a client that has fetched its config from the sink, and sends events there."""
        raise NotImplementedError


class Exposures:
    """Decides A/B flags with and without exposures.

    Attributes:
        marker: What the body of a delivery holds once for each exposure; empty where nothing is delivered.
        users: How many new users a measurement takes.
        repeats: Whether deciding again for the same users is something else than deciding for the first time.
    """

    marker: str = ""
    users: int = 2_000
    repeats: bool = True

    def prepare(self, requests: list[Request], *, silent: bool) -> list[Any]:
        """Return a new context for each request."""
        raise NotImplementedError

    def decide(self, contexts: list[Any], keys: list[str], *, silent: bool) -> None:
        """Decide one flag for each context, without an exposure if ``silent``. Timed."""
        raise NotImplementedError

    def settle(self) -> None:
        """Have everything delivered, as far as the contestant can be asked to."""

    def close(self) -> None:
        """Let the clients go."""


EVENT_USERS = 100
"""Users that events are tracked for by turns, all made beforehand."""


class Events:
    """Tracks conversions of many users, so that none can be encoded once for a whole delivery.

    Attributes:
        marker: What the body of a delivery holds once for each event.
        count: How many events a measurement takes.
    """

    marker: str = ""
    count: int = 5_000

    def track(self, count: int) -> None:
        """Track so many events and return, whether they were sent or not."""
        raise NotImplementedError

    def deliver(self, count: int) -> None:
        """Track so many events and have them delivered. Timed, up to the arrival of the last."""
        raise NotImplementedError

    def close(self) -> None:
        """Let the client go."""


def load_adapter(name: str) -> Adapter:
    """Return the adapter of a contestant; its package must be installed."""
    adapter: Adapter = import_module(f"{__name__}.{name}").ADAPTER
    return adapter
