from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import mmh3
import pytest

from conformance.vectors import load, number, our_answer, overrides, strict
from signakit_flags import SignaKitClient
from signakit_flags._evaluation.audience import compile_audiences, compile_condition
from signakit_flags._evaluation.bucketing import bucket
from signakit_flags._evaluation.config import NO_VALUE, Allocation, Audience, Condition, Rule
from signakit_flags._evaluation.slices import Budget, finish

if TYPE_CHECKING:
    from signakit_flags import Decision

CASES = {
    "hashing": 1017,
    "conditions": 8507,
    "loose_configs": 79,
    "events": 204,
}
"""How many there are, so that an empty file passes no test."""


def row(decision: Decision | None) -> list[Any] | None:
    if decision is None:
        return None
    return [
        decision.variation_key,
        decision.enabled,
        decision.rule_key,
        decision.rule_type,
        decision.variables,
    ]


def test_every_hash_and_bucket_is_ours() -> None:
    cases = load("hashing")["cases"]
    assert len(cases) == CASES["hashing"]
    wrong = []
    for case in cases:
        expected = our_answer("hashing", case["id"], case.get("observed"), case.get("expected"))
        if case["fn"] == "murmur3_32":
            # The bare hash is mmh3's; this says that it is the one the vectors mean.
            actual: Any = mmh3.mmh3_32_uintdigest(case["input"].encode("utf-8", "surrogatepass"))
        else:
            names = ("traffic", "variation", "default")
            actual = [bucket(f"{case['salt']}:{name}:", case["user"]) for name in names]
        if actual != expected:
            wrong.append((case["id"], expected, actual))
    assert wrong == []


def test_every_condition_is_answered_as_recorded() -> None:
    cases = load("conditions")["cases"]
    assert len(cases) == CASES["conditions"]
    wrong = []
    for case in cases:
        recorded = case["c"]
        value = number(recorded["value"]) if "value" in recorded else NO_VALUE
        condition = Condition(recorded["attribute"], recorded["operator"], value)
        attributes = number(case["a"] or {})
        actual = compile_condition(condition)(attributes)
        # And as a rule asks it, which looks texts up instead of calling the test.
        rule = Rule(100, Allocation([]), audiences=[Audience([condition])])
        assert finish(compile_audiences(rule, Budget())).match(attributes) is actual, case["id"]
        expected = our_answer("conditions", case["id"], case.get("observed"), case.get("expected"))
        if actual is not expected:
            wrong.append((recorded, case["a"], expected, actual))
    assert wrong == []


@pytest.mark.parametrize("suite", load("evaluation")["suites"], ids=lambda suite: suite["suite"])
def test_every_decision_is_as_recorded(suite: dict[str, Any]) -> None:
    client = SignaKitClient.offline(suite["config"])
    assert suite["cases"]
    for case in suite["cases"]:
        expected = {key: decision for key, decision in case["decisions"].items() if decision is not None}
        for flag_key, observed in case.get("differs", {}).items():
            expected[flag_key] = our_answer("evaluation", f"{case['id']} {flag_key}", observed)
        context = client.create_user_context(case["user"], number(case["attrs"]))
        assert context is not None
        together = {key: row(decision) for key, decision in context.decide_all().items()}
        assert strict(together) == strict(expected), case["id"]
        alone = client.create_user_context(case["user"], number(case["attrs"]))
        assert alone is not None
        asked = case["decisions"].keys() | case.get("differs", {}).keys()
        assert strict({key: row(alone.decide(key)) for key in asked}) == strict(
            {key: expected.get(key) for key in asked}
        ), case["id"]


@pytest.mark.parametrize("case", load("evaluation")["loose_configs"], ids=lambda case: case["id"])
def test_every_loose_config_is_read_as_the_protocol_says(case: dict[str, Any]) -> None:
    assert len(load("evaluation")["loose_configs"]) == CASES["loose_configs"]
    expected = our_answer("loose_configs", case["id"], case.get("observed"), case.get("expected"))
    try:
        client = SignaKitClient.offline(case["config_text"].encode("utf-8", "surrogatepass"))
    except ValueError:
        assert expected == "config_error"
        return
    context = client.create_user_context(case["user"], case["attrs"])
    assert context is not None
    actual = {
        "decide": row(context.decide(case["flag"])),
        "decide_all": {key: row(decision) for key, decision in context.decide_all().items()},
    }
    assert strict(actual) == strict(expected)


@pytest.mark.parametrize("case", load("events")["cases"], ids=lambda case: case["id"])
def test_every_event_is_as_recorded(case: dict[str, Any]) -> None:
    assert len(load("events")["cases"]) == CASES["events"]
    client = SignaKitClient.offline(load("events")["configs"][case["config"]], record_events=True)
    context = client.create_user_context(case["user"], number(case["attrs"]))
    assert context is not None
    steps: list[dict[str, Any]] = []
    for step in case["steps"]:
        if step[0] == "decide":
            decision = context.decide(step[1])
            steps.append({"decision": None if decision is None else [decision.flag_key, *(row(decision) or [])]})
        elif step[0] == "decide_all":
            decisions = context.decide_all()
            steps.append({"decisions": {key: [key, *(row(decision) or [])] for key, decision in decisions.items()}})
        else:
            context.track(step[1], **number(step[2] if len(step) > 2 else {}))
            steps.append({"tracked": True})
    expected = our_answer("events", case["id"], case.get("observed"), case.get("expected"))
    assert strict(steps) == strict(expected["steps"])
    # As a set: the order within one decide_all means nothing, and repeated exposures are not sent again.
    assert as_set(client.recorded_events) == as_set(event for body in expected["bodies"] for event in body["events"])


def as_set(events: Any) -> set[str]:
    return {json.dumps(floats({**event, "timestamp": "<ts>"}), sort_keys=True) for event in events}


def floats(value: Any) -> Any:
    """1.0 as 1, at any depth."""
    if isinstance(value, dict):
        return {key: floats(item) for key, item in value.items()}
    if isinstance(value, list):
        return [floats(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 2**53 else value


def test_every_override_names_a_case_that_exists() -> None:
    existing = {
        "hashing": {case["id"] for case in load("hashing")["cases"]},
        "conditions": {case["id"] for case in load("conditions")["cases"]},
        "evaluation": {
            f"{case['id']} {flag_key}"
            for suite in load("evaluation")["suites"]
            for case in suite["cases"]
            for flag_key in case.get("differs", {})
        },
        "loose_configs": {case["id"] for case in load("evaluation")["loose_configs"]},
        "events": {case["id"] for case in load("events")["cases"]},
    }
    for file, ids in existing.items():
        assert overrides(file).keys() <= ids
    assert {row["file"] for row in load("overrides")} == existing.keys()


@pytest.mark.parametrize("recorded", load("events")["sdk_keys"], ids=lambda recorded: repr(recorded["key"]))
def test_every_sdk_key_is_parsed_as_recorded_or_more_strictly(recorded: dict[str, Any]) -> None:
    from signakit_flags import parse_sdk_key

    # Section 1: white space around the key is stripped, and characters outside A-Z a-z 0-9 - are malformed.
    ours = {
        " sk_dev_org_12_abc": {"orgId": "org", "projectId": "12", "environment": "development"},
        "sk_dev_o/r/g_1 2_abc": "error",
        "sk_dev_ör_1_x": "error",
    }
    expected = ours.get(recorded["key"], recorded["expected"])
    if expected == "error":
        with pytest.raises(ValueError):
            parse_sdk_key(recorded["key"])
        return
    key = parse_sdk_key(recorded["key"])
    assert {"orgId": key.org_id, "projectId": key.project_id, "environment": key.environment} == expected
