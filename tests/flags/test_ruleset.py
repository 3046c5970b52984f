"""How one flag is decided: order, arithmetic, variables, and where no hash is taken (PROTOCOL sections 3 and 4)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from signakit_flags import Decision
from signakit_flags._evaluation import ruleset as ruleset_module
from signakit_flags._evaluation.bucketing import bucket
from signakit_flags._evaluation.config import decode_config
from signakit_flags._evaluation.ruleset import CompiledFlag, Outcome, Ruleset, compile_ruleset
from signakit_flags._frozen import ReadOnlyDict, ReadOnlyList
from support.configs import audience, condition, config, flag, ranges, rule, whole

USERS = [f"user-{number}" for number in range(300)]


def compiled(*flags: Any, **fields: Any) -> Ruleset:
    return compile_ruleset(decode_config(json.dumps(config(*flags, **fields)).encode()))


def one(*rules: Any, **fields: Any) -> CompiledFlag:
    subject = compiled(flag("f", *rules, **fields)).flag("f")
    assert subject is not None
    return subject


def decide(subject: CompiledFlag, user_id: str = "u", **attributes: Any) -> Decision:
    return subject.outcome(user_id, attributes).decision


def number_of(kind: str, user_id: str) -> int:
    return bucket(f"salt-f:{kind}:", user_id)


@pytest.fixture
def no_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(data: bytes) -> int:
        raise AssertionError(f"hashed {data.decode()}")

    monkeypatch.setattr(ruleset_module, "bucket", lambda prefix, user_id: refuse((prefix + user_id).encode()))
    monkeypatch.setattr(ruleset_module, "murmur3_32", refuse)


# --- buckets ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "number"), [("hello", 3351), ("é", 1495), ("salt-f:traffic:u", 9393), ("salt-f:variation:u", 8152)]
)
def test_a_bucket_is_murmur3_over_utf8_modulo_ten_thousand(text: str, number: int) -> None:
    assert bucket("", text) == number
    assert bucket(text[:3], text[3:]) == number


def test_a_lone_surrogate_is_hashed_as_its_three_bytes() -> None:
    assert bucket("x:", "\ud800") == 6812


@pytest.mark.parametrize("number", [-(2**61), -1, -0.5, 0, 0.5, 9_999, 9_999.5, 10_000, 2**61, 1e300])
def test_the_ends_of_a_range_are_kept_near_the_buckets_and_hold_the_same_ones(number: float) -> None:
    low, high = one(allocation=ranges(("on", number, 9_999))), one(allocation=ranges(("on", 0, number)))
    for subject in (low, high):
        assert all(-1 <= end <= 10_000 for start_end in subject.default.ranges for end in start_end[:2])
    for user in USERS:
        bucket_of = number_of("default", user)
        assert (decide(low, user).variation_key == "on") is (number <= bucket_of)
        assert (decide(high, user).variation_key == "on") is (bucket_of <= number)


# --- order -----------------------------------------------------------------------------------------------------------


def test_the_first_rule_that_decides_wins() -> None:
    subject = one(
        rule("first", audiences=[audience(condition("plan", "equals", "pro"))], split=whole("on")),
        rule("second", split=whole("treatment")),
        rule("third", split=whole("control")),
    )
    assert decide(subject, plan="pro") == Decision("f", "on", True, "first", "ab-test", {})
    assert decide(subject) == Decision("f", "treatment", True, "second", "ab-test", {})


def test_a_rule_whose_ranges_do_not_hold_the_bucket_lets_the_next_one_decide() -> None:
    number = number_of("variation", "u")
    subject = one(rule("hole", split=ranges(("on", 0, number - 1), ("on", number + 1, 9999))), rule("next"))
    assert decide(subject).rule_key == "next"


def test_when_no_rule_decides_the_default_allocation_does() -> None:
    subject = one(rule(traffic=0), allocation=ranges(("control", 0, 4999), ("treatment", 5000, 9999)))
    for user in USERS:
        expected = "control" if number_of("default", user) < 5000 else "treatment"
        assert decide(subject, user) == Decision("f", expected, True, None, None, {})


@pytest.mark.parametrize("rules", [[], [rule(traffic=0)]])
@pytest.mark.parametrize("allocation", [ranges(), ranges(("on", 5, 4)), ranges(("on", 10_000, 20_000))])
def test_when_nothing_holds_the_bucket_the_flag_is_off(rules: list[Any], allocation: dict[str, Any]) -> None:
    assert decide(one(*rules, allocation=allocation)) == Decision("f", "off", False, None, None, {})


def test_a_variation_named_off_is_disabled_and_any_other_enabled() -> None:
    assert decide(one(rule(split=whole("off")))) == Decision("f", "off", False, "r", "ab-test", {})
    assert decide(one(rule(split=whole("Off")))).enabled


def test_the_allowlist_decides_before_audiences_and_traffic() -> None:
    subject = one(
        rule(
            traffic=0,
            audiences=[audience(condition("plan", "equals", "pro"))],
            allowlist=[{"userId": "vip", "variation": "treatment"}, {"userId": "ghost", "variation": "unlisted"}],
        )
    )
    assert decide(subject, "vip") == Decision("f", "treatment", True, "r", "ab-test", {})
    assert decide(subject, "ghost").variation_key == "unlisted"
    assert decide(subject, "VIP").rule_key is None
    assert decide(subject, "vip ").rule_key is None


def test_an_earlier_rule_comes_before_the_allowlist_of_a_later_one() -> None:
    subject = one(rule("first", split=whole("on")), rule("second", allowlist=[{"userId": "u", "variation": "off"}]))
    assert decide(subject).rule_key == "first"


def test_the_first_of_two_allowlist_entries_of_one_user_counts() -> None:
    entries = [{"userId": "u", "variation": "on"}, {"userId": "u", "variation": "off"}]
    assert decide(one(rule(allowlist=entries))).variation_key == "on"


# --- traffic and ranges ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("percentage", "threshold"),
    [
        (0, 0),
        (0.009, 0),
        (0.01, 1),
        (0.03, 2),
        (0.07, 7),
        (0.57, 56),
        (0.58, 57),
        (1.13, 112),
        (1.15, 115),
        (2.3, 230),
        (8.2, 819),
        (29, 2900),
        (33.33, 3333),
        (57, 5699),
        (99.99, 9998),
        (99.995, 9999),
        (100, 10_000),
        (250, 10_000),
        (-1, 0),
    ],
)
def test_the_traffic_threshold_is_computed_in_doubles_in_just_that_order(percentage: float, threshold: int) -> None:
    assert one(rule(traffic=percentage)).rules[0].threshold == threshold


def test_traffic_takes_the_buckets_below_the_threshold_and_not_the_threshold_itself() -> None:
    for user in USERS[:20]:
        number = number_of("traffic", user)
        # Half a bucket more, so that rounding in the product cannot lose one.
        at, above = (number + 0.5) / 100, (number + 1.5) / 100
        assert decide(one(rule(traffic=at)), user).rule_key is None
        assert decide(one(rule(traffic=above)), user).rule_key == "r"


def test_both_ends_of_a_range_are_inclusive() -> None:
    for user in USERS[:50]:
        number = number_of("variation", user)
        assert decide(one(rule(split=ranges(("on", number, number)))), user).variation_key == "on"
        assert decide(one(rule(split=ranges(("on", number - 9, number)))), user).variation_key == "on"
        assert decide(one(rule(split=ranges(("on", number, number + 9)))), user).variation_key == "on"
        assert decide(one(rule(split=ranges(("on", number - 9, number - 1)))), user).rule_key is None
        assert decide(one(rule(split=ranges(("on", number + 1, number + 9)))), user).rule_key is None


def test_of_overlapping_ranges_the_first_wins() -> None:
    subject = one(rule(split=ranges(("control", 0, 6000), ("treatment", 4000, 9999), ("on", 0, 9999))))
    for user in USERS:
        expected = "control" if number_of("variation", user) <= 6000 else "treatment"
        assert decide(subject, user).variation_key == expected


def test_ranges_may_be_fractions_or_lie_outside_the_buckets() -> None:
    subject = one(rule(split=ranges(("control", -5.5, 4999.5), ("treatment", 4999.5, 1e12))))  # type: ignore[arg-type]  # on purpose
    for user in USERS:
        expected = "control" if number_of("variation", user) <= 4999 else "treatment"
        assert decide(subject, user).variation_key == expected


def test_traffic_variation_and_default_are_three_different_buckets() -> None:
    subject = one(rule(traffic=50), allocation=ranges(("on", 0, 4999), ("off", 5000, 9999)))
    for user in USERS:
        if number_of("traffic", user) < 5000:
            expected = "control" if number_of("variation", user) < 5000 else "treatment"
        else:
            expected = "on" if number_of("default", user) < 5000 else "off"
        assert decide(subject, user).variation_key == expected


# --- no hash where it cannot change the answer -----------------------------------------------------------------------


NEEDS_NO_HASH: list[tuple[list[Any], dict[str, Any], str]] = [
    ([], {"allocation": whole("on")}, "on"),
    ([], {"allocation": ranges()}, "off"),
    ([], {"allocation": ranges(("on", -10, 20_000))}, "on"),
    ([], {"allocation": ranges(("on", 0, 9999), ("off", 0, 9999))}, "on"),
    ([rule()], {"running": False, "allocation": ranges(("on", 0, 4999))}, "off"),
    ([rule(split=whole("on"))], {}, "on"),
    ([rule(split=whole("on"), traffic=120)], {}, "on"),
    ([rule(split=whole("on"), audiences=[audience(condition("a", "equals", 1))])], {"allocation": whole("off")}, "off"),
    ([rule(split=ranges())], {"allocation": whole("on")}, "on"),
    ([rule(allowlist=[{"userId": "u", "variation": "treatment"}])], {}, "treatment"),
]


@pytest.mark.usefixtures("no_hash")
@pytest.mark.parametrize(("rules", "fields", "variation"), NEEDS_NO_HASH)
def test_no_hash_is_taken_where_it_cannot_change_the_answer(
    rules: list[Any], fields: dict[str, Any], variation: str
) -> None:
    assert decide(one(*rules, **fields)).variation_key == variation


@pytest.mark.usefixtures("no_hash")
@pytest.mark.parametrize(
    ("rules", "fields"),
    [
        ([rule()], {}),
        ([rule(split=whole("on"), traffic=99.99)], {}),
        ([rule(split=ranges(("on", 0, 9998)))], {}),
        ([rule(split=ranges(("on", 1, 9999)))], {}),
        ([], {"allocation": ranges(("on", 0, 4999))}),
    ],
)
def test_a_hash_is_taken_where_it_can(rules: list[Any], fields: dict[str, Any]) -> None:
    with pytest.raises(AssertionError, match="hashed salt-f:"):
        decide(one(*rules, **fields))


# --- outcomes and variables ------------------------------------------------------------------------------------------


def test_decisions_are_built_once_and_shared_by_everyone_who_gets_the_same() -> None:
    subject = one(rule("a"), allocation=whole("on"))
    by_variation: dict[str, Decision] = {}
    for user in USERS:
        decision = decide(subject, user)
        assert by_variation.setdefault(decision.variation_key, decision) is decision
    assert sorted(by_variation) == ["control", "treatment"]


@pytest.mark.parametrize(
    ("kind", "exposes"),
    [("ab-test", True), ("multi-armed-bandit", True), ("targeted", False), ("holdout", True), (None, True)],
)
def test_all_rules_but_targeted_ones_expose(kind: str | None, exposes: bool) -> None:
    subject = one(rule(kind=kind, allowlist=[{"userId": "vip", "variation": "on"}]))
    assert (subject.outcome("u", {}).exposure is not None) is exposes
    assert (subject.outcome("vip", {}).exposure is not None) is exposes


def test_the_default_allocation_and_the_last_resort_expose_also_when_off() -> None:
    for subject in (one(), one(allocation=ranges()), one(rule(traffic=0), allocation=ranges())):
        outcome = subject.outcome("u", {})
        assert outcome.decision.variation_key == "off"
        assert outcome.exposure is not None


def test_a_flag_that_is_not_running_does_not_expose() -> None:
    assert one(rule(), running=False).outcome("u", {}).exposure is None


def test_an_exposure_is_the_same_after_a_reload_and_another_for_another_flag_variation_or_rule() -> None:
    def exposure(key: str, variation: str, rule_key: str | None) -> int | None:
        decision = Decision(key, variation, True, rule_key, "ab-test", {})
        return Outcome(decision, exposes=True).exposure

    assert one(rule()).outcome("u", {}).exposure == one(rule(), version=2).outcome("u", {}).exposure
    different = {
        exposure("f", "on", "r"),
        exposure("g", "on", "r"),
        exposure("f", "off", "r"),
        exposure("f", "on", None),
    }
    assert len(different) == 4
    assert exposure("f", "on", "r") in different


VARIABLES = [
    {"key": "text", "type": "string", "defaultValue": "a"},
    {"key": "number", "type": "number", "defaultValue": 1},
    {"key": "data", "type": "json", "defaultValue": {"list": [{"x": 1}]}},
]


def test_a_variation_overrides_variables_and_the_rest_have_their_defaults() -> None:
    subject = one(
        rule(split=whole("treatment")),
        variables=VARIABLES,
        variations=[{"key": "treatment", "variables": {"text": "b", "unknown": 1}}, {"key": "on"}],
    )
    assert decide(subject).variables == {"text": "b", "number": 1, "data": {"list": [{"x": 1}]}}


def test_off_has_variables_too_overridden_or_not() -> None:
    stopped = one(variables=VARIABLES, variations=[{"key": "off", "variables": {"number": 0}}], running=False)
    assert decide(stopped).variables == {"text": "a", "number": 0, "data": {"list": [{"x": 1}]}}


def test_names_that_the_flag_does_not_define_are_dropped() -> None:
    subject = one(allocation=whole("on"), variations=[{"key": "on", "variables": {"stray": 1}}])
    assert decide(subject).variables == {}


def test_overrides_may_be_of_another_type_and_falsy() -> None:
    overrides = {"text": 0, "number": False, "data": ""}
    subject = one(allocation=whole("on"), variables=VARIABLES, variations=[{"key": "on", "variables": overrides}])
    assert json.dumps(decide(subject).variables) == json.dumps(overrides)


def test_variables_are_read_only_all_the_way_down() -> None:
    subject = one(allocation=whole("on"), variables=VARIABLES)
    variables = decide(subject).variables
    data = variables["data"]
    assert isinstance(variables, ReadOnlyDict)
    assert isinstance(data, ReadOnlyDict)
    assert isinstance(data["list"], ReadOnlyList)
    with pytest.raises(TypeError, match="read-only"):
        variables["text"] = "b"
    assert isinstance(decide(one(allocation=whole("on"))).variables, ReadOnlyDict)


# --- the ruleset -----------------------------------------------------------------------------------------------------


def test_a_ruleset_keeps_the_order_of_the_config_and_knows_what_is_archived() -> None:
    subject = compiled(flag("b"), flag("z", status="archived"), flag("a"), flag("b", running=False), version=9)
    assert list(subject.flags) == ["b", "a"]
    first = subject.flag("b")
    assert first is not None
    assert first.running
    assert subject.flag("b") is first
    assert subject.flag("z") is None
    assert subject.flag("nope") is None
    assert subject.archived == {"z"}
    assert subject.version == 9
    assert subject.problems.lines == []


def test_users_spread_over_the_variations_as_allocated() -> None:
    subject = one(rule(split=ranges(("control", 0, 2499), ("treatment", 2500, 9999))))
    control = sum(decide(subject, f"visitor-{number}").variation_key == "control" for number in range(4000))
    assert 900 < control < 1100


# --- what flags have in common ---------------------------------------------------------------------------------------


def test_equal_conditions_and_ranges_of_different_flags_are_the_same_objects_in_memory() -> None:
    def made(key: str) -> Any:
        return flag(key, rule(audiences=[audience(condition("plan", "equals", "pro"))], split=ranges(("on", 0, 4321))))

    ruleset = compiled(made("f"), made("g"))
    one_rule, other_rule = (subject.rules[0] for _, subject in ruleset.compile_all())
    assert one_rule.audiences is not None
    assert other_rule.audiences is not None
    assert one_rule.audiences.texts is other_rule.audiences.texts
    assert one_rule.split.ranges[0][1] is other_rule.split.ranges[0][1]
    assert one_rule.split.ranges[0][2] is not other_rule.split.ranges[0][2]
