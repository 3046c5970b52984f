"""``growthbook``, with one object for each request, as its documentation has it for synchronous servers.

The features are parsed once and shared by all requests; given as plain dicts, each request would parse the project
anew. It sends no events: there is a callback for experiments, left out here.
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
    override_variables,
)
from . import Adapter

TYPE_CHECKING = False  # as the type checkers know it, without the import
if TYPE_CHECKING:
    from typing import Any

    from ..workload import FlagSpec, Request
    from . import Outcome

library: Any = import_module("growthbook")


class GrowthBook(Adapter):
    """GrowthBook. A client is its features, parsed."""

    def native(self, specs: list[FlagSpec], *, exposing: bool = False) -> bytes:
        """Return the features as its server would send them."""
        del exposing
        return json.dumps({"features": {spec.key: _feature(spec) for spec in specs}}).encode()

    def load(self, config: bytes) -> Any:
        """Return the parsed features."""
        return library.GrowthBook(features=json.loads(config)["features"])._features

    def decide(self, client: Any, requests: list[Request]) -> None:
        """Make the object of a request and decide three flags."""
        make = library.GrowthBook
        for request in requests:
            user = make(attributes={"id": request.user_id, **request.attributes}, features=client)
            user.eval_feature(request.on_off)
            user.eval_feature(request.targeted)
            user.eval_feature(request.ab)

    def outcomes(self, client: Any, requests: list[Request]) -> list[Outcome]:
        """Return what each request gets."""
        outcomes = []
        for request in requests:
            user = library.GrowthBook(attributes={"id": request.user_id, **request.attributes}, features=client)
            title = user.eval_feature(request.ab).value["title"]
            outcomes.append((user.eval_feature(request.on_off).on, user.eval_feature(request.targeted).on, title))
        return outcomes


def _feature(spec: FlagSpec) -> dict[str, Any]:
    if spec.kind == KINDS[0]:
        return {"defaultValue": spec.default_on}
    rule = {"id": f"rule-{spec.index}", "seed": spec.salt, "hashVersion": 2, "hashAttribute": "id"}
    if spec.kind == KINDS[1]:
        condition = {"plan": TARGET_PLAN, "country": {"$in": list(TARGET_COUNTRIES)}}
        rule |= {"condition": condition, "force": True, "coverage": TARGET_PERCENTAGE / 100}
        return {"defaultValue": False, "rules": [rule]}
    rule |= {
        "key": f"experiment-{spec.index}",
        "condition": {"plan": TARGET_PLAN},
        "coverage": 1,
        "variations": [override_variables(number) for number in range(len(AB_VARIATIONS))],
        "weights": [percentage / 100 for percentage in AB_PERCENTAGES],
        "meta": [{"key": name} for name in AB_VARIATIONS],
    }
    return {"defaultValue": DEFAULT_VARIABLES, "rules": [rule]}


ADAPTER = GrowthBook()
