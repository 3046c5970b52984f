"""``statsig-python-core``, whose core is Rust.

Exposures are switched off by call, except in the row about them; each call for an A/B flag converts the variables anew.
It has no call that gives all decisions of a user but the one that prepares them as JSON text for its browser SDK, with
hashed names: that stands in, and is not the same work.
"""

from __future__ import annotations

import json
from importlib import import_module

from ..workload import (
    AB_PERCENTAGES,
    AB_VARIATIONS,
    DEFAULT_VARIABLES,
    KINDS,
    TARGET_COUNTRIES,
    TARGET_PERCENTAGE,
    TARGET_PLAN,
    Request,
    attributes_of,
    flag_specs,
    override_variables,
)
from . import EVENT_USERS, Adapter, Events, Exposures

TYPE_CHECKING = False  # as the type checkers know it, without the import
if TYPE_CHECKING:
    from typing import Any, Self

    from ..workload import FlagSpec
    from . import Outcome

core: Any = import_module("statsig_python_core")

GATE_SILENT = core.FeatureGateEvaluationOptions(disable_exposure_logging=True)
AB_SILENT = core.ExperimentEvaluationOptions(disable_exposure_logging=True)
AB_EXPOSING = core.ExperimentEvaluationOptions()


class SpecsAtHand(core.DataStore):  # type: ignore[misc]  # its class is not known here
    """A source of the project that is not the network."""

    def __new__(cls, text: str) -> Self:
        """Make it without the argument, which the base class does not take."""
        del text
        made: Self = super().__new__(cls)
        return made

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text

    def get(self, key: str) -> Any:
        """Return the project."""
        del key
        return core.DataStoreResponse(result=self.text, time=1000)


class Statsig(Adapter):
    """Statsig."""

    offers = Adapter.offers | {"all", "exposure", "events", "exit"}
    event_variants = ("events",)

    def __init__(self) -> None:
        self._clients = 0

    def native(self, specs: list[FlagSpec], *, exposing: bool = False) -> bytes:
        """Return the project as its server would send it. Exposures are a matter of the call, not of the project."""
        del exposing
        return json.dumps(_project(specs)).encode()

    def load(self, config: bytes) -> Any:
        """Return a client that is not on the network."""
        return self.client(config, disable_network=True)

    def client(self, config: bytes, **options: Any) -> Any:
        """Return a client under a key of its own, since one key means one client."""
        self._clients += 1
        client = core.Statsig(
            f"secret-benchmark-{self._clients}",
            core.StatsigOptions(
                data_store=SpecsAtHand(config.decode()),
                disable_country_lookup=True,
                output_log_level="none",
                enable_id_lists=False,
                disable_disk_access=True,
                **options,
            ),
        )
        client.initialize().wait()
        return client

    def close(self, client: Any) -> None:
        """Shut it down."""
        client.shutdown().wait()

    @staticmethod
    def user(request: Request) -> Any:
        """Return a user."""
        attributes = request.attributes
        custom = {"plan": attributes["plan"], "age": attributes["age"], "beta": attributes["beta"]}
        return core.StatsigUser(request.user_id, country=attributes["country"], custom=custom)

    def decide(self, client: Any, requests: list[Request]) -> None:
        """Make a user and decide three flags."""
        make_user, check_gate, get_experiment = self.user, client.check_gate, client.get_experiment
        for request in requests:
            user = make_user(request)
            check_gate(user, request.on_off, GATE_SILENT)
            check_gate(user, request.targeted, GATE_SILENT)
            get_experiment(user, request.ab, AB_SILENT)

    def decide_all(self, client: Any, requests: list[Request]) -> None:
        """Make a user and prepare the answer for a browser."""
        for request in requests:
            client.get_client_initialize_response(self.user(request))

    def outcomes(self, client: Any, requests: list[Request]) -> list[Outcome]:
        """Return what each request gets."""
        outcomes = []
        for request in requests:
            user = self.user(request)
            title = client.get_experiment(user, request.ab, AB_SILENT).get("title", "?")
            on = client.check_gate(user, request.on_off, GATE_SILENT)
            outcomes.append((on, client.check_gate(user, request.targeted, GATE_SILENT), title))
        return outcomes

    def online(self, sink_url: str) -> Any:
        """Return a client that sends its events to the sink."""
        return self.client(
            self.native(flag_specs(100)), specs_url=f"{sink_url}/specs", log_event_url=f"{sink_url}/v1/log_event"
        )

    def exposures(self, sink_url: str) -> Exposures:
        """Return a client that sends."""
        return StatsigExposures(self, sink_url)

    def events(self, sink_url: str, variant: str) -> Events:
        """Return a client that sends."""
        del variant
        return StatsigEvents(self, sink_url)


class StatsigExposures(Exposures):
    """Decides with and without logging."""

    marker = "statsig::config_exposure"
    users = 5_000

    def __init__(self, adapter: Statsig, sink_url: str) -> None:
        self._adapter = adapter
        self._client = adapter.online(sink_url)

    def prepare(self, requests: list[Request], *, silent: bool) -> list[Any]:
        """Return users."""
        del silent
        return [self._adapter.user(request) for request in requests]

    def decide(self, contexts: list[Any], keys: list[str], *, silent: bool) -> None:
        """Decide."""
        get_experiment, options = self._client.get_experiment, AB_SILENT if silent else AB_EXPOSING
        for user, key in zip(contexts, keys, strict=True):
            get_experiment(user, key, options)

    def settle(self) -> None:
        """Flush."""
        self._client.flush_events().wait()

    def close(self) -> None:
        """Shut down."""
        self._adapter.close(self._client)


class StatsigEvents(Events):
    """Logs events."""

    marker = '"eventName":"purchase"'
    count = 20_000

    def __init__(self, adapter: Statsig, sink_url: str) -> None:
        self._adapter = adapter
        self._client = adapter.online(sink_url)
        numbers = range(EVENT_USERS)
        self._users = [
            adapter.user(Request(f"user-{number:06d}", attributes_of(number), "", "", "")) for number in numbers
        ]

    def track(self, count: int) -> None:
        """Log events."""
        log_event, users = self._client.log_event, self._users
        for number in range(count):
            log_event(users[number % EVENT_USERS], "purchase", 49.9)

    def deliver(self, count: int) -> None:
        """Log and flush."""
        self.track(count)
        self._client.flush_events().wait()

    def close(self) -> None:
        """Shut down."""
        self._adapter.close(self._client)


def _project(specs: list[FlagSpec]) -> dict[str, Any]:
    conditions = {
        "everybody": _condition("public", None, None, None),
        "pro": _condition("user_field", [TARGET_PLAN], "any", "plan"),
        "not-pro": _condition("user_field", [TARGET_PLAN], "none", "plan"),
        "near": _condition("user_field", list(TARGET_COUNTRIES), "any", "country"),
    }
    gates: dict[str, Any] = {}
    experiments: dict[str, Any] = {}
    for spec in specs:
        common = {"salt": spec.salt, "enabled": True, "idType": "userID", "version": 1}
        if spec.kind == KINDS[2]:
            extra = {"type": "dynamic_config", "entity": "experiment", "isActive": True, "hasSharedParams": False}
            rules = [_rule(f"others-{spec.index}", ["not-pro"], DEFAULT_VARIABLES)]
            top = 0
            for number, percentage in enumerate(AB_PERCENTAGES):
                top += percentage * 10
                name = f"bucket-{spec.index}-{number}"
                conditions[name] = _condition("user_bucket", top, "lt", None, salt=spec.salt)
                rule = _rule(f"group-{spec.index}-{number}", [name], override_variables(number))
                rules.append(rule | {"groupName": AB_VARIATIONS[number], "isExperimentGroup": True})
            experiments[spec.key] = common | extra | {"defaultValue": DEFAULT_VARIABLES, "rules": rules}
            continue
        if spec.kind == KINDS[1]:
            rules = [_rule(f"rule-{spec.index}", ["pro", "near"], True, TARGET_PERCENTAGE)]
        else:
            rules = [_rule(f"rule-{spec.index}", ["everybody"], True)] if spec.default_on else []
        extra = {"type": "feature_gate", "entity": "feature_gate", "defaultValue": False}
        gates[spec.key] = common | extra | {"rules": rules}
    return {
        "dynamic_configs": experiments,
        "feature_gates": gates,
        "layer_configs": {},
        "experiment_to_layer": {},
        "has_updates": True,
        "time": 1000,
        "company_id": None,
        "condition_map": conditions,
        "sdk_configs": {},
    }


def _condition(kind: str, target: Any, operator: str | None, field: str | None, **additional: str) -> dict[str, Any]:
    return {
        "type": kind,
        "targetValue": target,
        "operator": operator,
        "field": field,
        "additionalValues": additional,
        "idType": "userID",
    }


def _rule(name: str, conditions: list[str], value: Any, percentage: int = 100) -> dict[str, Any]:
    return {
        "name": name,
        "id": name,
        "salt": name,
        "idType": "userID",
        "passPercentage": percentage,
        "conditions": conditions,
        "returnValue": value,
    }


ADAPTER = Statsig()
