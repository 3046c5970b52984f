"""``configcat-client``, with the project in its cache and the network switched off.

It has no variables: the four are one text, which the application decodes at each decision, as it is done here. It has
no exposures and sends no events. Loading decodes the project and no more; what a flag costs, its first decision pays.
"""

from __future__ import annotations

import json
import time
from importlib import import_module

from ..workload import (
    AB_PERCENTAGES,
    DEFAULT_VARIABLES,
    KINDS,
    TARGET_COUNTRIES,
    TARGET_PERCENTAGE,
    TARGET_PLAN,
    override_variables,
)
from . import Adapter

TYPE_CHECKING = False  # as the type checkers know it, without the import
if TYPE_CHECKING:
    from typing import Any

    from ..workload import FlagSpec, Request
    from . import Outcome

library: Any = import_module("configcatclient")
interfaces: Any = import_module("configcatclient.interfaces")
user_module: Any = import_module("configcatclient.user")

IS_ONE_OF = 0
BOOLEAN, TEXT = 0, 1


class ProjectAtHand(interfaces.ConfigCache):  # type: ignore[misc]  # its class is not known here
    """A cache that holds the project."""

    def __init__(self, entry: str) -> None:
        self._entry = entry

    def get(self, key: str) -> str:
        """Return the project."""
        del key
        return self._entry

    def set(self, key: str, value: str) -> None:
        """Do nothing."""


class ConfigCat(Adapter):
    """ConfigCat."""

    offers = Adapter.offers | {"all"}

    def __init__(self) -> None:
        self._clients = 0

    def native(self, specs: list[FlagSpec], *, exposing: bool = False) -> bytes:
        """Return the project as an entry of the cache: a time, an ETag, and JSON."""
        del exposing
        project = {"p": {"u": "", "r": 0, "s": "c2FsdA=="}, "f": {spec.key: _setting(spec) for spec in specs}}
        return f"{int(time.time() * 1000)}\netag\n{json.dumps(project)}".encode()

    def load(self, config: bytes) -> Any:
        """Return a client under a key of its own, since one key means one client."""
        self._clients += 1
        client = library.get(
            f"configcat-sdk-1/{'0' * 22}/{self._clients:022d}",
            library.ConfigCatOptions(
                polling_mode=library.PollingMode.manual_poll(),
                config_cache=ProjectAtHand(config.decode()),
                offline=True,
            ),
        )
        if not client.get_all_keys():
            raise RuntimeError("the client did not become ready")
        return client

    def close(self, client: Any) -> None:
        """Close it."""
        client.close()

    @staticmethod
    def user(request: Request) -> Any:
        """Return a user."""
        attributes = request.attributes
        custom = {"plan": attributes["plan"], "age": attributes["age"], "beta": attributes["beta"]}
        return user_module.User(request.user_id, country=attributes["country"], custom=custom)

    def decide(self, client: Any, requests: list[Request]) -> None:
        """Make a user and decide three flags."""
        make_user, get_value, decode = self.user, client.get_value, json.loads
        for request in requests:
            user = make_user(request)
            get_value(request.on_off, False, user)
            get_value(request.targeted, False, user)
            decode(get_value(request.ab, "{}", user))

    def decide_all(self, client: Any, requests: list[Request]) -> None:
        """Make a user and decide all flags; the texts stay texts."""
        for request in requests:
            client.get_all_values(self.user(request))

    def outcomes(self, client: Any, requests: list[Request]) -> list[Outcome]:
        """Return what each request gets."""
        outcomes = []
        for request in requests:
            user = self.user(request)
            title = json.loads(client.get_value(request.ab, "{}", user))["title"]
            on = client.get_value(request.on_off, False, user)
            outcomes.append((on, client.get_value(request.targeted, False, user), title))
        return outcomes


def _setting(spec: FlagSpec) -> dict[str, Any]:
    if spec.kind == KINDS[0]:
        return {"t": BOOLEAN, "v": {"b": spec.default_on}}
    is_pro = {"u": {"a": "plan", "c": IS_ONE_OF, "l": [TARGET_PLAN]}}
    if spec.kind == KINDS[1]:
        is_near = {"u": {"a": "Country", "c": IS_ONE_OF, "l": list(TARGET_COUNTRIES)}}
        shares = [
            {"p": TARGET_PERCENTAGE, "v": {"b": True}},
            {"p": 100 - TARGET_PERCENTAGE, "v": {"b": False}},
        ]
        return {"t": BOOLEAN, "v": {"b": False}, "r": [{"c": [is_pro, is_near], "p": shares}]}
    shares = [
        {"p": percentage, "v": {"s": json.dumps(override_variables(number))}}
        for number, percentage in enumerate(AB_PERCENTAGES)
    ]
    return {"t": TEXT, "v": {"s": json.dumps(DEFAULT_VARIABLES)}, "r": [{"c": [is_pro], "p": shares}]}


ADAPTER = ConfigCat()
