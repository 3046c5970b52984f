"""How a flag is configured to split users, computed; what ``signakit simulate`` compares its count with.

A user has three buckets for a flag, each 0..9999 and independent of the others: one for the traffic of all rules, one
for the variations of all rules, one for the default allocation. So the shares are areas: of (traffic, variation)
rectangles that fall to a rule, and what is left goes to the default allocation.
"""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from math import ceil, floor
from typing import TYPE_CHECKING, Any, TypeAlias

from signakit_dev._project.names import BUCKETS, OFF
from signakit_flags import SignaKitClient

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Outcome: TypeAlias = tuple[str, str | None]
"""A variation, and the key of the rule that gave it; None for the default allocation."""


def configured_shares(flag: Mapping[str, Any], attributes: Mapping[str, Any]) -> dict[Outcome, float]:
    """Return the share, 0 to 1, that each outcome has among users with these attributes.

    Args:
        flag: A flag that the SDK accepts, as it stands in the config. Allowlists are left out of account: they name
            single users.
        attributes: What all the users have in common.

    Returns:
        Shares that add up to 1, in the order of the rules; the default allocation comes last.
    """
    if not flag.get("running"):
        return {(OFF, None): 1.0}
    rules = [rule for rule in flag.get("rules") or () if rule is not None]
    matching = [rule for rule, holds in zip(rules, audiences_hold(rules, attributes), strict=True) if holds]
    areas: Counter[Outcome] = Counter()
    undecided = 0
    thresholds = [_threshold(rule["trafficPercentage"]) for rule in matching]
    for start, end in _segments(thresholds):
        taking = [rule for rule, threshold in zip(matching, thresholds, strict=True) if start < threshold]
        widths, rest = _widths([(rule.get("ruleKey"), rule["variationAllocation"]["ranges"]) for rule in taking])
        for outcome, width in widths.items():
            areas[outcome] += (end - start) * width
        undecided += (end - start) * rest
    shares = {outcome: area / BUCKETS**2 for outcome, area in areas.items()}
    widths, rest = _widths([(None, flag["allocation"]["ranges"])])
    widths[OFF, None] += rest
    for outcome, width in widths.items():
        if undecided and width:
            # A rule without a key may have given the same variation, and then the outcome is the same.
            shares[outcome] = shares.get(outcome, 0.0) + undecided / BUCKETS**2 * (width / BUCKETS)
    return shares


def with_rule_names(flag: dict[str, Any]) -> dict[str, Any]:
    """Return the flag with a key for each rule: its position, like ``"#2"``, where it has none.

    A decision by a rule without a key cannot be told from one by the default allocation. A key changes no decision.
    """
    rules = flag.get("rules") or ()
    if all(not isinstance(rule, dict) or rule.get("ruleKey") is not None for rule in rules):
        return flag
    named = [
        {**rule, "ruleKey": f"#{number}"} if isinstance(rule, dict) and rule.get("ruleKey") is None else rule
        for number, rule in enumerate(rules, start=1)
    ]
    return {**flag, "rules": named}


def audiences_hold(rules: Sequence[Mapping[str, Any]], attributes: Mapping[str, Any]) -> list[bool]:
    """Say of each rule whether its audiences take these attributes.

    The SDK says it: each rule becomes a flag of its own that every user enters who gets past the audiences.
    """
    everyone = {"ranges": [{"variation": "in", "start": 0, "end": BUCKETS - 1}]}
    flags: list[dict[str, Any]] = [
        {
            "key": str(number),
            "salt": "",
            "running": True,
            "allocation": {"ranges": []},
            "rules": [{**rule, "allowlist": None, "trafficPercentage": 100, "variationAllocation": everyone}],
        }
        for number, rule in enumerate(rules)
    ]
    with SignaKitClient.offline({"flags": flags}) as client:
        user = client.create_user_context("", attributes)
        assert user is not None, "an offline client is ready"
        return [user.variation(flag["key"]) == "in" for flag in flags]


def _threshold(percentage: float) -> int:
    return BUCKETS if percentage >= 100 else floor((max(percentage, 0.0) / 100) * BUCKETS)


def _segments(cuts: Sequence[int]) -> list[tuple[int, int]]:
    """Cut 0..10000 into half-open segments at these places."""
    places = sorted({0, BUCKETS, *cuts})
    return list(pairwise(places))


def _widths(allocations: Sequence[tuple[str | None, Sequence[Mapping[str, Any]]]]) -> tuple[Counter[Outcome], int]:
    """Return how many buckets each outcome gets where the first range that holds a bucket has it; and the rest."""
    ranges = [(rule, item) for rule, items in allocations for item in items]
    cuts = [place for _, item in ranges for place in (ceil(item["start"]), floor(item["end"]) + 1)]
    widths: Counter[Outcome] = Counter()
    rest = 0
    for start, end in _segments([max(0, min(BUCKETS, place)) for place in cuts]):
        for rule, item in ranges:
            if item["start"] <= start <= item["end"]:
                widths[item["variation"], rule] += end - start
                break
        else:
            rest += end - start
    return widths, rest
