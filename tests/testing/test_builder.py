"""Configs in a few lines: what they say, and that the client takes them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signakit_flags import SignaKitClient
from signakit_flags.testing import FlagConfig, config, flag

if TYPE_CHECKING:
    from collections.abc import Callable


def variation(built: FlagConfig, user_id: str = "u", **attributes: Any) -> str:
    context = SignaKitClient.offline(config(built)).create_user_context(user_id, attributes)
    assert context is not None
    return context.variation(built.data["key"], "none")


def shares(built: FlagConfig, users: int = 4_000) -> dict[str, float]:
    """Return the share of each variation, in percent."""
    client = SignaKitClient.offline(config(built))
    counts: dict[str, int] = {}
    for number in range(users):
        context = client.create_user_context(f"u{number}")
        assert context is not None
        got = context.variation(built.data["key"])
        counts[got] = counts.get(got, 0) + 1
    return {key: 100 * count / users for key, count in counts.items()}


def test_a_flag_gives_everybody_off_until_something_is_said() -> None:
    assert variation(flag("f")) == "off"
    assert variation(flag("f").otherwise("on")) == "on"
    assert variation(flag("f").otherwise("on").stopped()) == "off"
    assert variation(flag("f").otherwise("on").archived()) == "none"


def test_an_a_b_test_divides_those_it_is_for() -> None:
    built = flag("checkout").split(control=50, treatment=50).when(plan="pro")
    assert {variation(built, f"u{number}", plan="pro") for number in range(40)} == {"control", "treatment"}
    assert {variation(built, f"u{number}", plan="free") for number in range(40)} == {"off"}
    assert {variation(built, f"u{number}") for number in range(40)} == {"off"}


def test_shares_are_the_percentages() -> None:
    assert shares(flag("f").split({"a-1": 20}, b=80)) == pytest.approx({"a-1": 20, "b": 80}, abs=3)
    assert shares(flag("f").split(a=100).traffic(30)) == pytest.approx({"a": 30, "off": 70}, abs=3)
    assert shares(flag("f").otherwise({"a": 10, "off": 90})) == pytest.approx({"a": 10, "off": 90}, abs=3)
    assert shares(flag("f").split(a=0, b=100)) == {"b": 100}


def test_the_salt_decides_who_gets_what() -> None:
    def dealt(built: FlagConfig) -> list[str]:
        return [variation(built, f"u{number}") for number in range(30)]

    assert dealt(flag("f").split(a=50, b=50)) == dealt(flag("f", salt="f").split(a=50, b=50))
    assert dealt(flag("f").split(a=50, b=50)) != dealt(flag("f", salt="g").split(a=50, b=50))


def test_rules_are_tried_in_order() -> None:
    built = flag("f").target("staff").when(staff=True).split(a=100).when(country=["DE", "AT"]).otherwise("rest")
    assert variation(built, staff=True, country="DE") == "staff"
    assert variation(built, country="AT") == "a"
    assert variation(built, country="FR") == "rest"


def test_conditions_of_a_rule_must_all_hold() -> None:
    built = flag("f").target("on").when(plan="pro").when(country="DE").where("age", "greater_than", 17)
    assert variation(built, plan="pro", country="DE", age=18) == "on"
    for missing in ({"plan": "pro", "country": "DE"}, {"plan": "pro", "age": 18}, {"country": "DE", "age": 18}):
        assert variation(built, **missing) == "off"


def test_the_allowlist_goes_before_the_audience() -> None:
    built = flag("f").split(a=100).when(plan="pro").allow("ada", "b").allow("ben", "c")
    assert [variation(built, user) for user in ("ada", "ben", "cleo")] == ["b", "c", "off"]


@pytest.mark.parametrize(
    ("built", "kind", "exposes"),
    [
        (flag("f").split(on=100), "ab-test", True),
        (flag("f").bandit(on=100), "multi-armed-bandit", True),
        (flag("f").target("on"), "targeted", False),
    ],
)
def test_rules_are_of_a_kind(built: FlagConfig, kind: str, exposes: bool) -> None:
    client = SignaKitClient.offline(config(built), record_events=True)
    context = client.create_user_context("u")
    assert context is not None
    decision = context.decide("f")
    assert decision is not None
    assert (decision.rule_key, decision.rule_type) == ("f-1", kind)
    assert bool(client.recorded_events) is exposes


def test_variables_have_a_default_and_a_value_in_a_variation() -> None:
    built = (
        flag("f")
        .variables(text="a", size=1, ratio=0.5, on=True, data={"x": [1]}, nothing=None)
        .variation("b", size=2)
        .variation("b", text="c")
        .split(a=50, b=50)
    )
    assert {item["key"]: item["type"] for item in built.data["variables"]} == {
        "text": "string",
        "size": "number",
        "ratio": "number",
        "on": "boolean",
        "data": "json",
        "nothing": "json",
    }
    seen = set()
    client = SignaKitClient.offline(config(built))
    for number in range(40):
        context = client.create_user_context(f"u{number}")
        assert context is not None
        decision = context.decide("f")
        assert decision is not None
        seen.add((decision.variation_key, decision.variables["text"], decision.variables["size"]))
        assert decision.variables["data"] == {"x": [1]}
    assert seen == {("a", "a", 1), ("b", "c", 2)}


def test_each_step_makes_a_new_one() -> None:
    base = flag("f").split(a=100)
    for_pro = base.when(plan="pro")
    assert (variation(base), variation(for_pro)) == ("a", "off")
    assert "audiences" not in base.data["rules"][0]


def test_every_variation_that_is_named_is_one_of_the_flags() -> None:
    built = flag("f").split(a=100).allow("ada", "b").otherwise("c").target("d")
    assert [item["key"] for item in built.data["variations"]] == ["off", "a", "b", "c", "d"]


def test_a_config_is_plain_json_of_its_own() -> None:
    data = {"x": [1]}
    made = config(flag("f").variables(data=data), flag("g"))
    data["x"].append(2)
    assert made == json.loads(json.dumps(made))
    assert made["flags"][0]["variables"][0]["defaultValue"] == {"x": [1]}
    assert config()["flags"] == []


MISTAKES: dict[str, tuple[Callable[[], object], str]] = {
    "a split that is not whole": (
        lambda: flag("f").split(a=50, b=40),
        r"percentages must be 100 together, not 90: \{'a': 50, 'b': 40\}",
    ),
    "an empty split": (lambda: flag("f").split(), "must be 100 together, not 0"),
    "a negative share": (lambda: flag("f").split(a=150, b=-50), "a number from 0 to 100, not 150"),
    "no number": (lambda: flag("f").split(a="50"), "from 0 to 100, not '50'"),  # type: ignore[arg-type]  # what is tested
    "a percentage out of range": (lambda: flag("f").split(a=100).traffic(101), "from 0 to 100, not 101"),
    "an audience of no rule": (lambda: flag("f").when(plan="pro"), "'f' has no rule yet: begin with split"),
    "traffic of no rule": (lambda: flag("f").traffic(5), "'f' has no rule yet"),
    "an allowlist of no rule": (lambda: flag("f").allow("ada", "on"), "'f' has no rule yet"),
    "a variable that is not defined": (
        lambda: flag("f").variables(size=1).variation("b", szie=2),
        r"'f' has no variable 'szie': define it with variables\(\) before",
    ),
    "one key twice": (lambda: config(flag("f"), flag("g"), flag("f")), "flag 'f' is there twice"),
    "a value that is no JSON": (lambda: config(flag("f").variables(a=object())), "the config is no JSON"),  # type: ignore[arg-type]  # as above
    "an unknown operator": (
        lambda: config(flag("f").target("on").where("a", "like", "x")),  # type: ignore[arg-type]  # as above
        "unknown operator 'like'",
    ),
    "a salt that is no text": (lambda: config(flag("f", salt=7)), "flag 'f' skipped"),  # type: ignore[arg-type]  # as above
}


@pytest.mark.parametrize(("make", "message"), MISTAKES.values(), ids=MISTAKES)
def test_mistakes_are_told(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


@given(st.lists(st.integers(0, 1_000), min_size=1, max_size=8).filter(lambda parts: sum(parts) > 0))
def test_ranges_cover_every_bucket_once(parts: list[int]) -> None:
    total = sum(parts)
    percentages = {f"v{number}": 100 * part / total for number, part in enumerate(parts)}
    (rule,) = flag("f").split(percentages).data["rules"]
    ranges = rule["variationAllocation"]["ranges"]
    assert [item["start"] for item in ranges] == [0, *(item["end"] + 1 for item in ranges[:-1])]
    assert ranges[-1]["end"] == 9_999
    for item in ranges:
        assert item["end"] - item["start"] + 1 == pytest.approx(100 * percentages[item["variation"]], abs=1.01)
