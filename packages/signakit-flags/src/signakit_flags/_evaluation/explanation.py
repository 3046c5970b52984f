"""Why a user gets what they get: the rules walked again, slowly, each thing tried written down."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from .._names import BUCKETS
from .._types import Explanation, Step, short
from .._values import NoForm, shown
from .audience import COMPARISONS
from .bucketing import bucket
from .config import NO_VALUE

if TYPE_CHECKING:
    from .audience import CompiledAudiences, CompiledCondition
    from .ruleset import CompiledFlag, CompiledRule, Ruleset, Split


def explain(ruleset: Ruleset, flag_key: str, user_id: str, attributes: dict[str, Any]) -> Explanation:
    """Explain what ``flag_key`` gives a user who is no bot."""
    flag = ruleset.flag(flag_key)
    if flag is None:
        detail = "archived" if flag_key in ruleset.archived else "no such flag in the config"
        return Explanation(flag_key, user_id, None, (Step("flag", passed=False, detail=detail),))
    steps = tuple(_steps(flag, user_id, attributes))
    return Explanation(flag_key, user_id, flag.outcome(user_id, attributes).decision, steps)


def _steps(flag: CompiledFlag, user_id: str, attributes: dict[str, Any]) -> list[Step]:
    if not flag.running:
        return [Step("flag", passed=False, detail="not running: everyone gets off")]
    steps = [Step("flag", passed=True, detail="running")]
    for position, rule in enumerate(flag.rules, start=1):
        steps += _rule_steps(rule, rule.key if rule.key is not None else f"#{position}", user_id, attributes)
        if steps[-1].passed:
            return steps
    steps.append(_split_step("default", flag.default, user_id, None))
    return steps


def _rule_steps(rule: CompiledRule, name: str, user_id: str, attributes: dict[str, Any]) -> list[Step]:
    steps: list[Step] = []
    if rule.allowlist is not None:
        listed = rule.allowlist.get(user_id)
        detail = "not on it" if listed is None else f"on it, with {listed.decision.variation_key}"
        steps.append(Step("allowlist", listed is not None, detail, name))
        if listed is not None:
            return steps
    if rule.audiences is not None:
        steps += _audience_steps(rule.audiences, name, attributes)
        if not rule.audiences.match(attributes):
            # The last condition shown may have held while the audiences as a whole did not.
            how = "one" if rule.audiences.any_of else "every one"
            needed = f"needs {how} of {len(rule.audiences.groups)}"
            steps.append(Step("audience", passed=False, detail=needed, rule=name))
            return steps
    number = bucket(rule.prefix, user_id)
    takes_part = number < rule.threshold
    detail = f"bucket {number} {'<' if takes_part else '>='} {rule.threshold}"
    steps.append(Step("traffic", takes_part, detail, name, number, max(0, min(rule.threshold, BUCKETS))))
    if takes_part:
        steps.append(_split_step("range", rule.split, user_id, name))
    return steps


def _audience_steps(audiences: CompiledAudiences, name: str, attributes: dict[str, Any]) -> list[Step]:
    steps: list[Step] = []
    for number, group in enumerate(audiences.groups, start=1):
        for condition in group:
            passed = condition.holds(attributes)
            detail = f"{number}: {_condition_detail(condition, attributes, passed=passed)}"
            steps.append(Step("audience", passed, detail, name))
    return steps


def _condition_detail(condition: CompiledCondition, attributes: dict[str, Any], *, passed: bool) -> str:
    value = "(no value)" if condition.value is NO_VALUE else short(condition.value)
    actual = attributes.get(condition.attribute)
    if actual is None:
        got = "it is absent"
    elif type(actual) is NoForm:
        got = f"it is {short(actual.value)}, which never matches: {actual.why}"
    else:
        reason = "" if passed else _type_reason(condition.operator, condition.value, actual)
        got = f"it is {short(shown(actual))}{reason}"
    return f"{condition.attribute} {condition.operator} {value}; {got}"


def _type_reason(operator: str, value: Any, actual: Any) -> str:
    """Return in words that a type alone keeps a condition from holding; nothing where it does not."""
    wanted = _wanted(operator, value)
    if operator in COMPARISONS and _kind(value) != "a number":
        return f"; the condition compares with {_kind(value)} and not a number"
    if wanted and _kind(actual) not in wanted:
        return f", {_kind(actual)} and not {' or '.join(wanted)}"
    if isinstance(actual, list):
        for item in actual:
            if type(item) is NoForm:
                return f"; an item of it never matches: {item.why}"
    return ""


def _wanted(operator: str, value: Any) -> list[str]:
    """Return the kinds of values that a condition can hold for; none where that does not depend on the kind."""
    if value is NO_VALUE or value is None:
        return []
    if operator in COMPARISONS:
        return ["a number"]
    if operator in {"contains", "not_contains"}:
        return ["text", "a list"]
    if operator in {"equals", "not_equals"}:
        return [_kind(value)]
    if operator in {"in", "not_in"} and isinstance(value, list):
        return list(dict.fromkeys(map(_kind, value)))
    return []


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "a bool"
    if isinstance(value, str):
        return "text"
    if isinstance(value, (int, float)):
        return "a number"
    return "a dict" if isinstance(value, dict) else "a list" if isinstance(value, (list, tuple)) else "null"


def _split_step(kind: Literal["range", "default"], split: Split, user_id: str, rule: str | None) -> Step:
    number = bucket(split.prefix, user_id)
    for start, end, outcome in split.ranges:
        if start <= number <= end:
            detail = f"bucket {number} in {start}..{end}: {outcome.decision.variation_key}"
            return Step(kind, passed=True, detail=detail, rule=rule, bucket=number)
    return Step(kind, passed=False, detail=f"bucket {number} in no range", rule=rule, bucket=number)
