"""The vendor's ``signakit-flags`` 1.1.0.

It knows no deduplication: each decision sends its exposure before it returns. Where a row is about deciding, sending is
therefore switched off altogether, in its favour. The config is injected where it would have been fetched. Its client
makes a new HTTP client for each event unless one is injected.
"""

from __future__ import annotations

import json
from importlib import import_module

from ..workload import SDK_KEY, attributes_of, flag_specs
from . import EVENT_USERS, Events, Exposures
from .signakit import SignaKitAdapter

TYPE_CHECKING = False  # as the type checkers know it, without the import
if TYPE_CHECKING:
    from typing import Any

    from ..workload import Request

signakit_flags: Any = import_module("signakit_flags")
config_manager: Any = import_module("signakit_flags.config_manager")

SEND_EXPOSURE: Any = signakit_flags.SignaKitUserContext._send_exposure


def _send_nothing(_context: Any, _decision: Any) -> None:
    pass


class ConfigAtHand(config_manager.ConfigManager):  # type: ignore[misc]  # its class is not known here
    """A source of the config that is not the network."""

    def __init__(self, config: bytes) -> None:
        super().__init__("org1", "proj1", "development")
        self._text = config

    def fetch_config_sync(self) -> Any:
        """Return the config."""
        self._config = config_manager.parse_project_config(json.loads(self._text))
        return self._config


def _client(config: bytes, **arguments: Any) -> Any:
    client = signakit_flags.SignaKitClient(
        SDK_KEY, config_manager=ConfigAtHand(config), polling_interval=0, **arguments
    )
    result = client.on_ready_sync()
    if not result.success:
        raise RuntimeError(result.reason)
    return client


class Vendor(SignaKitAdapter):
    """The vendor's."""

    event_variants = ("events", "events-injected")

    def __init__(self) -> None:
        signakit_flags.SignaKitUserContext._send_exposure = _send_nothing

    def load(self, config: bytes) -> Any:
        """Return a client; exposures are switched off."""
        return _client(config)

    def exposures(self, sink_url: str) -> VendorExposures:
        """Return a client that sends."""
        return VendorExposures(self, sink_url)

    def events(self, sink_url: str, variant: str) -> VendorEvents:
        """Return a client that sends, with an injected HTTP client or with one of its own for each event."""
        return VendorEvents(self, sink_url, injected=variant == "events-injected")


class VendorExposures(Exposures):
    """Decides with sending switched on and off."""

    marker = '"$exposure"'
    users = 10  # 20 ms each
    repeats = False

    def __init__(self, adapter: Vendor, sink_url: str) -> None:
        self._client = _client(adapter.native(flag_specs(100)), events_url=f"{sink_url}/v1/flag-events")

    def prepare(self, requests: list[Request], *, silent: bool) -> list[Any]:
        """Return contexts."""
        del silent
        return [self._client.create_user_context(request.user_id, request.attributes) for request in requests]

    def decide(self, contexts: list[Any], keys: list[str], *, silent: bool) -> None:
        """Decide."""
        signakit_flags.SignaKitUserContext._send_exposure = _send_nothing if silent else SEND_EXPOSURE
        try:
            for context, key in zip(contexts, keys, strict=True):
                context.decide(key)
        finally:
            signakit_flags.SignaKitUserContext._send_exposure = _send_nothing


class VendorEvents(Events):
    """Awaits the coroutine that tracks, again and again."""

    marker = '"eventKey"'

    def __init__(self, adapter: Vendor, sink_url: str, *, injected: bool) -> None:
        asyncio: Any = import_module("asyncio")
        httpx: Any = import_module("httpx")
        self.count = 500 if injected else 20
        self._loop = asyncio.new_event_loop()
        self._http = httpx.AsyncClient() if injected else None
        arguments: dict[str, Any] = {"async_client": self._http} if injected else {}
        self._client = _client(adapter.native(flag_specs(100)), events_url=f"{sink_url}/v1/flag-events", **arguments)
        self._users = [
            self._client.create_user_context(f"user-{number:06d}", attributes_of(number))
            for number in range(EVENT_USERS)
        ]

    def track(self, count: int) -> None:
        """Track events, each of which is sent before the next."""
        self._loop.run_until_complete(self._deliver(count))

    def deliver(self, count: int) -> None:
        """Do the same."""
        self.track(count)

    async def _deliver(self, count: int) -> None:
        users = self._users
        for number in range(count):
            await users[number % EVENT_USERS].track_event("purchase", 49.9)

    def close(self) -> None:
        """Close the injected HTTP client and the loop."""
        if self._http is not None:
            self._loop.run_until_complete(self._http.aclose())
        self._loop.close()


ADAPTER = Vendor()
