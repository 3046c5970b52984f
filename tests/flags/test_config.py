"""Which configs are taken, which flags of them, and what is refused (PROTOCOL sections 2 and 8)."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest

from signakit_flags import Decision, SignaKitClient
from signakit_flags._evaluation.config import decode_config
from signakit_flags._evaluation.problems import MAX_PROBLEMS, ConfigError, NotJsonError, Problems
from signakit_flags._evaluation.ruleset import compile_ruleset
from support.configs import audience, condition, config, flag, rule, whole

GOOD = flag("good", allocation=whole("on"))


def encode(data: Any) -> bytes:
    return json.dumps(data).encode()


def load(*flags: Any, **fields: Any) -> tuple[list[str], list[str]]:
    """Return the keys of the flags that load, and the problems."""
    ruleset = compile_ruleset(decode_config(encode(config(*flags, **fields))))
    return list(ruleset.flags), ruleset.problems.lines


def decide(flag_data: Any, user_id: str = "u", **attributes: Any) -> Decision | None:
    context = SignaKitClient.offline(config(flag_data)).create_user_context(user_id, attributes)
    assert context is not None
    return context.decide(flag_data["key"])


def variation(flag_data: Any, user_id: str = "u", **attributes: Any) -> str | None:
    decision = decide(flag_data, user_id, **attributes)
    return decision and decision.variation_key


def without(data: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in data.items() if name not in names}


# --- the config as a whole -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"<html>",
        b"null",
        b"true",
        b"1",
        b'"flags"',
        b"[]",
        b'[{"flags": []}]',
        b"{}",
        b'{"flags": null}',
        b'{"flags": {}}',
        b'{"flags": "[]"}',
        b'{"flags": 0}',
        b'{"flags": [}',
        b'{"flags": []',
        b'{"flags": []} {}',
        b'{"flags": []}x',
        b"{'flags': []}",
        b'{"flags": [],}',
        b'{"flags": [NaN]}',
        b'{"flags": [], "version": Infinity}',
        b"\xff\xfe{\x00}\x00",
        '{"flags": []}'.encode("utf-16"),
        b"\xef\xbb\xbf\xef\xbb\xbf" + b'{"flags": []}',
        b"\x1f\x8b\x08",
    ],
)
def test_a_config_that_cannot_be_read_at_all_is_refused(body: bytes) -> None:
    with pytest.raises(ConfigError):
        decode_config(body)


def test_a_refused_config_is_a_value_error_for_offline_clients() -> None:
    with pytest.raises(ValueError, match="not an object with a list of flags"):
        SignaKitClient.offline({"flags": None})


def test_an_empty_list_of_flags_is_a_config() -> None:
    assert decode_config(b'{"flags": []}').flags == []


def test_a_leading_byte_order_mark_is_stripped() -> None:
    assert [item.key for item in decode_config(b"\xef\xbb\xbf" + encode(config(GOOD))).flags] == ["good"]


DEEP = pytest.mark.parametrize("levels", [500, 2_000, 10_000])
BRACKETS = pytest.mark.parametrize("brackets", [(b"[", b"]"), (b'{"a":', b"}")], ids=["lists", "objects"])


@DEEP
@BRACKETS
@pytest.mark.parametrize("good", [1, 300], ids=["small", "large"])
@pytest.mark.parametrize("at", ["instead of a flag", "value", "unread in a flag", "salt", "unread", "version"])
def test_nesting_costs_its_flag_where_it_is_used_and_nothing_where_it_is_not(
    at: str, good: int, brackets: tuple[bytes, bytes], levels: int
) -> None:
    """As many levels as the interpreter's recursion allows, and more: the outcome is the same."""
    deep = brackets[0] * levels + b"1" + brackets[1] * levels
    template = {
        "instead of a flag": b'{"flags": [DEEP, GOOD]}',
        "value": b'{"flags": [{"key": "k", "salt": "s", "allocation": {"ranges": []}, "variables": '
        b'[{"key": "v", "defaultValue": DEEP}]}, GOOD]}',
        "unread in a flag": b'{"flags": [{"key": "k", "salt": "s", "allocation": {"ranges": []}, "no": DEEP}, GOOD]}',
        "salt": b'{"flags": [{"key": "k", "salt": DEEP}, GOOD]}',
        "unread": b'{"flags": [GOOD], "no": DEEP}',
        "version": b'{"flags": [GOOD], "version": DEEP}',
    }[at]
    flags = b", ".join(encode(flag(f"g{number}", rule(), allocation=whole("on"))) for number in range(good))
    ruleset = compile_ruleset(decode_config(template.replace(b"GOOD", flags).replace(b"DEEP", deep)))
    skipped = {"instead of a flag": "flag number 0", "value": "flag 'k'", "salt": "flag 'k'"}.get(at)
    assert list(ruleset.flags) == ["k"] * (at == "unread in a flag") + [f"g{number}" for number in range(good)]
    assert [line.split(" skipped")[0] for line in ruleset.problems.lines] == ([skipped] if skipped else [])


@pytest.mark.parametrize("opening", [b"[", b'{"a":', b'{"flags":['])
@pytest.mark.parametrize("start", [b'{"flags": ', b'{"flags": [', b'{"no": '])
def test_nesting_without_an_end_is_refused_and_overflows_nothing(start: bytes, opening: bytes) -> None:
    with pytest.raises(ConfigError):
        decode_config(start + opening * 100_000)


@pytest.mark.parametrize(
    "body",
    [
        rb'{"flags": [{"key": "\ud800", "salt": "s", "allocation": {"ranges": []}}]}',
        rb'{"flags": [{"key": "k", "salt": "\udc00x", "allocation": {"ranges": []}}]}',
        rb'{"flags": [{"key": 5, "salt": "\ud800\ud800", "allocation": {"ranges": []}}]}',
        rb'{"flags": [], "generatedAt": "\ud83d"}',
        b'{"flags": [{"key": "\xed\xa0\x80", "salt": "s", "allocation": {"ranges": []}}]}',
        b'{"flags": [{"key": "\xff", "salt": "s", "allocation": {"ranges": []}}]}',
    ],
)
def test_a_lone_surrogate_or_broken_utf8_makes_the_config_unreadable(body: bytes) -> None:
    with pytest.raises(ConfigError):
        decode_config(body)


def test_a_pair_of_surrogates_is_one_character() -> None:
    body = rb'{"flags": [{"key": "\ud83d\ude00", "salt": "s", "allocation": {"ranges": []}}]}'
    assert decode_config(body).flags[0].key == "\N{GRINNING FACE}"


@pytest.mark.parametrize(
    ("value", "version"),
    [(7, 7), (0, 0), (-1, -1), (2**70, 2**70), ("7", None), (1.5, None), (True, None), (None, None), ([1], None)],
)
def test_the_version_is_kept_when_it_is_an_integer_and_never_needed(value: object, version: int | None) -> None:
    read = decode_config(encode(config(GOOD, version=value)))
    assert (read.version, len(read.flags)) == (version, 1)


def test_a_version_out_of_range_does_not_cost_the_config() -> None:
    assert len(decode_config(encode(config(GOOD)).replace(b'"version": 1', b'"version": 1e999')).flags) == 1


@pytest.mark.parametrize("name", ["projectId", "environmentKey", "sdkKey", "version", "generatedAt"])
@pytest.mark.parametrize("value", [None, 5, "x", [], {"a": [1]}])
def test_fields_that_evaluation_does_not_need_may_be_absent_or_anything(name: str, value: object) -> None:
    assert load(GOOD, **{name: value}) == (["good"], [])
    assert len(decode_config(encode(without(config(GOOD), name))).flags) == 1


# --- one flag --------------------------------------------------------------------------------------------------------


def test_unknown_fields_are_ignored_everywhere() -> None:
    known = rule(
        audiences=[audience(condition("plan", "equals", "pro"))],
        allowlist=[{"userId": "u9", "variation": "on"}],
        split=whole("treatment"),
    )
    data = flag("f", known, variables=[{"key": "v", "type": "string", "defaultValue": "x"}])

    def decorate(value: Any) -> Any:
        if isinstance(value, dict):
            return {"unknown": {"deep": [1]}, "$schema": None, **{key: decorate(item) for key, item in value.items()}}
        return [decorate(item) for item in value] if isinstance(value, list) else value

    decorated = decorate(data)
    for variable in decorated["variables"]:
        assert variable["unknown"] == {"deep": [1]}
    assert decide(decorated, plan="pro") == decide(data, plan="pro")
    assert decide(decorated, "u9") == decide(data, "u9")
    assert variation(decorated, plan="pro") == "treatment"


OPTIONAL = {
    "id": "flag",
    "variations": "flag",
    "variables": "flag",
    "rules": "flag",
    "status": "flag",
    "running": "flag",
    "ruleKey": "rule",
    "ruleType": "rule",
    "audienceMatchType": "rule",
    "audiences": "rule",
    "allowlist": "rule",
    "eventKeys": "rule",
    "primaryEventKey": "rule",
}


@pytest.mark.parametrize(("name", "place"), OPTIONAL.items())
def test_null_in_an_optional_field_is_the_same_as_the_field_left_out(name: str, place: str) -> None:
    def decision(**fields: Any) -> Decision | None:
        bare = without(rule(split=whole("treatment"), allowlist=[{"userId": "x", "variation": "on"}]), name)
        data = without(flag("f", bare), name)
        (data if place == "flag" else bare).update(fields)
        return decide(data)

    assert decision() is not None
    assert decision(**{name: None}) == decision()


@pytest.mark.parametrize("required", ["key", "salt", "allocation"])
@pytest.mark.parametrize("null", [True, False])
def test_a_flag_without_key_salt_or_allocation_is_skipped_and_the_rest_load(required: str, null: bool) -> None:
    bad = flag("bad") | {required: None} if null else without(flag("bad"), required)
    keys, problems = load(bad, GOOD)
    assert keys == ["good"]
    assert len(problems) == 1
    assert ("number 0" if required == "key" else "'bad'") in problems[0]


MALFORMED: list[Any] = [
    None,
    5,
    "flag",
    [],
    {},
    flag("bad", status=5),
    flag("bad", running="yes"),
    flag("bad", running=1),
    flag("bad", salt=5),
    flag("bad") | {"key": 5},
    flag("bad", variations={}),
    flag("bad", variations=["on"]),
    flag("bad", variations=[{"key": 5}]),
    flag("bad", variations=[{"key": "on", "variables": []}]),
    flag("bad", variables={"v": 1}),
    flag("bad", variables=[{"key": None}]),
    flag("bad", variables=[{"type": "string"}]),
    flag("bad", allocation=[]),
    flag("bad", allocation={}),
    flag("bad", allocation={"ranges": None}),
    flag("bad", allocation={"ranges": {}}),
    flag("bad", allocation={"ranges": [{"start": 0, "end": 1}]}),
    flag("bad", allocation={"ranges": [{"variation": None, "start": 0, "end": 1}]}),
    flag("bad", allocation={"ranges": [{"variation": "on", "start": "0", "end": 1}]}),
    flag("bad", allocation={"ranges": [{"variation": "on", "start": True, "end": 1}]}),
    flag("bad", allocation={"ranges": [{"variation": "on", "start": 0}]}),
    flag("bad", rules={}),
    flag("bad", rules=[None]),
    flag("bad", {}),
    flag("bad", without(rule(), "trafficPercentage")),
    flag("bad", without(rule(), "variationAllocation")),
    flag("bad", rule(trafficPercentage=None)),
    flag("bad", rule(trafficPercentage="100")),
    flag("bad", rule(trafficPercentage=True)),
    flag("bad", rule(variationAllocation=None)),
    flag("bad", rule(ruleKey=5)),
    flag("bad", rule(ruleType=5)),
    flag("bad", rule(audienceMatchType=1)),
    flag("bad", rule(audiences={})),
    flag("bad", rule(audiences=[None])),
    flag("bad", rule(audiences=[{"conditions": {}}])),
    flag("bad", rule(audiences=[{"conditions": [None]}])),
    flag("bad", rule(audiences=[{"conditions": [{"operator": "equals", "value": 1}]}])),
    flag("bad", rule(audiences=[{"conditions": [{"attribute": "a", "value": 1}]}])),
    flag("bad", rule(audiences=[{"conditions": [{"attribute": 1, "operator": "equals", "value": 1}]}])),
    flag("bad", rule(allowlist={})),
    flag("bad", rule(allowlist=["u"])),
    flag("bad", rule(allowlist=[{"userId": ["u"], "variation": "on"}])),
    flag("bad", rule(allowlist=[{"userId": "u", "variation": 1}])),
    flag("bad", rule(), rule(ruleKey=5), rule()),
]


@pytest.mark.parametrize("bad", MALFORMED, ids=lambda bad: json.dumps(bad)[-60:])
@pytest.mark.parametrize("first", [True, False], ids=["before", "after"])
def test_a_flag_of_a_wrong_shape_is_skipped_alone_and_named(bad: Any, first: bool) -> None:
    keys, problems = load(*((bad, GOOD) if first else (GOOD, bad)))
    assert keys == ["good"]
    assert len(problems) == 1
    named = isinstance(bad, dict) and isinstance(bad.get("key"), str)
    assert problems[0].startswith(f"flag {'bad'!r} skipped" if named else f"flag number {0 if first else 1} skipped")


def test_several_bad_flags_are_each_named() -> None:
    keys, problems = load(flag("a", salt=1), GOOD, 5, flag("b", rules=1))
    assert keys == ["good"]
    assert [line.split(" skipped")[0] for line in problems] == ["flag 'a'", "flag number 2", "flag 'b'"]


def many_flags(count: int = 1_000, **fields: Any) -> list[Any]:
    return [flag(f"f{number}", rule(), allocation=whole("on"), **fields) for number in range(count)]


@pytest.mark.parametrize("at", [0, 1, 499, 998, 999])
@pytest.mark.parametrize("bad", [5, {}, flag("bad", salt=1), [[]]], ids=repr)
def test_a_bad_flag_of_a_large_config_is_named_by_its_key_or_number(at: int, bad: Any) -> None:
    flags = many_flags()
    flags[at] = bad
    keys, problems = load(*flags)
    assert keys == [f"f{number}" for number in range(1_000) if number != at]
    name = "'bad'" if isinstance(bad, dict) and bad else f"number {at}"
    assert [line.split(" skipped")[0] for line in problems] == [f"flag {name}"]


@pytest.mark.parametrize(
    "before",
    [
        {"meta": {"flags": [{"id": 1}, {"id": 2}]}},
        {"meta": [{"flags": [{"key": "k", "salt": "s", "allocation": {"ranges": []}}]}]},
        {"text": '"flags":[{"id":1}'},
        {"flags ": [{}]},
    ],
    ids=str,
)
@pytest.mark.parametrize("behind", [False, True])
def test_other_flags_in_a_large_config_are_not_taken_for_its_own(before: dict[str, Any], behind: bool) -> None:
    own = config(*many_flags())
    ruleset = compile_ruleset(decode_config(encode(own | before if behind else before | own)))
    assert list(ruleset.flags) == [f"f{number}" for number in range(1_000)]
    assert (ruleset.version, ruleset.problems.lines) == (1, [])


@pytest.mark.parametrize(
    "fields",
    [
        {"variations": [{"id": "x", "key": "on"}, {"id": "y", "key": "off"}, {"id": "z", "key": "no"}]},
        {"unread": [{"id": number, "key": "k", "salt": "s", "allocation": {"ranges": []}} for number in range(40)]},
        {"unread": 'a"}, {"id": [[['},
    ],
    ids=["variations", "flags in flags", "text"],
)
def test_what_begins_as_flags_do_is_not_taken_for_one(fields: dict[str, Any]) -> None:
    keys, problems = load(*many_flags(**fields))
    assert (keys, problems) == ([f"f{number}" for number in range(1_000)], [])


def test_a_large_config_with_two_lists_of_flags_is_refused() -> None:
    flags = encode(many_flags())
    with pytest.raises(ConfigError, match="several"):
        decode_config(b'{"flags":%s,"flags":%s}' % (flags, flags))


@pytest.mark.parametrize("at", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("junk", [b"\xff", b"x", b"]", b"}", b'"', b",,", rb'"\ud800"'])
def test_a_large_config_that_is_not_json_somewhere_is_refused(at: float, junk: bytes) -> None:
    body = encode(config(*many_flags()))
    place = body.index(b'"salt": ', int(len(body) * at)) + len(b'"salt": ')
    with pytest.raises(ConfigError):
        decode_config(body[:place] + junk + body[place:])


def test_a_long_key_is_cut_where_it_is_named() -> None:
    _, (problem,) = load(flag("k" * 100_000, salt=1))
    assert len(problem) < 300


@pytest.mark.parametrize("depth", [65, 200])
@pytest.mark.parametrize("place", ["default", "override", "condition"])
def test_a_value_nested_too_deeply_costs_its_flag_alone(depth: int, place: str) -> None:
    deep: Any = 1
    for _ in range(depth):
        deep = [deep]
    bad = {
        "default": flag("bad", variables=[{"key": "v", "defaultValue": deep}]),
        "override": flag("bad", variables=[{"key": "v"}], variations=[{"key": "on", "variables": {"v": deep}}]),
        "condition": flag("bad", rule(audiences=[audience(condition("a", "equals", deep))])),
    }[place]
    keys, problems = load(bad, GOOD)
    assert keys == ["good"]
    assert problems == ["flag 'bad' skipped: nested deeper than 64 levels"]


def test_a_value_nested_within_the_limit_is_taken() -> None:
    deep: Any = 1
    for _ in range(64):
        deep = [deep]
    decision = decide(flag("f", variables=[{"key": "v", "defaultValue": deep}]))
    assert decision is not None
    assert decision.variables == {"v": deep}


@pytest.mark.parametrize("status", [None, "active", "paused", "ARCHIVED", ""])
def test_an_absent_or_unknown_status_is_active(status: str | None) -> None:
    assert variation(flag("f", status=status, allocation=whole("on"))) == "on"


def test_an_archived_flag_gives_no_decision() -> None:
    assert decide(flag("f", status="archived", allocation=whole("on"))) is None


@pytest.mark.parametrize("running", [False, None])
def test_a_flag_that_is_not_running_or_does_not_say_so_is_off(running: bool | None) -> None:
    expected = Decision("f", "off", enabled=False, rule_key=None, rule_type=None, variables={})
    assert decide(flag("f", rule(), running=running, allocation=whole("on"))) == expected
    assert decide(without(flag("f", rule(), allocation=whole("on")), "running")) == expected


@pytest.mark.parametrize("kind", ["multi-armed-bandit", "targeted", "holdout", "", None])
def test_the_rule_type_is_passed_on_as_it_is(kind: str | None) -> None:
    decision = decide(flag("f", rule(kind=kind, split=whole("on"))))
    assert decision is not None
    assert (decision.variation_key, decision.rule_key, decision.rule_type) == ("on", "r", kind)


def test_a_rule_without_key_and_type_is_evaluated() -> None:
    decision = decide(flag("f", without(rule(split=whole("on")), "ruleKey", "ruleType")))
    assert decision == Decision("f", "on", enabled=True, rule_key=None, rule_type=None, variables={})


def test_an_unknown_operator_is_named_once_and_breaks_nothing() -> None:
    tests = [condition("v", name, "1") for name in ("semver_greater_than", "regex", "semver_greater_than")]
    keys, problems = load(flag("f", rule(audiences=[audience(*tests)])), GOOD)
    assert keys == ["f", "good"]
    assert problems == [
        "unknown operator 'regex': its conditions never match",
        "unknown operator 'semver_greater_than': its conditions never match",
    ]


@pytest.mark.parametrize(
    ("user_id", "in_config", "listed"),
    [
        ("7", 7, True),
        ("-7", -7, True),
        ("7", "7", True),
        ("7.5", 7.5, True),
        (str(10**25), 10**25, True),
        ("", "", True),
        ("None", None, False),
        ("null", None, False),
        ("", None, False),
    ],
)
def test_an_allowlisted_user_id_is_compared_as_text_and_null_is_ignored(
    user_id: str, in_config: Any, listed: bool
) -> None:
    data = flag("f", rule(traffic=0, allowlist=[{"userId": in_config, "variation": "on"}]))
    assert variation(data, user_id) == ("on" if listed else "off")


@pytest.mark.parametrize("entry", [{"userId": "u", "variation": None}, {"userId": "u"}, {"variation": "on"}, {}])
def test_an_incomplete_entry_of_an_allowlist_is_ignored(entry: dict[str, Any]) -> None:
    assert variation(flag("f", rule(traffic=0, allowlist=[entry]))) == "off"


@pytest.mark.parametrize("percentage", [100, 100.5, 101, 1e9, 10**30, 1e305])
def test_a_percentage_of_a_hundred_or_more_is_everybody(percentage: float) -> None:
    data = flag("f", rule(traffic=percentage, split=whole("on")))
    assert {variation(data, f"u{number}") for number in range(50)} == {"on"}


@pytest.mark.parametrize("percentage", [1e307, 1.7e308])
def test_a_percentage_near_the_largest_double_is_everybody(percentage: float) -> None:
    assert variation(flag("f", rule(traffic=percentage, split=whole("on")))) == "on"


@pytest.mark.parametrize("percentage", [0, -0.0, -1, -1e9, -1e300, 0.009])
def test_a_percentage_of_nothing_or_less_is_nobody(percentage: float) -> None:
    data = flag("f", rule(traffic=percentage, split=whole("on")))
    assert {variation(data, f"u{number}") for number in range(50)} == {"off"}


@pytest.mark.parametrize("number", [b"1e999", b"-1e999", b"1" + b"0" * 400])
def test_a_percentage_that_no_double_holds_costs_its_flag_alone(number: bytes) -> None:
    body = encode(config(flag("bad", rule(traffic=77.5)), GOOD)).replace(b"77.5", number)
    ruleset = compile_ruleset(decode_config(body))
    assert list(ruleset.flags) == ["good"]


NUMBERS = {
    "start": flag("bad", allocation={"ranges": [{"variation": "on", "start": 77.5, "end": 9999}]}),
    "end": flag("bad", allocation={"ranges": [{"variation": "on", "start": 0, "end": 77.5}]}),
    "condition": flag("bad", rule(audiences=[audience(condition("a", "greater_than", 77.5))])),
    "list": flag("bad", rule(audiences=[audience(condition("a", "in", [1, 77.5]))])),
    "default": flag("bad", variables=[{"key": "v", "defaultValue": {"a": [77.5]}}]),
    "override": flag("bad", variations=[{"key": "on", "variables": {"v": 77.5}}]),
    "allowlist": flag("bad", rule(allowlist=[{"userId": 77.5, "variation": "on"}])),
}


@pytest.mark.parametrize("place", NUMBERS)
@pytest.mark.parametrize("number", [b"1e999", b"-1e999", b"9" * 4_301])
def test_a_number_that_cannot_be_held_costs_its_flag_alone(place: str, number: bytes) -> None:
    body = encode(config(NUMBERS[place], GOOD)).replace(b"77.5", number)
    ruleset = compile_ruleset(decode_config(body))
    assert list(ruleset.flags) == ["good"]
    assert [line.split(" skipped")[0] for line in ruleset.problems.lines] == ["flag 'bad'"]


@pytest.mark.parametrize("place", NUMBERS)
@pytest.mark.parametrize("number", [b"NaN", b"Infinity", b"-Infinity", b"+1", b"01", b".5", b"0x1"])
def test_what_json_does_not_know_as_a_number_refuses_the_config(place: str, number: bytes) -> None:
    with pytest.raises(NotJsonError):
        decode_config(encode(config(NUMBERS[place], GOOD)).replace(b"77.5", number))


@pytest.mark.parametrize("digits", [4_299, 4_300])
def test_a_user_id_of_thousands_of_digits_is_one_like_any_other(digits: int) -> None:
    body = encode(config(flag("f", rule(traffic=0, allowlist=[{"userId": 77.5, "variation": "on"}]))))
    ruleset = compile_ruleset(decode_config(body.replace(b"77.5", b"9" * digits)))
    subject = ruleset.flag("f")
    assert subject is not None
    assert subject.outcome("9" * digits, {}).decision.variation_key == "on"


def test_a_user_id_of_more_digits_than_the_interpreter_writes_is_ignored() -> None:
    data = flag(
        "f", rule(traffic=0, allowlist=[{"userId": int("9" * 1_000), "variation": "on"}]), allocation=whole("x")
    )
    ruleset = compile_ruleset(decode_config(encode(config(data))))
    limit = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(640)
    try:
        subject = ruleset.flag("f")
    finally:
        sys.set_int_max_str_digits(limit)
    assert subject is not None
    assert [rule.allowlist for rule in subject.rules] == [None]


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_percentage_that_is_not_finite_in_a_dict_costs_its_flag_alone(number: float) -> None:
    client = SignaKitClient.offline(config(flag("bad", rule(traffic=number)), GOOD))
    context = client.create_user_context("u")
    assert context is not None
    assert list(context.decide_all()) == ["good"]


def test_a_variation_that_is_not_in_the_list_is_given_and_has_no_overrides() -> None:
    data = flag("f", allocation=whole("ghost"), variables=[{"key": "v", "defaultValue": 1}], variations=None)
    assert decide(data) == Decision("f", "ghost", enabled=True, rule_key=None, rule_type=None, variables={"v": 1})


def test_the_empty_variation_is_one_like_any_other() -> None:
    assert decide(flag("f", allocation=whole(""))) == Decision(
        "f", "", enabled=True, rule_key=None, rule_type=None, variables={}
    )


def test_a_variation_without_a_key_is_ignored() -> None:
    data = flag(
        "f", variables=[{"key": "v"}], variations=[{"variables": {"v": 1}}, {"key": None, "variables": {"v": 2}}]
    )
    decision = decide(data)
    assert decision is not None
    assert decision.variables == {"v": None}


@pytest.mark.parametrize("match_type", ["none", "ANY", "", None])
def test_an_unknown_match_type_means_all(match_type: str | None) -> None:
    both = [audience(condition("a", "equals", 1)), audience(condition("b", "equals", 1))]
    data = flag("f", rule(audiences=both, audienceMatchType=match_type, split=whole("on")))
    assert variation(data, a=1) == "off"
    assert variation(data, a=1, b=1) == "on"


@pytest.mark.parametrize("conditions", [None, []])
def test_an_audience_whose_conditions_are_null_or_empty_matches(conditions: Any) -> None:
    assert variation(flag("f", rule(audiences=[{"conditions": conditions}], split=whole("on")))) == "on"
    assert variation(flag("f", rule(audiences=[{}], split=whole("on")))) == "on"


def test_a_condition_without_a_value_never_matches() -> None:
    for operator in ("equals", "not_equals", "in", "not_in", "contains", "not_contains", "greater_than"):
        data = flag("f", rule(audiences=[audience({"attribute": "a", "operator": operator})], split=whole("on")))
        assert variation(data, a=1) == "off"


def test_of_duplicates_the_first_flag_the_first_variation_and_the_last_variable_count() -> None:
    first = flag(
        "f",
        allocation=whole("on"),
        variables=[{"key": "v", "defaultValue": 1}, {"key": "v", "defaultValue": 2}, {"key": "w", "defaultValue": 0}],
        variations=[{"key": "on", "variables": {"w": "first"}}, {"key": "on", "variables": {"w": "second"}}],
    )
    client = SignaKitClient.offline(config(first, flag("f", allocation=whole("treatment"))))
    context = client.create_user_context("u")
    assert context is not None
    decision = context.decide("f")
    assert decision is not None
    assert decision.variation_key == "on"
    assert decision.variables == {"v": 2, "w": "first"}
    assert context.decide_all() == {"f": decision}


def test_an_archived_flag_hides_a_later_one_with_its_key() -> None:
    client = SignaKitClient.offline(config(flag("f", status="archived"), flag("f", allocation=whole("on"))))
    context = client.create_user_context("u")
    assert context is not None
    assert context.decide("f") is None
    assert context.decide_all() == {}


@pytest.mark.parametrize("declared", ["string", "number", "nonsense", None])
def test_an_override_of_null_and_an_absent_default_are_none_whatever_the_type(declared: str | None) -> None:
    data = flag(
        "f",
        allocation=whole("on"),
        variables=[
            {"key": "v", "type": declared, "defaultValue": "x"},
            {"key": "w", "type": declared},
            {"key": "x", "type": declared, "defaultValue": None},
        ],
        variations=[{"key": "on", "variables": {"v": None}}],
    )
    decision = decide(data)
    assert decision is not None
    assert decision.variables == {"v": None, "w": None, "x": None}


def test_flags_without_a_name_are_numbered_through_all_slices() -> None:
    many = [flag(f"f{number}", rule()) for number in range(1_000)]
    keys, problems = load(
        GOOD, {"salt": 1}, *many, {"salt": 2}, *({**item, "key": f"g{item['key']}"} for item in many), 5
    )
    assert len(keys) == 2_001
    assert [line.split(" skipped")[0] for line in problems] == ["flag number 1", "flag number 1002", "flag number 2003"]


def test_unknown_operators_are_remembered_up_to_a_bound() -> None:
    problems = Problems()
    for number in range(5_000):
        problems.unknown_operator(f"operator {number}" + "x" * 1_000)
    assert len(problems._operators) == MAX_PROBLEMS
    assert max(map(len, problems._operators)) == 100
    problems.close()
    assert len(problems.lines) == MAX_PROBLEMS
