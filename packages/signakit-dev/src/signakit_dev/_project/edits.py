"""Edits of a flag: whether it runs, the traffic of a rule, and a split."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from .allocation import split_of, variations_of
from .names import BUCKETS, OFF

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT = "default"
"""Names the flag's own allocation where a rule could be named."""


class NotInProjectError(LookupError):
    """The project has no such flag, the flag no such rule, or the rule no such variation."""

    def __str__(self) -> str:
        return str(self.args[0])


class EditConflictError(Exception):
    """A rule or an allocation is not what the editor saw any more; the message says which."""


def change_flag(
    project: dict[str, Any],
    key: str,
    *,
    running: bool | None = None,
    traffic: float | None = None,
    split: Mapping[str, float] | None = None,
    rule: str | None = None,
    seen: str | None = None,
) -> None:
    """Change a flag of ``project`` in place; what is None stays.

    Args:
        project: A project without errors.
        key: Which flag.
        running: Whether it runs.
        traffic: Percentage of users that the rule reaches, 0..100.
        split: Percentage of each variation. They make 100 together, unless they are what they were; a variation that is
            not named gets nothing.
        rule: ``"default"`` for the flag's own allocation, or a rule by its position (``"#2"``) or its key; a rule with
            the key ``"default"`` or ``"#2"`` can be named by its position only. Without it the first rule, or, where
            the flag has none, its own allocation.
        seen: The fingerprint of the rule, or the own allocation, as the editor saw it.

    Raises:
        NotInProjectError: There is no such flag, rule or variation.
        EditConflictError: It is not any more what was seen; nothing is changed.
        ValueError: A percentage is out of 0..100, the split does not make 100, or the own allocation is to get traffic.
    """
    flag = find_flag(project, key)
    target = _find_rule(flag, rule)
    if seen is not None and seen != fingerprint(flag if target is None else target):
        what = "the allocation" if target is None else f"rule {target.get('ruleKey') or rule}"
        raise EditConflictError(f"{what} of {key} was changed meanwhile")
    if traffic is not None:
        if target is None:
            raise ValueError(f"traffic is of a rule, and {key!r} is asked for its own allocation")
        # A whole percentage is written as people write it: 50, not 50.0.
        target["trafficPercentage"] = _tidy(_percentage("traffic", traffic))
    if split is not None:
        if target is None:
            flag["allocation"] = _allocation(flag, flag["allocation"], split)
        else:
            target["variationAllocation"] = _allocation(flag, target["variationAllocation"], split)
    if running is not None:
        flag["running"] = running


def fingerprint(target: Mapping[str, Any]) -> str:
    """Return a text for a rule as it stands, or for the own allocation of a flag: another one once it is changed.

    Of the content, and not the version of the project: two people may change two rules at the same time, and a rule
    that stands where another one stood is found out too.
    """
    content = target.get("allocation", target)
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def find_flag(project: Mapping[str, Any], key: str) -> dict[str, Any]:
    """Return the flag of a key.

    Raises:
        NotInProjectError: There is none.
    """
    flags: list[dict[str, Any]] = project["flags"]
    for flag in flags:
        if flag["key"] == key:
            return flag
    raise NotInProjectError(f"no flag {key!r}; there are {_listed(flag['key'] for flag in flags)}")


def position(number: int) -> str:
    """Name a rule by where it stands, counted from 1."""
    return f"#{number}"


def _find_rule(flag: Mapping[str, Any], name: str | None) -> dict[str, Any] | None:
    """Return the rule of a name, or None for the flag's own allocation.

    Rules may be called "default" or "#2" too, and are not found by that: what these two mean must not depend on the
    keys of rules.
    """
    rules: list[dict[str, Any]] = flag.get("rules") or []
    if name is None:
        return rules[0] if rules else None
    if name == DEFAULT:
        return None
    for number, rule in enumerate(rules, start=1):
        if name == position(number):
            return rule
    for rule in rules:
        if name == rule.get("ruleKey"):
            return rule
    names = [rule.get("ruleKey") or position(number) for number, rule in enumerate(rules, start=1)]
    raise NotInProjectError(f"flag {flag['key']!r} has no rule {name!r}; it has {_listed([*names, DEFAULT])}")


def _allocation(flag: Mapping[str, Any], old: dict[str, Any], split: Mapping[str, float]) -> dict[str, Any]:
    known = variations_of(flag, old)
    unknown = split.keys() - {*known, OFF}
    if unknown:
        raise NotInProjectError(
            f"flag {flag['key']!r} has no variation {_listed(sorted(unknown))}; it has {_listed(known)}"
        )
    shares = {variation: _percentage(variation, share) for variation, share in split.items()}
    if split_of(old) == {variation: share for variation, share in shares.items() if share}:
        return old  # its ranges may be in another order, or leave buckets out
    total = sum(shares.values())
    if abs(total - 100) > 0.005:
        raise ValueError(f"a split makes 100 % together, not {round(total, 2):g} %")
    # In the order of the old ranges: only the users at the edge change their variation.
    order = [*split_of(old), *(variation for variation in known if variation not in split_of(old)), *shares]
    ranges: list[dict[str, Any]] = []
    before = 0.0
    start = 0
    for variation in dict.fromkeys(order):
        before += shares.get(variation, 0.0)
        end = round(before / 100 * BUCKETS)
        if end > start:
            ranges.append({"variation": variation, "start": start, "end": end - 1})
        start = end
    return {**old, "ranges": ranges}


def _percentage(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 100:
        raise ValueError(f"{name or 'the variation'} must be a percentage from 0 to 100, not {repr(value)[:40]}")
    return float(value)


def _tidy(value: float) -> float:
    return int(value) if value == int(value) else value


def _listed(names: Any) -> str:
    texts = [repr(name) for name in names]
    return ", ".join(texts[:10]) + (f" and {len(texts) - 10} more" if len(texts) > 10 else "") if texts else "none"
