"""Configs in a few readable lines."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

from .._names import AB_TEST, ARCHIVED, BUCKETS, DEVELOPMENT, MULTI_ARMED_BANDIT, OFF, TARGETED
from .._types import short

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

    from .. import VariableValue
    from .._evaluation.audience import Operator

Value: TypeAlias = str | float | bool | list[str]
"""What an attribute is compared with."""


@dataclass(frozen=True, slots=True)
class FlagConfig:
    """One flag of a config, made by ``flag``. Each method returns a new one, so that a test can start from another's.

    Attributes:
        data: The flag as it stands in a config; not to be changed.
    """

    data: Mapping[str, Any]

    # --- rules ------------------------------------------------------------------------------------------------

    def split(self, percentages: Mapping[str, float] | None = None, /, **more: float) -> Self:
        """Add an A/B rule for everybody: ``split(control=50, treatment=50)``.

        Args:
            percentages: Percentage by variation, for names that are no keywords; 100 together with ``more``.
            more: The same by keyword.

        Raises:
            ValueError: They are not 100 together.
        """
        return self._rule(AB_TEST, {**(percentages or {}), **more})

    def bandit(self, percentages: Mapping[str, float] | None = None, /, **more: float) -> Self:
        """Add a rule of a multi-armed bandit, as it divides at the moment; otherwise as ``split``.

        Raises:
            ValueError: They are not 100 together.
        """
        return self._rule(MULTI_ARMED_BANDIT, {**(percentages or {}), **more})

    def target(self, variation: str) -> Self:
        """Add a targeted rule, which gives one variation and exposes nothing: ``target("on").when(country="DE")``."""
        return self._rule(TARGETED, {variation: 100})

    def when(self, **attributes: Value) -> Self:
        """Let the last rule be for those alone who have these attributes, all of them: ``when(plan="pro")``.

        A list stands for any of its values. Called again, it asks for more.

        Raises:
            ValueError: There is no rule yet.
        """
        added = self
        for name, value in attributes.items():
            added = added.where(name, "in" if isinstance(value, list) else "equals", value)
        return added

    def where(self, attribute: str, operator: Operator, value: Value) -> Self:
        """Let the last rule be for those alone for whom this holds, too: ``where("age", "greater_than", 17)``.

        Raises:
            ValueError: There is no rule yet.
        """
        (audience,) = self._last.get("audiences", [{"conditions": []}])
        condition = {"attribute": attribute, "operator": operator, "value": value}
        return self._with(rules=self._changed(audiences=[{"conditions": [*audience["conditions"], condition]}]))

    def traffic(self, percentage: float) -> Self:
        """Let the last rule reach so many percent of those it is for.

        Raises:
            ValueError: There is no rule yet, or it is no percentage.
        """
        return self._with(rules=self._changed(trafficPercentage=_percentage(percentage)))

    def allow(self, user_id: str, variation: str) -> Self:
        """Give a user a variation by the last rule, whoever it is for.

        Raises:
            ValueError: There is no rule yet.
        """
        entry = {"userId": user_id, "variation": variation}
        return self._giving(variation, rules=self._changed(allowlist=[*self._last.get("allowlist", []), entry]))

    # --- the flag ---------------------------------------------------------------------------------------------

    def otherwise(self, variation: str | Mapping[str, float]) -> Self:
        """Give this to whom no rule gives anything: a variation, or percentages by variation. Else they get ``off``.

        Raises:
            ValueError: The percentages are not 100 together.
        """
        percentages = {variation: 100.0} if isinstance(variation, str) else variation
        return self._giving(*percentages, allocation=_allocation(percentages))

    def variables(self, **defaults: VariableValue) -> Self:
        """Define variables, by their defaults: ``variables(columns=2)``."""
        defined = {variable["key"]: variable for variable in self.data.get("variables", [])}
        defined |= {
            name: {"key": name, "type": _type_of(value), "defaultValue": value} for name, value in defaults.items()
        }
        return self._with(variables=list(defined.values()))

    def variation(self, key: str, **variables: VariableValue) -> Self:
        """Give variables other values in a variation: ``variation("b", columns=3)``.

        Raises:
            ValueError: A variable was not defined before.
        """
        unknown = variables.keys() - {variable["key"] for variable in self.data.get("variables", [])}
        if unknown:
            names = ", ".join(map(repr, sorted(unknown)))
            raise ValueError(f"{self.data['key']!r} has no variable {names}: define it with variables() before")
        known = {item["key"]: item for item in self.data["variations"]}
        own = known.get(key, {"key": key})
        known[key] = {**own, "variables": {**own.get("variables", {}), **variables}}
        return self._with(variations=list(known.values()))

    def stopped(self) -> Self:
        """Let it not run: everybody gets ``off``."""
        return self._with(running=False)

    def archived(self) -> Self:
        """Archive it: there is no decision."""
        return self._with(status=ARCHIVED)

    # --- inside -----------------------------------------------------------------------------------------------

    @property
    def _last(self) -> dict[str, Any]:
        rules: list[dict[str, Any]] = self.data.get("rules", [])
        if not rules:
            raise ValueError(f"{self.data['key']!r} has no rule yet: begin with split(), bandit() or target()")
        return rules[-1]

    def _with(self, **fields: Any) -> Self:
        return replace(self, data={**self.data, **fields})

    def _changed(self, **fields: Any) -> list[dict[str, Any]]:
        """Return the rules, the last one with other fields."""
        last = self._last
        return [*self.data["rules"][:-1], {**last, **fields}]

    def _giving(self, *variations: str, **fields: Any) -> Self:
        """Return it with other fields, and with the variations in them among its own."""
        known: list[dict[str, Any]] = self.data["variations"]
        keys = {item["key"] for item in known}
        return self._with(variations=[*known, *({"key": key} for key in variations if key not in keys)], **fields)

    def _rule(self, kind: str, percentages: Mapping[str, float]) -> Self:
        rules = self.data.get("rules", [])
        rule = {
            "ruleKey": f"{self.data['key']}-{len(rules) + 1}",
            "ruleType": kind,
            "trafficPercentage": 100,
            "variationAllocation": _allocation(percentages),
        }
        return self._giving(*percentages, rules=[*rules, rule])


def flag(key: str, *, salt: str | None = None) -> FlagConfig:
    """Begin a flag of a config: it runs, has no rule, and gives everybody ``off``.

    ::

        flag("checkout").split(control=50, treatment=50).when(plan="pro")
        flag("beta").target("on").when(country=["DE", "AT"]).allow("ada", "on")
        flag("layout").variables(columns=2).variation("b", columns=3).split(a=50, b=50).traffic(20)

    Args:
        key: The flag's key.
        salt: What the buckets of users depend on; by default, on the key.
    """
    return FlagConfig(
        {
            "id": key,
            "key": key,
            "salt": key if salt is None else salt,
            "status": "active",
            "running": True,
            "variations": [{"key": OFF}],
            "allocation": _allocation({OFF: 100}),
        }
    )


def config(*flags: FlagConfig) -> dict[str, Any]:
    """Return a config with these flags, for ``SignaKitClient.offline`` and for the emulator.

    Raises:
        ValueError: The client would not take a flag as it is: a key is twice there, or a value is no JSON.
    """
    data: dict[str, Any] = {
        "projectId": "tests",
        "environmentKey": DEVELOPMENT,
        "version": 1,
        "flags": [item.data for item in flags],
    }
    try:
        encoded = json.dumps(data).encode()
    except (TypeError, ValueError) as error:
        raise ValueError(f"the config is no JSON: {error}") from error
    from .._evaluation.config import decode_config  # msgspec, only where a config is made
    from .._evaluation.ruleset import compile_ruleset

    problems = compile_ruleset(decode_config(encoded)).problems.lines
    keys = [item.data["key"] for item in flags]
    problems += [f"flag {key!r} is there twice" for key in dict.fromkeys(keys) if keys.count(key) > 1]
    if problems:
        raise ValueError("; ".join(problems))
    copied: dict[str, Any] = json.loads(encoded)
    return copied


def _allocation(percentages: Mapping[str, float]) -> dict[str, Any]:
    total = sum(_percentage(percentage) for percentage in percentages.values())
    if abs(total - 100) > 1e-6:
        raise ValueError(f"percentages must be 100 together, not {total:g}: {dict(percentages)}")
    ranges = []
    reached, start = 0.0, 0
    for variation, percentage in percentages.items():
        reached += percentage
        end = round(reached / 100 * BUCKETS)
        if end > start:
            ranges.append({"variation": variation, "start": start, "end": end - 1})
        start = end
    return {"ranges": ranges}


def _percentage(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 100:
        raise ValueError(f"a percentage must be a number from 0 to 100, not {short(value)}")
    return value


def _type_of(value: VariableValue) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, (int, float)):
        return "number"
    return "string" if isinstance(value, str) else "json"
