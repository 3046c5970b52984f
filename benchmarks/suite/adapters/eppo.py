"""``eppo-server-sdk``, whose core is Rust.

There is no context: user id and attributes go into each call, and the attributes are converted by each. Called for
values, its cheapest way; ours also returns the rule. It hashes with MD5 where the others do once or twice with
MurmurHash3. Assignments are logged for the "exposure" row alone, and there handed to a function of the application,
which would have to send them: nothing is sent.
"""

from __future__ import annotations

import json
from importlib import import_module

from ..workload import (
    AB_RANGES,
    AB_VARIATIONS,
    DEFAULT_VARIABLES,
    KINDS,
    TARGET_COUNTRIES,
    TARGET_PERCENTAGE,
    TARGET_PLAN,
    flag_specs,
    override_variables,
)
from . import Adapter, Exposures

TYPE_CHECKING = False  # as the type checkers know it, without the import
if TYPE_CHECKING:
    from typing import Any

    from ..workload import FlagSpec, Request
    from . import Outcome

eppo_client: Any = import_module("eppo_client")


class NoLogger(eppo_client.AssignmentLogger):  # type: ignore[misc]  # its class is not known here
    """Takes what was assigned, and drops it."""

    def log_assignment(self, event: Any) -> None:
        """Do nothing."""


class CountingLogger(eppo_client.AssignmentLogger):  # type: ignore[misc]  # its class is not known here
    """Counts what was assigned, and drops it."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def log_assignment(self, event: Any) -> None:
        """Count it."""
        del event
        self.count += 1


class Eppo(Adapter):
    """Eppo."""

    offers = Adapter.offers | {"exposure"}

    def __init__(self) -> None:
        self._logger = CountingLogger()

    def native(self, specs: list[FlagSpec], *, exposing: bool = False) -> bytes:
        """Return the project as its server would send it. Of exposures, that is the logging of A/B flags."""
        flags = {spec.key: _flag(spec, logs=exposing) for spec in specs}
        return json.dumps(
            {
                "createdAt": "2026-01-01T00:00:00.000Z",
                "format": "SERVER",
                "environment": {"name": "Test"},
                "flags": flags,
                "bandits": {},
            }
        ).encode()

    def load(self, config: bytes) -> Any:
        """Return a client whose logger counts, since it is not to be called."""
        return self.client(config, self._logger)

    def client(self, config: bytes, logger: Any) -> Any:
        """Return the client; there is one in the process, and a new one takes its place."""
        configuration = eppo_client.Configuration(flags_configuration=config)
        return eppo_client.init(
            eppo_client.ClientConfig(
                api_key="key",
                base_url="http://127.0.0.1:9",
                assignment_logger=logger,
                poll_interval_seconds=None,
                initial_configuration=configuration,
            )
        )

    def close(self, client: Any) -> None:
        """Shut it down."""
        client.shutdown()

    def decide(self, client: Any, requests: list[Request]) -> None:
        """Decide three flags."""
        get_boolean, get_json = client.get_boolean_assignment, client.get_json_assignment
        for request in requests:
            get_boolean(request.on_off, request.user_id, request.attributes, False)
            get_boolean(request.targeted, request.user_id, request.attributes, False)
            get_json(request.ab, request.user_id, request.attributes, None)

    def outcomes(self, client: Any, requests: list[Request]) -> list[Outcome]:
        """Return what each request gets."""
        get_boolean, get_json = client.get_boolean_assignment, client.get_json_assignment
        return [
            (
                get_boolean(request.on_off, request.user_id, request.attributes, False),
                get_boolean(request.targeted, request.user_id, request.attributes, False),
                get_json(request.ab, request.user_id, request.attributes, None)["title"],
            )
            for request in requests
        ]

    def exposures_logged(self) -> int:
        """Return how often the logger of `load` was called."""
        return self._logger.count

    def exposures(self, sink_url: str) -> Exposures:
        """Return the client with logging."""
        del sink_url
        return EppoExposures(self)


class EppoExposures(Exposures):
    """Decides A/B flags of two projects, one of which logs. There is one client, so it is exchanged in between."""

    repeats = False  # it hands out every assignment, or with a wrapper in Python every first one

    def __init__(self, adapter: Eppo) -> None:
        self._adapter = adapter
        self._configs = {silent: adapter.native(flag_specs(100), exposing=not silent) for silent in (False, True)}
        self._client: Any = None

    def prepare(self, requests: list[Request], *, silent: bool) -> list[Any]:
        """Return user ids and attributes, and take up the project."""
        self._client = self._adapter.client(self._configs[silent], NoLogger())
        return [(request.user_id, request.attributes) for request in requests]

    def decide(self, contexts: list[Any], keys: list[str], *, silent: bool) -> None:
        """Decide; which project it is, ``prepare`` has settled."""
        del silent
        get_json = self._client.get_json_assignment
        for (user_id, attributes), key in zip(contexts, keys, strict=True):
            get_json(key, user_id, attributes, None)


def _flag(spec: FlagSpec, *, logs: bool) -> dict[str, Any]:
    flag: dict[str, Any] = {"key": spec.key, "enabled": True, "totalShards": 10_000}
    is_pro = {"attribute": "plan", "operator": "ONE_OF", "value": [TARGET_PLAN]}
    if spec.kind == KINDS[2]:
        values = {name: override_variables(number) for number, name in enumerate(AB_VARIATIONS)}
        values["off"] = DEFAULT_VARIABLES
        splits = [
            _split(name, spec.salt, start, end + 1) for name, (start, end) in zip(AB_VARIATIONS, AB_RANGES, strict=True)
        ]
        flag["variationType"] = "JSON"
        flag["variations"] = {name: {"key": name, "value": json.dumps(value)} for name, value in values.items()}
        flag["allocations"] = [_allocation("rule", splits, [is_pro], logs=logs), _everybody("off")]
        return flag
    flag["variationType"] = "BOOLEAN"
    flag["variations"] = {"on": {"key": "on", "value": True}, "off": {"key": "off", "value": False}}
    if spec.kind == KINDS[0]:
        flag["allocations"] = [_everybody("on" if spec.default_on else "off")]
        return flag
    is_near = {"attribute": "country", "operator": "ONE_OF", "value": list(TARGET_COUNTRIES)}
    splits = [_split("on", spec.salt, 0, TARGET_PERCENTAGE * 100)]
    flag["allocations"] = [_allocation("rule", splits, [is_pro, is_near], logs=False), _everybody("off")]
    return flag


def _split(variation: str, salt: str, start: int, end: int) -> dict[str, Any]:
    return {"variationKey": variation, "shards": [{"salt": salt, "ranges": [{"start": start, "end": end}]}]}


def _allocation(
    key: str, splits: list[dict[str, Any]], conditions: list[dict[str, Any]], *, logs: bool
) -> dict[str, Any]:
    return {"key": key, "splits": splits, "rules": [{"conditions": conditions}], "doLog": logs}


def _everybody(variation: str) -> dict[str, Any]:
    return {"key": "default", "splits": [{"variationKey": variation, "shards": []}], "doLog": False}


ADAPTER = Eppo()
