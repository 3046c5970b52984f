"""``launchdarkly-server-sdk``, with its documented source of flags from files.

Called for values, its cheapest way; ours also returns the rule. An on/off flag is its fall-through variation. It hashes
with SHA-1, once where ours hashes twice. Its events are summed up unless a flag asks for full ones, as the flags of the
"exposure" row do, and then it sends one for each decision: a repeat costs what the first costs.
"""

from __future__ import annotations

import json
import os
import tempfile
from importlib import import_module
from pathlib import Path

from ..workload import (
    AB_PERCENTAGES,
    DEFAULT_VARIABLES,
    KINDS,
    TARGET_COUNTRIES,
    TARGET_PERCENTAGE,
    TARGET_PLAN,
    attributes_of,
    flag_specs,
    override_variables,
)
from . import EVENT_USERS, Adapter, Events, Exposures

TYPE_CHECKING = False  # as the type checkers know it, without the import
if TYPE_CHECKING:
    from typing import Any

    from ..workload import FlagSpec, Request
    from . import Outcome

ldclient: Any = import_module("ldclient")
config: Any = import_module("ldclient.config")
integrations: Any = import_module("ldclient.integrations")


class LaunchDarkly(Adapter):
    """LaunchDarkly."""

    offers = Adapter.offers | {"all", "exposure", "events", "exit"}
    event_variants = ("events",)

    def native(self, specs: list[FlagSpec], *, exposing: bool = False) -> bytes:
        """Return the project as a file of flags. Of exposures, that is the full events of A/B flags."""
        flags = {spec.key: _flag(spec, tracks=exposing) for spec in specs}
        return json.dumps({"flags": flags, "segments": {}}).encode()

    def load(self, config: bytes) -> Any:
        """Return a client that sends no events."""
        return self.client(config, send_events=False)

    def client(self, text: bytes, **options: Any) -> Any:
        """Return a client that has read the project from a file."""
        descriptor, path = tempfile.mkstemp(suffix=".json")
        os.write(descriptor, text)
        os.close(descriptor)
        source = integrations.Files.new_data_source(paths=[path])
        settings = config.Config(sdk_key="sdk-key", update_processor_class=source, diagnostic_opt_out=True, **options)
        client = ldclient.LDClient(settings, start_wait=30)
        Path(path).unlink()
        if not client.is_initialized():
            raise RuntimeError("the client did not become ready")
        return client

    def close(self, client: Any) -> None:
        """Close it."""
        client.close()

    @staticmethod
    def context(request: Request) -> Any:
        """Return a context."""
        attributes = request.attributes
        return (
            ldclient.Context.builder(request.user_id)
            .set("plan", attributes["plan"])
            .set("country", attributes["country"])
            .set("age", attributes["age"])
            .set("beta", attributes["beta"])
            .build()
        )

    def decide(self, client: Any, requests: list[Request]) -> None:
        """Make a context and decide three flags."""
        make_context, variation = self.context, client.variation
        for request in requests:
            context = make_context(request)
            variation(request.on_off, context, False)
            variation(request.targeted, context, False)
            variation(request.ab, context, None)

    def decide_all(self, client: Any, requests: list[Request]) -> None:
        """Make a context and decide all flags."""
        for request in requests:
            client.all_flags_state(self.context(request))

    def outcomes(self, client: Any, requests: list[Request]) -> list[Outcome]:
        """Return what each request gets."""
        outcomes = []
        for request in requests:
            context = self.context(request)
            title = client.variation(request.ab, context, {})["title"]
            on = client.variation(request.on_off, context, False)
            outcomes.append((on, client.variation(request.targeted, context, False), title))
        return outcomes

    def exposures(self, sink_url: str) -> Exposures:
        """Return two clients, one that sends and one that does not."""
        return LaunchDarklyExposures(self, sink_url)

    def events(self, sink_url: str, variant: str) -> Events:
        """Return a client that sends."""
        del variant
        return LaunchDarklyEvents(self, sink_url)


class LaunchDarklyExposures(Exposures):
    """Decides on two clients, of which one sends events."""

    marker = '"kind":"feature"'
    users = 2_000  # its queue takes 10,000, and a new user is an event, too
    repeats = False

    def __init__(self, adapter: LaunchDarkly, sink_url: str) -> None:
        self._adapter = adapter
        project = adapter.native(flag_specs(100), exposing=True)
        self._exposing = adapter.client(project, events_uri=sink_url)
        self._silent = adapter.client(project, send_events=False)

    def prepare(self, requests: list[Request], *, silent: bool) -> list[Any]:
        """Return contexts."""
        del silent
        return [self._adapter.context(request) for request in requests]

    def decide(self, contexts: list[Any], keys: list[str], *, silent: bool) -> None:
        """Decide."""
        variation = (self._silent if silent else self._exposing).variation
        for context, key in zip(contexts, keys, strict=True):
            variation(key, context, None)

    def settle(self) -> None:
        """Ask for a flush, which cannot be waited for."""
        self._exposing.flush()

    def close(self) -> None:
        """Close both."""
        self._exposing.close()
        self._silent.close()


class LaunchDarklyEvents(Events):
    """Tracks events."""

    marker = '"kind":"custom"'
    count = 5_000  # its queue takes 10,000

    def __init__(self, adapter: LaunchDarkly, sink_url: str) -> None:
        self._client = adapter.client(adapter.native(flag_specs(100)), events_uri=sink_url)
        self._contexts = []
        for number in range(EVENT_USERS):
            builder = ldclient.Context.builder(f"user-{number:06d}")
            for name, value in attributes_of(number).items():
                builder.set(name, value)
            self._contexts.append(builder.build())

    def track(self, count: int) -> None:
        """Track events."""
        track, contexts = self._client.track, self._contexts
        for number in range(count):
            track("purchase", contexts[number % EVENT_USERS], None, 49.9)

    def deliver(self, count: int) -> None:
        """Track, and ask for a flush, which cannot be waited for."""
        self.track(count)
        self._client.flush()

    def close(self) -> None:
        """Close."""
        self._client.close()


def _flag(spec: FlagSpec, *, tracks: bool) -> dict[str, Any]:
    flag: dict[str, Any] = {
        "key": spec.key,
        "version": 1,
        "on": True,
        "salt": spec.salt,
        "prerequisites": [],
        "targets": [],
        "rules": [],
        "variations": [True, False],
        "offVariation": 1,
        "fallthrough": {"variation": 0 if spec.kind == KINDS[0] and spec.default_on else 1},
        "deleted": False,
        "trackEvents": False,
        "clientSide": False,
    }
    is_pro = _clause("plan", [TARGET_PLAN])
    if spec.kind == KINDS[1]:
        is_near = _clause("country", list(TARGET_COUNTRIES))
        flag["rules"] = [_rule(spec, [is_pro, is_near], (TARGET_PERCENTAGE, 100 - TARGET_PERCENTAGE))]
    elif spec.kind == KINDS[2]:
        flag["variations"] = [override_variables(number) for number in range(len(AB_PERCENTAGES))]
        flag["variations"].append(DEFAULT_VARIABLES)
        flag["offVariation"] = len(AB_PERCENTAGES)
        flag["fallthrough"] = {"variation": len(AB_PERCENTAGES)}
        flag["trackEvents"] = tracks
        flag["rules"] = [_rule(spec, [is_pro], AB_PERCENTAGES)]
    return flag


def _clause(attribute: str, values: list[str]) -> dict[str, Any]:
    return {"contextKind": "user", "attribute": attribute, "op": "in", "values": values, "negate": False}


def _rule(spec: FlagSpec, clauses: list[dict[str, Any]], percentages: tuple[int, ...]) -> dict[str, Any]:
    weights = [{"variation": number, "weight": share * 1000} for number, share in enumerate(percentages)]
    return {
        "id": f"rule-{spec.index}",
        "clauses": clauses,
        "rollout": {"contextKind": "user", "variations": weights},
    }


ADAPTER = LaunchDarkly()
