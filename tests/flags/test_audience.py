"""Conditions and audiences: JSON types, every operator, and attributes that are not what they should be."""

from __future__ import annotations

import math
from collections import UserString
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from types import MappingProxyType
from typing import Any
from uuid import UUID

import pytest

from signakit_flags._evaluation.audience import (
    OPERATORS,
    CompiledAudiences,
    compile_audiences,
    compile_condition,
    json_key,
    json_key_within,
)
from signakit_flags._evaluation.config import Allocation, Audience, Condition, Rule
from signakit_flags._evaluation.slices import Budget, finish
from support.hostile import Counted

NEGATIVE = sorted(name for name in OPERATORS if "not_" in name)
POSITIVE = sorted(OPERATORS - set(NEGATIVE))
COMPARISONS = ["greater_than", "greater_than_or_equals", "less_than", "less_than_or_equals"]


def matches(actual: Any, operator: str, value: Any) -> bool:
    return compile_condition(Condition("a", operator, value))({"a": actual})


class Text(str):
    __slots__ = ()


class Odd(str):
    """Equal to nothing, and found nowhere; nor is anything found in it."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return False

    def __hash__(self) -> int:
        return 1

    def __contains__(self, item: object) -> bool:
        return False


class Whole(int):
    pass


class Plan(Enum):
    PRO = "pro"


UNUSABLE: list[Any] = [object(), {"a"}, b"pro", 1j, range(3), MappingProxyType({}), Plan, timedelta(1)]
"""Values that have no form in JSON."""


EQUAL: list[tuple[Any, Any]] = [
    ("pro", "pro"),
    ("", ""),
    (Text("pro"), "pro"),
    (Odd("pro"), "pro"),
    ([Odd("a")], ["a"]),
    (1, 1),
    (1, 1.0),
    (1.0, 1),
    (0, -0.0),
    (Whole(3), 3),
    (2**53 + 1, 2**53 + 1),
    (10**30, 10**30),
    (True, True),
    (False, False),
    (["a", 1], ["a", 1]),
    (("a", 1), ["a", 1]),
    ([1.0, [True]], [1, [True]]),
    ([], []),
    ({"k": [1]}, {"k": [1.0]}),
    ({}, {}),
    ([None], [None]),
    ({"k": None}, {"k": None}),
    (Decimal("5.00"), 5),
    (Decimal("0.1"), 0.1),
    (Decimal(10**30), 10**30),
    (Fraction(1, 2), 0.5),
    (Fraction(10**30), 10**30),
    (Plan.PRO, "pro"),
    (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
    (date(2026, 1, 2), "2026-01-02"),
    (datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "2026-01-02T03:04:05+00:00"),
    (UserString("pro"), "pro"),
    ([Decimal(1), Plan.PRO], [1, "pro"]),
    ({"k": Decimal(1)}, {"k": 1}),
    ({"b": 1, "a": [2]}, {"a": [2], "b": 1}),
]

DIFFERENT: list[tuple[Any, Any]] = [
    ("Pro", "pro"),
    ("pro ", "pro"),
    ("1", 1),
    (1, "1"),
    (1.0, "1.0"),
    (True, 1),
    (1, True),
    (1.0, True),
    (False, 0),
    (0, False),
    ("true", True),
    (True, "true"),
    ("", False),
    (2**53 + 1, 2.0**53),
    (10**30 + 1, 10**30),
    (math.nan, 1.0),
    (math.inf, 1e308),
    (["a"], "a"),
    ("a", ["a"]),
    (["a", "b"], ["b", "a"]),
    (["a"], ["a", "b"]),
    (["a", "b"], ["a"]),
    ([True], [1]),
    ([1], [True]),
    (["1"], [1]),
    ({"k": 1}, {"k": True}),
    ({"k": 1}, {"k": 1, "l": 2}),
    ({"k": 1, "l": 2}, {"k": 1}),
    ({"l": 1}, {"k": 1}),
    ([("k", 1)], {"k": 1}),
    ({}, []),
    ([], {}),
    (["a"], {"a": 1}),
    ([None], [0]),
    ([0], [None]),
    (Decimal("5.01"), 5),
    (Decimal("NaN"), 5),
    (Decimal("sNaN"), 5),
    (Decimal("Infinity"), 1e308),
    (Decimal(1), True),
    (Plan.PRO, "PRO"),
    (date(2026, 1, 2), "2026-01-02T00:00:00"),
    ([object()], ["a"]),
    ({1: 1}, {"1": 1}),
]


# As text one behind the other they would be the same.
ALIKE: list[tuple[Any, Any]] = [
    ({"a": 1, "b": 2}, {"a#1b": 2}),
    ({"a": 17, "b": 4, "d": 5, "e": 3}, {"a": 1, "b#41:d#51:e": 3}),
    (["#1"], [1]),
    (["True"], [True]),
    ([1, "a8:cdefghij"], [17, "a", "cdefghij"]),
    (["a", "b"], ["a1:b"]),
    ([[], []], [[[]]]),
    ([10], [0.0625]),
]


@pytest.mark.parametrize(("left", "right"), ALIKE)
def test_keys_of_different_values_differ(left: Any, right: Any) -> None:
    assert json_key(left) != json_key(right)
    assert not matches(left, "equals", right)
    assert not matches(right, "in", [left])


@pytest.mark.parametrize(("actual", "value"), EQUAL)
def test_equal_json_values_are_equal(actual: Any, value: Any) -> None:
    assert matches(actual, "equals", value)
    assert not matches(actual, "not_equals", value)
    key = json_key(value)
    assert json_key_within(actual, len(key)) == key


@pytest.mark.parametrize(("actual", "value"), DIFFERENT)
def test_values_of_another_type_or_content_are_not_equal(actual: Any, value: Any) -> None:
    assert not matches(actual, "equals", value)
    assert matches(actual, "not_equals", value)
    key = json_key(value)
    assert json_key_within(actual, len(key)) != key


@pytest.mark.parametrize(("actual", "value"), EQUAL)
def test_a_list_holds_what_equals_one_of_its_items(actual: Any, value: Any) -> None:
    assert matches(actual, "in", ["other", value])
    assert not matches(actual, "not_in", ["other", value])


@pytest.mark.parametrize(("actual", "value"), [pair for pair in DIFFERENT if pair[0] != "other"])
def test_a_list_does_not_hold_what_equals_none_of_its_items(actual: Any, value: Any) -> None:
    assert not matches(actual, "in", [value, "other"])
    assert matches(actual, "not_in", [value, "other"])


@pytest.mark.parametrize("value", ["a", "abc", 1, True, {"a": 1}, {}])
def test_nothing_is_in_what_is_no_list_and_everything_is_not_in_it(value: Any) -> None:
    assert not matches("a", "in", value)
    assert matches("a", "not_in", value)


def test_nothing_is_in_an_empty_list() -> None:
    assert not matches("a", "in", [])
    assert matches("a", "not_in", [])


@pytest.mark.parametrize(
    ("actual", "value", "held"),
    [
        ("abc", "b", True),
        ("abc", "", True),
        ("abc", "B", False),
        ("b", "abc", False),
        (["a", "b"], "b", True),
        (("a", "b"), "b", True),
        (["a", 1], "a", True),
        ([1, "a"], "a", True),
        (["ab"], "b", False),
        ([], "b", False),
        (["a"], "", False),
        ([["a"]], "a", False),
        ("1", 1, False),
        ([1], 1, False),
        ([True], True, False),
        ("abc", ["b"], False),
        (["b"], ["b"], False),
        (123, "2", False),
        ({"a": 1}, "a", False),
        ([Plan.PRO], "pro", True),
        ([object(), UserString("a")], "a", True),
        (UserString("abc"), "b", True),
    ],
)
def test_contains_is_text_in_text_or_text_in_a_list(actual: Any, value: Any, held: bool) -> None:
    assert matches(actual, "contains", value) is held
    assert matches(actual, "not_contains", value) is not held


@pytest.mark.parametrize(
    ("left", "right"),
    [(1, 2), (1, 1.5), (-1.5, 0), (2**53, 2**53 + 1), (2.0**53, 2**53 + 1), (1, math.inf), (False, 5)],
)
def test_numbers_compare_by_value_and_a_bool_is_none(left: Any, right: Any) -> None:
    counts = not isinstance(left, bool)
    assert matches(left, "less_than", right) is counts
    assert matches(left, "less_than_or_equals", right) is counts
    assert not matches(left, "greater_than", right)
    assert not matches(left, "greater_than_or_equals", right)
    if counts:
        assert matches(right, "greater_than", left)
        assert matches(right, "greater_than_or_equals", left)


def test_equal_numbers_are_neither_less_nor_greater() -> None:
    assert [matches(1, name, 1.0) for name in COMPARISONS] == [False, True, False, True]


@pytest.mark.parametrize("operator", COMPARISONS)
@pytest.mark.parametrize(
    ("actual", "value"),
    [
        ("2", 1),
        (2, "1"),
        ("b", "a"),
        ("a", "b"),
        (True, 0),
        (0, True),
        ([2], 1),
        (2, [1]),
        (math.nan, 1),
    ],
)
def test_a_comparison_of_what_is_no_number_never_holds(operator: str, actual: Any, value: Any) -> None:
    assert not matches(actual, operator, value)


@pytest.mark.parametrize("operator", sorted(OPERATORS))
@pytest.mark.parametrize("value", ["x", 0, False, ["x"], [None], {}])
def test_an_attribute_that_is_missing_or_none_never_matches(operator: str, value: Any) -> None:
    test = compile_condition(Condition("a", operator, value))
    assert not test({})
    assert not test({"b": "x"})
    assert not test({"a": None})


@pytest.mark.parametrize("operator", ["semver_greater_than", "regex", "", "EQUALS", "equals ", "__class__"])
def test_an_unknown_operator_never_matches(operator: str) -> None:
    assert not matches("x", operator, "x")
    assert not matches(1, operator, 1)


@pytest.mark.parametrize("operator", sorted(OPERATORS))
def test_a_condition_without_a_value_never_matches(operator: str) -> None:
    assert not compile_condition(Condition("a", operator))({"a": "x"})


@pytest.mark.parametrize("operator", POSITIVE)
def test_a_value_of_null_is_equal_to_nothing(operator: str) -> None:
    assert not matches("x", operator, None)
    assert not matches(0, operator, None)


def self_containing() -> list[Any]:
    value: list[Any] = ["a"]
    value.append(value)
    return value


@pytest.mark.parametrize("operator", sorted(OPERATORS))
@pytest.mark.parametrize("value", ["a", 1, True, ["a", ["a", ["a", 1]]], [["a", [1]]], {"a": [1]}])
def test_a_list_that_holds_itself_is_compared_without_end_nor_error(operator: str, value: Any) -> None:
    assert matches(self_containing(), operator, value) in {True, False}
    holder: dict[str, Any] = {}
    holder["a"] = holder
    assert matches(holder, operator, value) in {True, False}


def test_a_list_that_holds_itself_equals_no_list_of_the_config_but_contains_its_text() -> None:
    assert not matches(self_containing(), "equals", ["a", ["a", ["a", 1]]])
    assert matches(self_containing(), "contains", "a")


def test_no_more_of_an_attribute_is_looked_at_than_could_equal_what_is_asked_for() -> None:
    items = Counted([1] * 100_000)
    assert json_key_within(items, len(json_key([1] * 10))) is None
    assert items.asked <= 20
    assert json_key_within(self_containing(), 1_000_000) is None


def test_a_list_is_copied_once_and_then_stays_as_it_is() -> None:
    items = Counted(["a", Decimal(1), Plan.PRO])
    attributes: dict[str, Any] = {"a": items}
    for operator, value, holds in (
        ("contains", "pro", True),
        ("equals", ["a", 1, "pro"], True),
        ("contains", "b", False),
    ):
        assert compile_condition(Condition("a", operator, value))(attributes) is holds
        items.append("b")
    assert items.asked == 3


def test_a_deeply_nested_attribute_is_compared_no_deeper_than_the_value_of_the_condition() -> None:
    deep: Any = 1
    for _ in range(100_000):
        deep = [deep]
    assert not matches(deep, "equals", [[[1]]])
    assert not matches(deep, "in", [[[[1]]]])


@pytest.mark.parametrize("operator", sorted(OPERATORS))
@pytest.mark.parametrize("actual", UNUSABLE)
@pytest.mark.parametrize("value", ["a", 1, True, ["a", 1], {}])
def test_a_value_without_a_form_never_matches_whatever_the_operator(operator: str, actual: Any, value: Any) -> None:
    assert not matches(actual, operator, value)


def test_a_value_is_made_plain_once_in_the_attributes_of_the_context() -> None:
    asked: list[str] = []

    class Lazy:
        @property
        def __class__(self) -> Any:  # type: ignore[override]  # on purpose
            asked.append("class")
            return str

        def __str__(self) -> str:
            return "pro" if len(asked) < 3 else "free"

    attributes: dict[str, Any] = {"a": Lazy(), "b": Decimal("20.00")}
    test = compile_condition(Condition("a", "equals", "pro"))
    assert test(attributes)
    assert test(attributes)
    assert compile_condition(Condition("b", "greater_than", 18))(attributes)
    assert attributes == {"a": "pro", "b": 20}
    assert [type(value) for value in attributes.values()] == [str, float]


def colliding(count: int) -> list[int]:
    """Integers that all have one hash."""
    return [number * (2**61 - 1) + 5 for number in range(1, count + 1)]


def test_numbers_whose_hashes_collide_are_looked_up_as_any_others() -> None:
    """In a set of numbers, each of these 20,000 would be compared with all before it, 200 million times."""
    test = compile_condition(Condition("a", "in", colliding(20_000)))
    assert test({"a": colliding(20_000)[-1]})
    assert not test({"a": 5})
    assert not test({"a": colliding(20_000)[-1] + 1})


@pytest.mark.parametrize("operator", ["in", "not_in"])
def test_a_list_of_values_of_any_type_is_looked_up_by_type_and_value(operator: str) -> None:
    """Its numbers, and all else that is not text, are looked up by a text that stands for their type and value."""
    test = compile_condition(Condition("a", operator, [*range(1_000), 1.5, 10**30, True, None, [1], "x"]))
    held = [0, 999, 999.0, 1.5, 10**30, True, [1], [1.0], "x"]
    missing = [1_000, -1, 1.25, 10**30 + 1, False, [True], [2], [], "1", math.nan, math.inf, 10**5000]
    assert [test({"a": value}) for value in held] == [operator == "in"] * len(held)
    assert [test({"a": value}) for value in missing] == [operator == "not_in"] * len(missing)


def compiled(rule: Rule) -> CompiledAudiences:
    return finish(compile_audiences(rule, Budget()))


# --- audiences -------------------------------------------------------------------------------------------------------


def audiences(
    *groups: list[str] | None, match_type: str | None = None, operator: str = "equals", value: Any = 1
) -> CompiledAudiences:
    """Audiences whose conditions each ask for an attribute of that name, to be 1 unless said otherwise."""
    made = [
        Audience(None if names is None else tuple(Condition(name, operator, value) for name in names))
        for names in groups
    ]
    return compiled(Rule(100, Allocation(()), audience_match_type=match_type, audiences=tuple(made)))


def holds(compiled: CompiledAudiences, names: str) -> bool:
    return compiled.match(dict.fromkeys(names, 1))


@pytest.mark.parametrize("match_type", ["any", "all", None])
def test_no_audiences_are_everyone(match_type: str | None) -> None:
    assert holds(audiences(match_type=match_type), "")
    assert compiled(Rule(100, Allocation(()), audience_match_type=match_type)).match({})


@pytest.mark.parametrize("match_type", ["any", "all", None])
def test_one_audience_matches_when_all_its_conditions_do(match_type: str | None) -> None:
    compiled = audiences(["a", "b"], match_type=match_type)
    assert [holds(compiled, names) for names in ("", "a", "b", "ab")] == [False, False, False, True]


@pytest.mark.parametrize(
    ("match_type", "expected"),
    [
        ("any", [False, False, True, True, True]),
        ("all", [False, False, False, False, True]),
        (None, [False, False, False, False, True]),
        ("some", [False, False, False, False, True]),
    ],
)
def test_of_several_audiences_any_or_all_must_match(match_type: str | None, expected: list[bool]) -> None:
    compiled = audiences(["a", "b"], ["c"], match_type=match_type)
    assert [holds(compiled, names) for names in ("", "a", "ab", "c", "abc")] == expected


@pytest.mark.parametrize("empty", [None, []])
def test_an_empty_audience_matches_everyone(empty: list[str] | None) -> None:
    assert holds(audiences(empty), "")
    assert holds(audiences(empty, match_type="any"), "")
    assert holds(audiences(["a"], empty, match_type="any"), "")
    assert not holds(audiences(["a"], empty, match_type="all"), "")
    assert holds(audiences(["a"], empty, match_type="all"), "a")


EVERYTHING = [*(pair[0] for pair in (*EQUAL, *DIFFERENT)), *UNUSABLE]


@pytest.mark.parametrize("match_type", ["any", "all"])
@pytest.mark.parametrize(
    ("operator", "value"),
    [
        *[(name, "a") for name in sorted(OPERATORS)],
        ("equals", 1),
        ("equals", True),
        ("equals", ["a", 1]),
        ("in", []),
        ("in", ["a", "pro", ""]),
        ("in", ["a", 1, True]),
        ("not_in", ["a", "pro"]),
        ("unknown", "a"),
    ],
)
def test_an_audience_says_what_its_conditions_say(match_type: str, operator: str, value: Any) -> None:
    alone = compile_condition(Condition("a", operator, value))
    whole = audiences(["a"], match_type=match_type, operator=operator, value=value)
    twice = audiences(["a"], ["a"], match_type=match_type, operator=operator, value=value)
    for actual in [*EVERYTHING, None]:
        expected = bool(alone({"a": actual}))
        assert bool(whole.match({"a": actual})) is expected
        assert bool(twice.match({"a": actual})) is expected
    assert not whole.match({})
    assert not twice.match({})
