"""This repository's ``signakit-flags``.

Exposure logic is on everywhere. Requests are measured on ``SignaKitClient.offline``, whose exposures go through the
same filter and end there: the rows that speak of exposures already seen are the same with a client on the network.
"""

from __future__ import annotations

from signakit_flags import SignaKitClient

from ..workload import SDK_KEY, attributes_of
from . import EVENT_USERS, Events, Exposures
from .signakit import SignaKitAdapter

TYPE_CHECKING = False  # as the type checkers know it, without the import
if TYPE_CHECKING:
    from typing import Any

    from ..workload import Request

SILENT_KEY = SDK_KEY.replace("proj1", "silent")
"""The project at the sink whose A/B rules are targeted ones."""


class Ours(SignaKitAdapter):
    """Ours."""

    event_variants = ("events", "events-loop", "events-full-queue")

    def load(self, config: bytes) -> SignaKitClient:
        """Return an offline client."""
        return SignaKitClient.offline(config)

    def close(self, client: SignaKitClient) -> None:
        """Close it."""
        client.close()

    def exposures_suppressed(self, client: SignaKitClient) -> int:
        """Return the client's own counter."""
        return client.status().exposures_suppressed

    def exposures(self, sink_url: str) -> OurExposures:
        """Return two clients on the network, one with A/B rules and one with targeted rules."""
        return OurExposures(sink_url)

    def events(self, sink_url: str, variant: str) -> OurEvents:
        """Return a client on the network, driven by threads or by an event loop."""
        return LoopEvents(sink_url) if variant == "events-loop" else OurEvents(sink_url)

    def loaded_over_network(self, sink_url: str) -> SignaKitClient:
        """Return a client with every setting at its default, but for where the servers are."""
        client = _client(SDK_KEY, sink_url, polling_interval=30)
        _get_ready(client)
        return client


def _client(key: str, sink_url: str, polling_interval: float = 0) -> SignaKitClient:
    return SignaKitClient(
        key, cdn_url=sink_url, events_url=f"{sink_url}/v1/flag-events", polling_interval=polling_interval
    )


def _users(client: SignaKitClient) -> list[Any]:
    return [client.create_user_context(f"user-{number:06d}", attributes_of(number)) for number in range(EVENT_USERS)]


def _get_ready(client: SignaKitClient) -> None:
    result = client.on_ready_sync()
    if not result.success:
        raise RuntimeError(result.reason)


class OurExposures(Exposures):
    """Decides on two clients; the config of the silent one differs in the type of the A/B rules and in nothing else."""

    marker = '"$exposure"'
    users = 5_000  # the queue takes 10,000, so none is refused

    def __init__(self, sink_url: str) -> None:
        self._exposing = _client(SDK_KEY, sink_url)
        self._silent = _client(SILENT_KEY, sink_url)
        for client in (self._exposing, self._silent):
            _get_ready(client)

    def prepare(self, requests: list[Request], *, silent: bool) -> list[Any]:
        """Return contexts."""
        client = self._silent if silent else self._exposing
        return [client.create_user_context(request.user_id, request.attributes) for request in requests]

    def decide(self, contexts: list[Any], keys: list[str], *, silent: bool) -> None:
        """Decide; which client it is, the contexts know."""
        del silent
        for context, key in zip(contexts, keys, strict=True):
            context.decide(key)

    def settle(self) -> None:
        """Flush."""
        if not self._exposing.flush_sync(timeout=20) or self._exposing.status().dropped:
            raise RuntimeError("exposures were lost")

    def close(self) -> None:
        """Close both."""
        self._exposing.close()
        self._silent.close()


class OurEvents(Events):
    """Tracks from synchronous code; the client's thread sends."""

    marker = '"eventKey"'
    count = 9_000  # the queue takes 10,000, so none is refused

    def __init__(self, sink_url: str) -> None:
        self._client = _client(SDK_KEY, sink_url)
        _get_ready(self._client)
        self._users = _users(self._client)

    def track(self, count: int) -> None:
        """Track events."""
        users = self._users
        for number in range(count):
            users[number % EVENT_USERS].track("purchase", 49.9)

    def deliver(self, count: int) -> None:
        """Track and flush."""
        self.track(count)
        self._client.flush_sync()

    def close(self) -> None:
        """Close."""
        self._client.close()


class LoopEvents(OurEvents):
    """Tracks on an event loop, which is the home loop and sends."""

    def __init__(self, sink_url: str) -> None:
        import asyncio  # noqa: PLC0415  # not where memory is measured

        self._loop = asyncio.new_event_loop()
        self._client = _client(SDK_KEY, sink_url)
        self._loop.run_until_complete(self._client.on_ready())
        self._users = _users(self._client)

    def deliver(self, count: int) -> None:
        """Track and flush, on the loop."""
        self._loop.run_until_complete(self._deliver(count))

    async def _deliver(self, count: int) -> None:
        users = self._users
        for number in range(count):
            await users[number % EVENT_USERS].track_event("purchase", 49.9)
        await self._client.flush()

    def close(self) -> None:
        """Close the client, then the loop."""
        self._loop.run_until_complete(self._client.aclose())
        self._loop.close()


ADAPTER = Ours()
