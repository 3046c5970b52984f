"""What can be wrong with a project: every rule that its JSON has to keep (PROTOCOL sections 2, 4, 5 and 8).

The SDK reads a config tolerantly: it has to go on with what the CDN sends. Here the author of the config can fix it. An
error makes the SDK refuse the config, skip a flag, or decide what the author cannot have meant. A warning is what the
SDK ignores, or what is only odd.
"""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from signakit_flags import parse_sdk_key

from .names import (
    AB_TEST,
    ACTIVE,
    ARCHIVED,
    BUCKETS,
    DEVELOPMENT,
    MULTI_ARMED_BANDIT,
    OFF,
    PRODUCTION,
    TARGETED,
    USER_AGENT,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from .json_text import Path

Severity: TypeAlias = Literal["error", "warning"]

LAST_BUCKET = BUCKETS - 1
MAX_DEPTH = 64
"""Levels that one JSON value of a flag may have; the SDK skips a flag with a deeper one."""
MAX_DOCUMENT_DEPTH = 200

_PROJECT = {"projectId", "environmentKey", "sdkKey", "version", "generatedAt", "flags"}
_FLAG = {"id", "key", "salt", "status", "running", "variations", "variables", "allocation", "rules"}
_RULE = {
    "ruleKey",
    "ruleType",
    "trafficPercentage",
    "variationAllocation",
    "audienceMatchType",
    "audiences",
    "allowlist",
    "eventKeys",
    "primaryEventKey",
}
RULE_TYPES = (AB_TEST, MULTI_ARMED_BANDIT, TARGETED)
COMPARISONS = ("greater_than", "less_than", "greater_than_or_equals", "less_than_or_equals")
OPERATORS = ("equals", "not_equals", *COMPARISONS, "in", "not_in", "contains", "not_contains")
_VARIABLE_TYPES = ("string", "number", "boolean", "json")


class Findings:
    """What was found so far, and the few questions that every check asks."""

    def __init__(self) -> None:
        self.items: list[tuple[Path, str, Severity]] = []

    def error(self, path: Path, message: str) -> None:
        self.items.append((path, message, "error"))

    def warn(self, path: Path, message: str) -> None:
        self.items.append((path, message, "warning"))

    def object(self, value: Any, path: Path, known: Collection[str]) -> dict[str, Any] | None:
        """Return ``value`` if it is an object, and warn of fields that the SDK does not read."""
        if not isinstance(value, dict):
            self.error(path, f"must be an object, not {_kind(value)}")
            return None
        for name in value:
            if name not in known:
                self.warn((*path, name), "unknown field; the SDK does not look at it")
        return value

    def list(self, holder: dict[str, Any], path: Path, name: str) -> Iterable[tuple[Path, Any]]:
        """Return the items of a list that may be absent, each with its path."""
        value = holder.get(name)
        if value is None:
            return ()
        if not isinstance(value, list):
            self.error((*path, name), f"must be a list, not {_kind(value)}")
            return ()
        return [((*path, name, index), item) for index, item in enumerate(value)]

    def text(self, holder: dict[str, Any], path: Path, name: str, *, required: bool = False) -> str | None:
        """Return a text that may be absent."""
        value = holder.get(name)
        if value is None:
            if required:
                self.error((*path, name), "missing" if name not in holder else "must be text, not null")
            return None
        if not isinstance(value, str):
            self.error((*path, name), f"must be text, not {_kind(value)}")
            return None
        return value

    def once(self, key: str | None, seen: set[str], path: Path, what: str) -> None:
        """Note a key that must stand once only."""
        if key is not None and key in seen:
            self.error(path, f"another {what} has the key {key!r}")
        elif key is not None:
            seen.add(key)


def _kind(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int() | float():
            return "a number"
        case str():
            return "text"
        case list():
            return "a list"
        case _:
            return "an object"


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def check_values(value: Any, path: Path, found: Findings) -> bool:
    """Look for what JSON can write and the SDK not read; return False when it is nested too deeply to be walked."""
    if isinstance(value, str):
        if not _is_unicode(value):
            found.error(path, "holds half of a surrogate pair, which is no text")
    elif isinstance(value, float):
        if not isfinite(value):
            found.error(path, "is a number too large to be read")
    elif isinstance(value, (dict, list)):
        if len(path) >= MAX_DOCUMENT_DEPTH:
            return False
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            if isinstance(key, str) and not _is_unicode(key):
                found.error(path, "has a key with half of a surrogate pair, which is no text")
            if not check_values(item, (*path, key), found):
                return False
    elif isinstance(value, int) and abs(value) >= 2**1023 and not isinstance(value, bool):
        found.error(path, "is a number too large to be read")
    return True


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _too_deep(value: Any, depth: int = 0) -> bool:
    if not isinstance(value, (dict, list)):
        return False
    items = value.values() if isinstance(value, dict) else value
    return depth >= MAX_DEPTH or any(_too_deep(item, depth + 1) for item in items)


def check_project(data: Any, found: Findings) -> None:
    project = found.object(data, (), _PROJECT)
    if project is None:
        return
    if not isinstance(project.get("flags"), list):
        got = _kind(project["flags"]) if "flags" in project else None
        found.error(("flags",), f"must be a list, not {got}" if got else "missing")
        return
    version = project.get("version")
    if version is not None and (not isinstance(version, int) or isinstance(version, bool)):
        found.warn(("version",), f"must be a whole number, not {_kind(version)}; the SDK reports none")
    environment = project.get("environmentKey")
    if environment not in {None, DEVELOPMENT, PRODUCTION} if isinstance(environment, str) else environment:
        found.warn(("environmentKey",), f"must be {DEVELOPMENT!r} or {PRODUCTION!r}")
    if project.get("sdkKey") is not None:
        try:
            parse_sdk_key(project["sdkKey"])
        except ValueError as error:
            found.warn(("sdkKey",), str(error))
    keys: set[str] = set()
    salts: dict[str, str] = {}
    for path, item in found.list(project, (), "flags"):
        flag = found.object(item, path, _FLAG)
        if flag is not None:
            _check_flag(flag, path, found)
            key, salt = flag.get("key"), flag.get("salt")
            if isinstance(key, str):
                found.once(key, keys, (*path, "key"), "flag")
                if isinstance(salt, str) and salts.setdefault(salt, key) != key:
                    message = f"flag {salts[salt]!r} has the same salt: users fall into the same buckets in both"
                    found.warn((*path, "salt"), message)


def _check_flag(flag: dict[str, Any], path: Path, found: Findings) -> None:
    if found.text(flag, path, "key", required=True) == "":
        found.error((*path, "key"), "is empty")
    if found.text(flag, path, "salt", required=True) == "":
        found.warn((*path, "salt"), "is empty: users fall into the same buckets in every flag without one")
    status = found.text(flag, path, "status")
    if status not in {None, ACTIVE, ARCHIVED}:
        found.error((*path, "status"), f"must be {ACTIVE!r} or {ARCHIVED!r}; {status!r} counts as {ACTIVE}")
    running = flag.get("running")
    if running is None:
        found.warn((*path, "running"), "missing: the flag counts as not running")
    elif not isinstance(running, bool):
        found.error((*path, "running"), f"must be true or false, not {_kind(running)}")
    types = _check_variables(flag, path, found)
    variations = _check_variations(flag, path, types, found)
    _check_allocation(flag, path, "allocation", variations, found)
    keys: set[str] = set()
    for rule_path, item in found.list(flag, path, "rules"):
        rule = found.object(item, rule_path, _RULE)
        if rule is not None:
            _check_rule(rule, rule_path, variations, found)
            key = rule.get("ruleKey")
            found.once(key if isinstance(key, str) else None, keys, (*rule_path, "ruleKey"), "rule of this flag")


def _check_variables(flag: dict[str, Any], path: Path, found: Findings) -> dict[str, Any]:
    """Return the type of each variable that the flag defines."""
    types: dict[str, Any] = {}
    for at, item in found.list(flag, path, "variables"):
        variable = found.object(item, at, {"key", "type", "defaultValue"})
        if variable is None:
            continue
        key = found.text(variable, at, "key", required=True)
        found.once(key, set(types), (*at, "key"), "variable of this flag")
        kind = variable.get("type")
        if not isinstance(kind, str) or kind not in _VARIABLE_TYPES:
            found.warn((*at, "type"), f"should be one of {', '.join(_VARIABLE_TYPES)}")
            kind = None
        if key is not None:
            types[key] = kind
        if "defaultValue" not in variable:
            found.warn((*at, "defaultValue"), "missing: the variable is null")
        else:
            _check_variable_value(variable["defaultValue"], kind, (*at, "defaultValue"), found)
    return types


def _check_variable_value(value: Any, kind: str | None, path: Path, found: Findings) -> None:
    if _too_deep(value):
        found.error(path, f"nested deeper than {MAX_DEPTH} levels; the SDK skips the flag")
    fits = {"string": isinstance(value, str), "number": _is_number(value), "boolean": isinstance(value, bool)}
    if value is not None and not fits.get(kind or "", True):
        found.warn(path, f"is {_kind(value)}, but the variable's type is {kind!r}")


def _check_variations(flag: dict[str, Any], path: Path, types: dict[str, Any], found: Findings) -> set[str] | None:
    """Return the keys of the flag's variations, or None when it lists none."""
    keys: set[str] = set()
    for at, item in found.list(flag, path, "variations"):
        variation = found.object(item, at, {"key", "variables"})
        if variation is None:
            continue
        key = found.text(variation, at, "key", required=True)
        found.once(key, keys, (*at, "key"), "variation of this flag")
        overrides = variation.get("variables")
        if overrides is not None and not isinstance(overrides, dict):
            found.error((*at, "variables"), f"must be an object, not {_kind(overrides)}")
            continue
        for name, value in (overrides or {}).items():
            if name not in types:
                found.warn((*at, "variables", name), "the flag defines no such variable; the value is dropped")
            _check_variable_value(value, types.get(name), (*at, "variables", name), found)
    return keys | {OFF} if keys else None


def _check_allocation(
    holder: dict[str, Any], path: Path, name: str, variations: set[str] | None, found: Findings
) -> None:
    path = (*path, name)
    if holder.get(name) is None:
        found.error(path, "missing")
        return
    allocation = found.object(holder[name], path, {"ranges"})
    if allocation is None:
        return
    if allocation.get("ranges") is None:
        found.error((*path, "ranges"), "missing")
        return
    taken: list[tuple[int, int, Path]] = []
    complete = True
    for at, item in found.list(allocation, path, "ranges"):
        buckets = _check_range(item, at, variations, found)
        if buckets is None:
            complete = False
        else:
            taken.append((*buckets, at))
    taken.sort(key=lambda entry: entry[:2])
    next_free = 0
    gap = False
    for start, end, at in taken:
        if start < next_free:
            found.error(at, f"buckets {start}..{min(end, next_free - 1)} are in another range as well")
        gap = gap or start > next_free
        next_free = max(next_free, end + 1)
    if complete and (gap or next_free <= LAST_BUCKET) and isinstance(allocation["ranges"], list):
        left = "go on to the next rule" if name == "variationAllocation" else "get off"
        found.warn((*path, "ranges"), f"do not hold all buckets 0..{LAST_BUCKET}: users in the rest {left}")


def _check_range(item: Any, path: Path, variations: set[str] | None, found: Findings) -> tuple[int, int] | None:
    """Return the buckets of a range, or None when they are wrong."""
    entry = found.object(item, path, {"variation", "start", "end"})
    if entry is None:
        return None
    variation = found.text(entry, path, "variation", required=True)
    _check_known(variation, variations, (*path, "variation"), found)
    right = True
    for name in ("start", "end"):
        value = entry.get(name)
        if name not in entry or value is None:
            message = "missing"
        elif not _is_number(value):
            message = f"must be a number, not {_kind(value)}"
        elif not (0 <= value <= LAST_BUCKET and value == int(value)):
            message = f"must be a whole number from 0 to {LAST_BUCKET}, not {str(value)[:40]}"
        else:
            continue
        right = False
        found.error((*path, name), message)
    if not right:
        return None
    start, end = int(entry["start"]), int(entry["end"])
    if start > end:
        found.error(path, f"begins at {start}, after its end at {end}: it holds nobody")
        return None
    return start, end


def _check_known(variation: str | None, variations: set[str] | None, path: Path, found: Findings) -> None:
    if variation is not None and variations is not None and variation not in variations:
        listed = ", ".join(sorted(variations))
        found.error(path, f"the flag has no variation {variation[:100]!r}; it has {listed[:200]}")


def _check_rule(rule: dict[str, Any], path: Path, variations: set[str] | None, found: Findings) -> None:
    if found.text(rule, path, "ruleKey") is None and rule.get("ruleKey") is None:
        found.warn((*path, "ruleKey"), "missing: exposures do not say which rule they are of")
    kind = found.text(rule, path, "ruleType")
    if kind is None and rule.get("ruleType") is None:
        found.warn((*path, "ruleType"), "missing: the rule is evaluated, and exposes")
    elif kind is not None and kind not in RULE_TYPES:
        found.warn(
            (*path, "ruleType"), f"unknown; known are {', '.join(RULE_TYPES)}. The rule is evaluated, and exposes"
        )
    traffic = rule.get("trafficPercentage")
    if traffic is None:
        found.error((*path, "trafficPercentage"), "missing")
    elif not _is_number(traffic):
        found.error((*path, "trafficPercentage"), f"must be a number, not {_kind(traffic)}")
    elif not 0 <= traffic <= 100:
        found.error((*path, "trafficPercentage"), f"must be from 0 to 100, not {str(traffic)[:40]}")
    _check_allocation(rule, path, "variationAllocation", variations, found)
    match = found.text(rule, path, "audienceMatchType")
    if match not in {None, "any", "all"}:
        found.error((*path, "audienceMatchType"), f"must be 'any' or 'all'; {match!r} counts as 'all'")
    for at, item in found.list(rule, path, "audiences"):
        audience = found.object(item, at, {"conditions"})
        if audience is not None:
            if not audience.get("conditions") and audience.get("conditions") in ([], None):
                found.warn((*at, "conditions"), "none: everybody is in this audience")
            for condition_path, condition in found.list(audience, at, "conditions"):
                _check_condition(condition, condition_path, found)
    users: set[str] = set()
    for at, item in found.list(rule, path, "allowlist"):
        _check_allowlisted(item, at, variations, users, found)
    for at, item in found.list(rule, path, "eventKeys"):
        if not isinstance(item, str):
            found.warn(at, f"must be text, not {_kind(item)}")


def _check_condition(item: Any, path: Path, found: Findings) -> None:
    condition = found.object(item, path, {"attribute", "operator", "value"})
    if condition is None:
        return
    if found.text(condition, path, "attribute", required=True) == USER_AGENT:
        found.warn((*path, "attribute"), "the User-Agent is no attribute to target by: the condition never matches")
    operator = found.text(condition, path, "operator", required=True)
    at = (*path, "value")
    if "value" not in condition:
        found.error(at, "missing: the condition never matches")
        return
    value = condition["value"]
    if _too_deep(value):
        found.error(at, f"nested deeper than {MAX_DEPTH} levels; the SDK skips the flag")
    if operator is None:
        return
    if operator not in OPERATORS:
        found.warn((*path, "operator"), f"unknown: the condition never matches. Known are {', '.join(OPERATORS)}")
    elif operator in {"in", "not_in"} and not isinstance(value, list):
        found.error(at, f"{operator!r} needs a list, not {_kind(value)}: the condition {_outcome(operator)}")
    elif operator in COMPARISONS and not _is_number(value):
        found.error(at, f"{operator!r} needs a number, not {_kind(value)}: the condition never matches")
    elif operator in {"contains", "not_contains"} and not isinstance(value, str):
        found.error(at, f"{operator!r} needs text, not {_kind(value)}: the condition {_outcome(operator)}")
    elif value is None:
        found.warn(at, f"is null: the condition {_outcome(operator)}")


def _outcome(operator: str) -> str:
    return "matches whoever has the attribute" if operator.startswith("not_") else "never matches"


def _check_allowlisted(item: Any, path: Path, variations: set[str] | None, users: set[str], found: Findings) -> None:
    entry = found.object(item, path, {"userId", "variation"})
    if entry is None:
        return
    user = entry.get("userId")
    if user is None:
        found.error((*path, "userId"), "missing: the entry is ignored")
    elif _is_number(user):
        found.warn((*path, "userId"), "is a number; user ids are text, and compared as text")
    elif not isinstance(user, str):
        found.error((*path, "userId"), f"must be text, not {_kind(user)}")
    if user is not None and str(user) in users:
        found.error((*path, "userId"), f"{str(user)[:100]!r} is on the list already; the first entry counts")
    users.add(str(user))
    variation = found.text(entry, path, "variation", required=True)
    _check_known(variation, variations, (*path, "variation"), found)
