"""The work that every contestant does, said once: flags, users and requests.

A project has three kinds of flags, in turn:

- on/off: no rule; its default allocation gives everybody one variation, on and off by turns.
- targeted: one rule for users of the plan "pro" in one of three countries, of whom half get "on"; the others get "off".
- A/B: one rule for users of the plan "pro", all of whom are split 34/33/33 over three variations with four variables
  each; the others get "off" with the defaults.

Half the users are "pro". A request is one user and one flag of each kind; which flags, is spread over the project, so
that a linear search for them would show.

This module is also imported by processes whose memory is measured: it imports next to nothing, `typing` included.
"""

from __future__ import annotations

from zlib import crc32

TYPE_CHECKING = False  # as the type checkers know it, without the import
if TYPE_CHECKING:
    from typing import Any

ON_OFF, TARGETED, AB = "on-off", "targeted", "ab"
KINDS = (ON_OFF, TARGETED, AB)
COUNTRIES = ("US", "CA", "GB", "DE", "FR")
TARGET_COUNTRIES = COUNTRIES[:3]
TARGET_PLAN = "pro"
TARGET_PERCENTAGE = 50
AB_VARIATIONS = ("control", "treatment-a", "treatment-b")
AB_PERCENTAGES = (34, 33, 33)
AB_RANGES = ((0, 3399), (3400, 6699), (6700, 9999))

SDK_KEY = "sk_dev_org1_proj1_0123456789abcdef"
CONFIG_PATH = "/configs/org1/proj1/development/latest.json"

VARIABLE_TYPES = {"title": "string", "discount": "number", "highlight": "boolean", "layout": "json"}
DEFAULT_VARIABLES: dict[str, Any] = {
    "title": "Buy now",
    "discount": 0,
    "highlight": False,
    "layout": {"columns": 1, "order": ["a", "b"]},
}


class FlagSpec:
    """One flag, in nobody's format.

    Attributes:
        index: Its place in the project.
        kind: One of ``KINDS``.
        key: Its key.
        salt: 24 hexadecimal digits, as the service makes them.
        default_on: What an on/off flag gives.
    """

    __slots__ = ("default_on", "index", "key", "kind", "salt")

    def __init__(self, index: int) -> None:
        self.index = index
        self.kind = KINDS[index % 3]
        self.key = f"feature-{self.kind}-{index:05d}"
        self.salt = "".join(f"{crc32(b'%d:%d' % (part, index)):08x}" for part in range(3))
        self.default_on = index // 3 % 2 == 0


class Request:
    """One user and the flags that are decided for them."""

    __slots__ = ("ab", "attributes", "on_off", "targeted", "user_id")

    def __init__(self, user_id: str, attributes: dict[str, Any], on_off: str, targeted: str, ab: str) -> None:
        self.user_id = user_id
        self.attributes = attributes
        self.on_off = on_off
        self.targeted = targeted
        self.ab = ab


def flag_specs(count: int) -> list[FlagSpec]:
    """Return the flags of a project."""
    return [FlagSpec(index) for index in range(count)]


def override_variables(variation: int) -> dict[str, Any]:
    """Return the variables of one variation of an A/B flag; all four differ from the defaults, but for one bool."""
    return {
        "title": f"Buy now v{variation}",
        "discount": 5 * (variation + 1),
        "highlight": variation % 2 == 1,
        "layout": {"columns": variation + 2, "order": ["b", "a", "c"]},
    }


def keys_of(kind: str, flags: int) -> list[str]:
    """Return the keys of all flags of one kind."""
    return [spec.key for spec in flag_specs(flags) if spec.kind == kind]


def attributes_of(number: int) -> dict[str, Any]:
    """Return the attributes of one user."""
    return {
        "plan": TARGET_PLAN if number % 2 == 0 else "free",
        "country": COUNTRIES[number % 5],
        "age": 18 + number % 60,
        "beta": number % 3 == 0,
    }


def requests(flags: int, users: int) -> list[Request]:
    """Return one request for each user. The flags follow a multiplicative hash, so they are not bound to the plan."""
    by_kind = {kind: keys_of(kind, flags) for kind in KINDS}
    made = []
    for number in range(users):
        mixed = number * 2654435761 & 0xFFFFFFFF
        keys = [
            by_kind[kind][(mixed >> shift) % len(by_kind[kind])] for kind, shift in zip(KINDS, (3, 9, 15), strict=True)
        ]
        made.append(Request(f"user-{number:06d}", attributes_of(number), *keys))
    return made


def signakit_config(specs: list[FlagSpec], *, exposing: bool = True) -> dict[str, Any]:
    """Return the project in the format of the service.

    Args:
        specs: The flags.
        exposing: False makes the A/B rules targeted ones: the same decisions for those who match, and no exposures.
    """
    return {
        "projectId": "proj1",
        "environmentKey": "development",
        "sdkKey": SDK_KEY,
        "version": 1,
        "generatedAt": "2026-01-01T00:00:00.000Z",
        "flags": [_signakit_flag(spec, "ab-test" if exposing else "targeted") for spec in specs],
    }


def _signakit_flag(spec: FlagSpec, ab_rule_type: str) -> dict[str, Any]:
    flag: dict[str, Any] = {
        "id": f"flag_{spec.index}",
        "key": spec.key,
        "salt": spec.salt,
        "status": "active",
        "running": True,
        "variations": [{"key": "on"}, {"key": "off"}],
        "allocation": _everybody("on" if spec.kind == ON_OFF and spec.default_on else "off"),
    }
    is_pro = {"attribute": "plan", "operator": "equals", "value": TARGET_PLAN}
    if spec.kind == TARGETED:
        is_near = {"attribute": "country", "operator": "in", "value": list(TARGET_COUNTRIES)}
        flag["rules"] = [_rule(spec, "targeted", [is_pro, is_near], TARGET_PERCENTAGE, _everybody("on"))]
    elif spec.kind == AB:
        ranges = [
            {"variation": variation, "start": start, "end": end}
            for variation, (start, end) in zip(AB_VARIATIONS, AB_RANGES, strict=True)
        ]
        flag["rules"] = [_rule(spec, ab_rule_type, [is_pro], 100, {"ranges": ranges})]
        flag["variables"] = [
            {"key": name, "type": kind, "defaultValue": DEFAULT_VARIABLES[name]}
            for name, kind in VARIABLE_TYPES.items()
        ]
        flag["variations"] = [
            {"key": variation, "variables": override_variables(number)}
            for number, variation in enumerate(AB_VARIATIONS)
        ]
        flag["variations"].append({"key": "off"})
    return flag


def _everybody(variation: str) -> dict[str, Any]:
    return {"ranges": [{"variation": variation, "start": 0, "end": 9999}]}


def _rule(
    spec: FlagSpec, rule_type: str, conditions: list[dict[str, Any]], percentage: int, allocation: dict[str, Any]
) -> dict[str, Any]:
    return {
        "ruleKey": f"rule-{spec.index}",
        "ruleType": rule_type,
        "audienceMatchType": "all",
        "audiences": [{"conditions": conditions}],
        "trafficPercentage": percentage,
        "variationAllocation": allocation,
    }


_SYSTEMS = (
    "Windows NT 10.0; Win64; x64",
    "Macintosh; Intel Mac OS X 10_15_7",
    "X11; Linux x86_64",
    "Linux; Android 14; Pixel 8",
    "Linux; Android 13; SM-S911B",
)


def user_agent(number: int) -> str:
    """Return the User-Agent of a browser: another one for each number below 50 million, of about 120 characters."""
    system = _SYSTEMS[number % len(_SYSTEMS)]
    number //= len(_SYSTEMS)
    build, patch = number % 10_000, number // 10_000
    return (
        f"Mozilla/5.0 ({system}) AppleWebKit/537.36 (KHTML, like Gecko) "
        f"Chrome/131.0.{build}.{patch} {'Mobile ' if 'Android' in system else ''}Safari/537.36"
    )
