"""Rules in plain words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .allocation import split_of

if TYPE_CHECKING:
    from collections.abc import Mapping

_WORDS = {
    "equals": "is",
    "not_equals": "is not",
    "greater_than": "is over",
    "less_than": "is under",
    "greater_than_or_equals": "is at least",
    "less_than_or_equals": "is at most",
    "in": "is one of",
    "not_in": "is none of",
    "contains": "contains",
    "not_contains": "does not contain",
}


def describe_rule(rule: Mapping[str, Any]) -> str:
    """Say a rule of a project without errors in plain words.

    ``"if plan is one of pro, team: 50 % of users, split control 50 % / treatment 50 %"``
    """
    listed = [f"{entry['userId']} gets {_name(entry['variation'])}" for entry in rule.get("allowlist") or ()]
    text = f"{', '.join(listed)}; " if listed else ""
    who = describe_audiences(rule)
    share = percent_text(rule["trafficPercentage"])
    everyone_enters = rule["trafficPercentage"] >= 100
    if who is None:
        users = "everyone" if everyone_enters else f"{share} of users"
    else:
        text += f"if {who}: "
        users = "all of them" if everyone_enters else f"{share} of them"
    return f"{text}{users}, {describe_allocation(rule['variationAllocation'])}"


def describe_audiences(rule: Mapping[str, Any]) -> str | None:
    """Say which users a rule is for; None where it is for every user."""
    audiences = rule.get("audiences") or ()
    if not audiences:
        return None
    conditions = [[describe_condition(item) for item in audience.get("conditions") or ()] for audience in audiences]
    any_of = rule.get("audienceMatchType") == "any" and len(conditions) > 1
    if any_of and [] in conditions:
        return None
    if any_of:
        groups = [" and ".join(items) for items in conditions]
        mixed = any(len(items) > 1 for items in conditions)
        return " or ".join(f"({group})" if mixed else group for group in groups)
    return " and ".join(item for items in conditions for item in items) or None


def describe_condition(condition: Mapping[str, Any]) -> str:
    """Say a condition in plain words: ``"plan is one of pro, team"``."""
    operator, value = condition["operator"], condition.get("value")
    if operator not in _WORDS:
        return f"{condition['attribute']} {operator} {_value(value)} (an unknown operator: never matches)"
    return f"{condition['attribute']} {_WORDS[operator]} {_value(value)}"


def describe_allocation(allocation: Mapping[str, Any]) -> str:
    """Say who gets what of an allocation: ``"split control 50 % / treatment 50 %"``."""
    split = split_of(allocation)
    if not split:
        return "with no variation"
    if len(split) == 1 and next(iter(split.values())) == 100:
        return f"always {_name(next(iter(split)))}"
    return "split " + " / ".join(f"{_name(variation)} {percent_text(share)}" for variation, share in split.items())


def percent_text(share: float) -> str:
    """Return a percentage as text, with the digits it needs."""
    return f"{round(share, 2):g} %" if share == 0 or share >= 0.01 else f"{share:.2g} %"


def _name(variation: str) -> str:
    return variation or '""'


def _value(value: Any) -> str:
    match value:
        case list():
            return ", ".join(_value(item) for item in value) or "nothing"
        case bool():
            return "true" if value else "false"
        case None:
            return "null"
        case float():
            return f"{value:g}"
        case "":
            return '""'
        case _:
            return str(value)
