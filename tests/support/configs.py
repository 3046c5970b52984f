"""Configs for tests, in a few readable lines."""

from __future__ import annotations

from typing import Any

SDK_KEY = "sk_dev_org1_1234_abcdef"


def ranges(*pairs: tuple[str, int, int]) -> dict[str, Any]:
    return {"ranges": [{"variation": variation, "start": start, "end": end} for variation, start, end in pairs]}


def whole(variation: str) -> dict[str, Any]:
    return ranges((variation, 0, 9999))


def rule(
    key: str | None = "r",
    *,
    kind: str | None = "ab-test",
    traffic: float = 100,
    split: dict[str, Any] | None = None,
    **fields: Any,
) -> dict[str, Any]:
    return {
        "ruleKey": key,
        "ruleType": kind,
        "trafficPercentage": traffic,
        "variationAllocation": split or ranges(("control", 0, 4999), ("treatment", 5000, 9999)),
        **fields,
    }


def condition(attribute: str, operator: str, value: Any) -> dict[str, Any]:
    return {"attribute": attribute, "operator": operator, "value": value}


def audience(*conditions: dict[str, Any]) -> dict[str, Any]:
    return {"conditions": list(conditions)}


def flag(key: str, *rules: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {
        "id": f"f_{key}",
        "key": key,
        "salt": f"salt-{key}",
        "status": "active",
        "running": True,
        "variations": [{"key": name} for name in ("on", "off", "control", "treatment")],
        "allocation": whole("off"),
        "rules": list(rules),
        **fields,
    }


def config(*flags: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {
        "projectId": "1234",
        "environmentKey": "development",
        "sdkKey": SDK_KEY,
        "version": 1,
        "generatedAt": "2026-01-01T00:00:00.000Z",
        "flags": list(flags),
        **fields,
    }
