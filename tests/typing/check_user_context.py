"""Checked by mypy, never run: what comes of a context's questions."""

from __future__ import annotations

from decimal import Decimal
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, assert_type

from signakit_flags import (
    Decision,
    Decisions,
    Explanation,
    SignaKitUserContext,
    Step,
    TrackEventOptions,
    VariableValue,
)

if TYPE_CHECKING:
    from collections.abc import Coroutine


def decisions(context: SignaKitUserContext) -> None:
    decision = context.decide("f")
    assert_type(decision, Decision | None)
    if decision is not None:
        assert_type(decision.enabled, bool)
    if decision and decision.enabled:
        assert_type(decision.flag_key, str)
        assert_type(decision.variation_key, str)
        assert_type(decision.rule_key, str | None)
        assert_type(decision.rule_type, str | None)
        assert_type(decision.variables, dict[str, VariableValue])
    assert_type(context.decide_all(), Decisions)
    assert_type(context.decide_all(), dict[str, Decision])
    assert_type(context.is_enabled("f"), bool)
    assert_type(context.is_enabled("f", True), bool)
    assert_type(context.is_enabled("f", default=True), bool)
    assert_type(context.variation("f"), str)
    assert_type(context.variation("f", "blue"), str)


def a_decision_of_your_own() -> None:
    assert_type(Decision("f", "on", True, None, None).variables, dict[str, VariableValue])
    Decision(flag_key="f", variation_key="on", enabled=True, rule_key=None, rule_type=None, variables={"a": 1})


def variables_have_the_type_of_their_default(context: SignaKitUserContext, names: list[str]) -> None:
    assert_type(context.variable("f", "v", "red"), str)
    assert_type(context.variable("f", "v", 1), int)
    assert_type(context.variable("f", "v", 0.5), float)
    assert_type(context.variable("f", "v", True), bool)
    assert_type(context.variable("f", "v", names), list[str])
    settings: dict[str, Any] = {}
    assert_type(context.variable("f", "v", settings), dict[str, Any])
    assert_type(context.variable("f", "v", None), VariableValue)
    assert_type(context.variable("f", "v", default="red"), str)
    text: str = context.variable("f", "v", "red")
    number: float = context.variable("f", "v", 1)
    maybe: str | None = context.variable("f", "v", "red")
    print(text, number, maybe)


def a_variable_without_a_default_is_narrowed_by_the_application(context: SignaKitUserContext) -> None:
    value = context.variable("f", "v", None)
    if isinstance(value, dict):
        assert_type(value, dict[str, Any])
    elif isinstance(value, list):
        assert_type(value, list[Any])
    else:
        assert_type(value, str | int | float | bool | None)


def the_user(context: SignaKitUserContext) -> None:
    assert_type(context.user_id, str)
    assert_type(context.attributes, dict[str, Any])
    assert_type(context.is_bot, bool)


def explanations(context: SignaKitUserContext) -> None:
    explanation = context.explain("f")
    assert_type(explanation, Explanation)
    assert_type(explanation.flag_key, str)
    assert_type(explanation.user_id, str)
    assert_type(explanation.decision, Decision | None)
    assert_type(explanation.steps, tuple[Step, ...])
    for step in explanation.steps:
        assert_type(step.passed, bool)
        assert_type(step.detail, str)
        assert_type(step.rule, str | None)
        assert_type(step.bucket, int | None)
        assert_type(step.threshold, int | None)
        if step.kind == "traffic":
            print(step)


async def conversions(context: SignaKitUserContext) -> None:
    context.track("buy")
    context.track("buy", 1)
    context.track("buy", 9.5, {"sku": "A1", "items": [1, {"a": None}]})
    context.track("buy", value=Decimal("9.50"), metadata=MappingProxyType({"sku": "A1"}))
    await context.track_event("buy")
    await context.track_event("buy", 9.5, {"sku": "A1"})
    await context.track_event("buy", value=None, metadata=None)
    coroutine: Coroutine[Any, Any, None] = context.track_event("buy")
    await coroutine
    options = TrackEventOptions(value=1, metadata={"a": 1})
    await context.track_event("buy", options.value, options.metadata)
    assert_type(options.value, float | None)
    assert_type(options.metadata, dict[str, Any] | None)
