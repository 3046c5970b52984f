"""Allocations: the ranges of buckets that variations have, read as percentages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .names import BUCKETS

if TYPE_CHECKING:
    from collections.abc import Mapping


def split_of(allocation: Mapping[str, Any]) -> dict[str, float]:
    """Return the percentage of the buckets that each variation has, in the order of the ranges."""
    buckets: dict[str, int] = {}
    for item in allocation["ranges"]:
        buckets[item["variation"]] = buckets.get(item["variation"], 0) + int(item["end"]) - int(item["start"]) + 1
    return {variation: count * 100 / BUCKETS for variation, count in buckets.items()}


def variations_of(flag: Mapping[str, Any], allocation: Mapping[str, Any]) -> list[str]:
    """Return the variations that an allocation can give: those that ``flag`` lists, then others of the ranges."""
    listed = [variation["key"] for variation in flag.get("variations") or ()]
    used = [item["variation"] for item in allocation["ranges"]]
    return list(dict.fromkeys([*listed, *used]))
