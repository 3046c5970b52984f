from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from signakit_flags import Explanation, SignaKitClient, SignaKitUserContext
from signakit_flags._evaluation.bucketing import bucket
from signakit_flags._types import Step
from support.configs import audience, condition, config, flag, ranges, rule, whole

PRO = [audience(condition("plan", "equals", "pro"))]
USERS = [f"user-{number}" for number in range(60)]


def context(*flags: Any, user_id: str = "u", **attributes: Any) -> SignaKitUserContext:
    client = SignaKitClient.offline(config(*flags), record_events=True, bot_detector=lambda agent: agent == "bot")
    made = client.create_user_context(user_id, attributes)
    assert made is not None
    return made


def explain(*rules: Any, user_id: str = "u", attributes: dict[str, Any] | None = None, **fields: Any) -> Explanation:
    return context(flag("f", *rules, **fields), user_id=user_id, **attributes or {}).explain("f")


def trail(explanation: Explanation) -> list[tuple[str, bool]]:
    return [(step.kind, step.passed) for step in explanation.steps]


BIG = [
    flag("plain", allocation=whole("on")),
    flag("split", allocation=ranges(("on", 0, 4999))),
    flag("stopped", rule(), running=False),
    flag("gone", status="archived"),
    flag("halves", rule(traffic=50), allocation=ranges(("on", 0, 2000))),
    flag("audience", rule(audiences=PRO), rule("second", traffic=30, kind="targeted")),
    flag("listed", rule(traffic=0, allowlist=[{"userId": f"user-{n}", "variation": "on"} for n in range(5)])),
    flag(
        "holes", rule(split=ranges(("on", 0, 3000), ("off", 6000, 8000))), rule("b", split=ranges(("on", 4000, 5000)))
    ),
    flag(
        "any",
        rule(
            audiences=[*PRO, audience(condition("age", "greater_than", 30), condition("age", "less_than", 40))],
            audienceMatchType="any",
        ),
    ),
]


@pytest.mark.parametrize("attributes", [{}, {"plan": "pro"}, {"age": 35}, {"plan": None, "age": "35"}])
def test_an_explanation_agrees_with_the_decision(attributes: dict[str, Any]) -> None:
    for user in USERS:
        subject = context(*BIG, user_id=user, **attributes)
        for data in BIG:
            explanation = subject.explain(data["key"])
            assert explanation.decision is subject.decide(data["key"])
            assert (explanation.flag_key, explanation.user_id) == (data["key"], user)


def test_an_explanation_sends_no_exposure() -> None:
    client = SignaKitClient.offline(config(*BIG), record_events=True)
    subject = client.create_user_context("u", {"plan": "pro"})
    assert subject is not None
    for data in BIG:
        subject.explain(data["key"])
    assert client.recorded_events == []
    assert client.status().exposures_suppressed == 0
    subject.decide("halves")
    assert len(client.recorded_events) == 1


def test_an_unknown_flag_says_so() -> None:
    explanation = context().explain("nope")
    assert explanation.decision is None
    assert explanation.steps == (Step("flag", False, "no such flag in the config"),)
    assert str(explanation) == "nope for 'u': no decision\n  no  flag: no such flag in the config"


def test_an_archived_flag_says_so() -> None:
    explanation = context(flag("f", status="archived")).explain("f")
    assert explanation.decision is None
    assert explanation.steps == (Step("flag", False, "archived"),)


def test_a_flag_that_is_not_running_says_so_and_tries_nothing() -> None:
    explanation = explain(rule(), running=False)
    assert trail(explanation) == [("flag", False)]
    assert "not running" in explanation.steps[0].detail


def test_a_bot_is_told_apart() -> None:
    explanation = context(flag("f", allocation=whole("on")), **{"$userAgent": "bot"}).explain("f")
    assert explanation.decision is not None
    assert explanation.decision.variation_key == "off"
    assert "bot" in explanation.steps[0].detail


def test_the_allowlist_ends_the_way_when_the_user_is_on_it() -> None:
    listed = rule(traffic=0, audiences=PRO, allowlist=[{"userId": "u", "variation": "treatment"}])
    explanation = explain(listed)
    assert trail(explanation) == [("flag", True), ("allowlist", True)]
    assert explanation.steps[1] == Step("allowlist", True, "on it, with treatment", "r")


def test_the_allowlist_is_shown_when_the_user_is_not_on_it() -> None:
    explanation = explain(rule(allowlist=[{"userId": "x", "variation": "on"}], split=whole("on")))
    assert trail(explanation) == [("flag", True), ("allowlist", False), ("traffic", True), ("range", True)]


def test_each_condition_is_shown_with_what_it_was_compared_to() -> None:
    conditions = audience(condition("plan", "equals", "pro"), condition("age", "greater_than", 30))
    explanation = explain(rule(audiences=[conditions]), attributes={"plan": "pro"})
    assert trail(explanation)[1:] == [("audience", True), ("audience", False), ("audience", False), ("default", True)]
    assert explanation.steps[1].detail == "1: plan equals 'pro'; it is 'pro'"
    assert explanation.steps[2].detail == "1: age greater_than 30; it is absent"
    assert "needs every one of 1" in explanation.steps[3].detail


def test_of_several_audiences_one_is_enough_where_any_will_do() -> None:
    two = rule(
        audiences=[*PRO, audience(condition("age", "equals", 1))], audienceMatchType="any", split=whole("treatment")
    )
    assert trail(explain(two, attributes={"plan": "pro"}))[1:] == [
        ("audience", True),
        ("audience", False),
        ("traffic", True),
        ("range", True),
    ]
    refused = explain(two)
    assert "needs one of 2" in refused.steps[3].detail
    assert [step.rule for step in refused.steps] == [None, "r", "r", "r", None]


def test_the_traffic_step_has_bucket_and_threshold() -> None:
    number = bucket("salt-f:traffic:", "u")
    refused = explain(rule(traffic=0.57)).steps[1]
    assert (refused.kind, refused.passed, refused.bucket, refused.threshold) == ("traffic", False, number, 56)
    assert refused.detail == f"bucket {number} >= 56"
    taken = explain(rule(traffic=100)).steps[1]
    assert (taken.passed, taken.bucket, taken.threshold) == (True, number, 10_000)


@pytest.mark.parametrize(("traffic", "threshold"), [(-5, 0), (250, 10_000)])
def test_the_threshold_is_shown_within_the_buckets(traffic: float, threshold: int) -> None:
    assert explain(rule(traffic=traffic)).steps[1].threshold == threshold


def test_the_range_step_names_bucket_range_and_variation() -> None:
    number = bucket("salt-f:variation:", "u")
    explanation = explain(rule(split=ranges(("on", 0, 0), ("treatment", number, 9999))))
    assert explanation.steps[-1] == Step("range", True, f"bucket {number} in {number}..9999: treatment", "r", number)


def test_a_rule_without_a_range_for_the_bucket_is_followed_by_the_next() -> None:
    explanation = explain(rule("empty", split=ranges(("on", 5, 4))), rule(None, split=whole("on")))
    assert [(step.rule, step.kind, step.passed) for step in explanation.steps] == [
        (None, "flag", True),
        ("empty", "traffic", True),
        ("empty", "range", False),
        ("#2", "traffic", True),
        ("#2", "range", True),
    ]
    assert "in no range" in explanation.steps[2].detail


@pytest.mark.parametrize(("allocation", "passed"), [(whole("on"), True), (ranges(), False)])
def test_the_default_allocation_comes_last(allocation: dict[str, Any], passed: bool) -> None:
    explanation = explain(rule(traffic=0), allocation=allocation)
    last = explanation.steps[-1]
    assert (last.kind, last.passed, last.rule) == ("default", passed, None)
    assert last.bucket == bucket("salt-f:default:", "u")


def test_as_text_it_is_a_short_report() -> None:
    number = bucket("salt-f:traffic:", "u")
    default = bucket("salt-f:default:", "u")
    report = str(explain(rule(audiences=PRO, traffic=0), allocation=whole("on"), attributes={"plan": "pro"}))
    assert report.splitlines() == [
        "f for 'u': on (enabled)",
        "  yes flag: running",
        "  yes rule r, audience: 1: plan equals 'pro'; it is 'pro'",
        f"  no  rule r, traffic: bucket {number} >= 0",
        f"  yes default: bucket {default} in 0..9999: on",
    ]


def test_the_report_names_the_rule_that_decided() -> None:
    assert str(explain(rule(split=whole("off")))).startswith("f for 'u': off (disabled), by rule r (ab-test)\n")


def test_long_values_are_cut_in_the_report() -> None:
    explanation = explain(
        rule(audiences=[audience(condition("a", "equals", "v" * 10_000))]),
        user_id="u" * 10_000,
        attributes={"a": ["w" * 10_000]},
    )
    assert len(str(explanation)) < 600


def test_a_condition_without_a_value_is_shown_as_such() -> None:
    explanation = explain(rule(audiences=[{"conditions": [{"attribute": "a", "operator": "equals"}]}]))
    assert "a equals" in explanation.steps[1].detail
    assert "object object" not in str(explanation)


class Hostile:
    def __eq__(self, other: object) -> bool:
        raise RuntimeError("no comparison")

    __hash__ = None  # type: ignore[assignment]  # unhashable on purpose

    def __repr__(self) -> str:
        raise RuntimeError("no text")


def nested_deeply() -> list[Any]:
    value: list[Any] = []
    for _ in range(100_000):
        value = [value]
    return value


@pytest.mark.parametrize("make", [Hostile, nested_deeply])
def test_no_attribute_makes_an_explanation_raise(make: Any) -> None:
    subject = context(flag("f", rule(audiences=PRO)), plan=make())
    assert subject.explain("f").decision == subject.decide("f")


# --- when a type is the reason ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("operator", "value", "actual", "detail"),
    [
        ("greater_than", 18, "20", "a greater_than 18; it is '20', text and not a number"),
        ("greater_than", 18, True, "a greater_than 18; it is True, a bool and not a number"),
        ("greater_than", 18, Decimal("20.00"), "a greater_than 18; it is 20.0"),
        ("greater_than", 18, Decimal("2.00"), "a greater_than 18; it is 2.0"),
        ("equals", 5, "5", "a equals 5; it is '5', text and not a number"),
        ("not_equals", 5, "5", "a not_equals 5; it is '5'"),
        ("greater_than", "18", 20, "a greater_than '18'; it is 20; the condition compares with text and not a number"),
        (
            "contains",
            "x",
            ["y", {1}],
            "a contains 'x'; it is ['y', {1}]; an item of it never matches: a value of type set has no form in JSON",
        ),
        ("equals", True, 1, "a equals True; it is 1, a number and not a bool"),
        ("equals", ["x"], "x", "a equals ['x']; it is 'x', text and not a list"),
        ("equals", "x", {"x": 1}, "a equals 'x'; it is {'x': 1}, a dict and not text"),
        ("in", [1, 2], "1", "a in [1, 2]; it is '1', text and not a number"),
        ("in", ["x", 2], [1], "a in ['x', 2]; it is [1], a list and not text or a number"),
        ("not_in", ["x"], "y", "a not_in ['x']; it is 'y'"),
        ("contains", "x", 5, "a contains 'x'; it is 5, a number and not text or a list"),
        ("contains", "x", ["y"], "a contains 'x'; it is ['y']"),
        ("equals", None, "x", "a equals None; it is 'x'"),
        ("unheard", "x", 5, "a unheard 'x'; it is 5"),
        (
            "equals",
            "x",
            {1},
            "a equals 'x'; it is {1}, which never matches: a value of type set has no form in JSON",
        ),
        ("equals", "x", None, "a equals 'x'; it is absent"),
    ],
)
def test_it_says_when_a_type_is_the_reason(operator: str, value: Any, actual: Any, detail: str) -> None:
    explanation = explain(
        rule(audiences=[audience(condition("a", operator, value))]), attributes={"a": actual, "b": "x"}
    )
    assert explanation.steps[1].detail == f"1: {detail}"
