"""Conditions, compiled by the type of their value into predicates (PROTOCOL sections 5 and 8).

A predicate takes the attributes of a user and says whether the condition holds. Values are compared with their JSON
types: a bool is never a number, ``1`` equals ``1.0``, numeric text is text. An absent (or None) attribute never
matches. Text of a subclass counts by its characters, as it is sent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

from .._types import plain_text
from .config import NO_VALUE

if TYPE_CHECKING:
    from .config import Condition, Rule

Predicate: TypeAlias = Callable[[Mapping[str, Any]], bool]
"""Says whether the user who has these attributes is meant."""

Operator: TypeAlias = Literal[
    "equals",
    "not_equals",
    "greater_than",
    "less_than",
    "greater_than_or_equals",
    "less_than_or_equals",
    "in",
    "not_in",
    "contains",
    "not_contains",
]

OPERATORS = frozenset(get_args(Operator))


class CompiledCondition:
    """One condition, compiled.

    Attributes:
        holds: Says whether the condition holds for attributes.
        attribute, operator, value: What the config says, for ``explain()``. The value may be ``NO_VALUE``.
    """

    __slots__ = ("attribute", "holds", "operator", "value")

    def __init__(self, condition: Condition) -> None:
        self.attribute: str = condition.attribute
        self.operator: str = condition.operator
        self.value: Any = condition.value
        self.holds: Predicate = compile_condition(condition)


class CompiledAudiences:
    """The audiences of one rule. They match when every one of ``texts`` holds, and ``rest`` does.

    Attributes:
        groups: The conditions of each audience, for ``explain()``.
        any_of: True when one matching audience is enough.
        texts: (attribute, texts): the attribute must be one of the texts. Most conditions are of this kind, and to look
            them up in a loop costs a third of calling a predicate for each.
        rest: The other conditions; None where there are none.
    """

    __slots__ = ("any_of", "groups", "rest", "texts")

    def __init__(self, rule: Rule) -> None:
        self.groups: tuple[tuple[CompiledCondition, ...], ...] = tuple(
            tuple(CompiledCondition(condition) for condition in audience.conditions or ())
            for audience in rule.audiences or ()
        )
        # An unknown match type means all (PROTOCOL section 8).
        self.any_of: bool = rule.audience_match_type == "any"
        self.texts: tuple[tuple[str, frozenset[str]], ...] = ()
        self.rest: Predicate | None = None
        if self.any_of and len(self.groups) > 1:
            if () not in self.groups:
                self.rest = _any_of([_all_of([condition.holds for condition in group]) for group in self.groups])
            return
        conditions = [condition for group in self.groups for condition in group]
        texts = [(condition.attribute, _texts_of(condition)) for condition in conditions]
        self.texts = tuple((attribute, wanted) for attribute, wanted in texts if wanted is not None)
        rest = [condition.holds for condition in conditions if _texts_of(condition) is None]
        self.rest = _all_of(rest) if rest else None

    def match(self, attributes: Mapping[str, Any]) -> bool:
        """Say whether a user is among them."""
        for name, texts in self.texts:
            actual = attributes.get(name)
            if type(actual) is not str:
                if not isinstance(actual, str):
                    return False
                actual = plain_text(actual)
            if actual not in texts:
                return False
        return self.rest is None or self.rest(attributes)


def _texts_of(condition: CompiledCondition) -> frozenset[str] | None:
    """Return the texts that a condition asks for, if that is all it asks."""
    value = condition.value
    if condition.operator == "equals" and isinstance(value, str):
        return frozenset((value,))
    if condition.operator == "in" and isinstance(value, list) and all(isinstance(item, str) for item in value):
        return frozenset(value)
    return None


def _all_of(predicates: Sequence[Predicate]) -> Predicate:
    if len(predicates) == 1:
        return predicates[0]
    return lambda attributes: all(holds(attributes) for holds in predicates)


def _any_of(predicates: Sequence[Predicate]) -> Predicate:
    return lambda attributes: any(holds(attributes) for holds in predicates)


def compile_condition(condition: Condition) -> Predicate:
    """Return what says whether one condition holds."""
    name, value = condition.attribute, condition.value
    if value is NO_VALUE or condition.operator not in OPERATORS:
        return _never
    match condition.operator:
        case "equals":
            return _equals(name, value)
        case "not_equals":
            return _present_and_not(name, _equals(name, value))
        case "in":
            return _in(name, value)
        case "not_in":
            return _present_and_not(name, _in(name, value))
        case "contains":
            return _contains(name, value)
        case "not_contains":
            return _present_and_not(name, _contains(name, value))
        case comparison:
            return _compare(name, comparison, value)


def _never(_attributes: Mapping[str, Any]) -> bool:
    return False


def _present_and_not(name: str, predicate: Predicate) -> Predicate:
    return lambda attributes: attributes.get(name) is not None and not predicate(attributes)


def _text_of(value: object) -> str | None:
    """Return text by its characters, whatever methods its type has; None for what is no text."""
    if type(value) is str:
        return value
    return plain_text(value) if isinstance(value, str) else None


def _is_text(value: object, text: str) -> bool:
    return _text_of(value) == text


def is_number(value: object) -> bool:
    """Say whether ``value`` is a number in JSON's sense: a bool is none."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _equals(name: str, value: Any) -> Predicate:
    if isinstance(value, str):
        return lambda attributes: _is_text(attributes.get(name), value)
    if isinstance(value, bool):
        return lambda attributes: attributes.get(name) is value
    if value is None:
        return _never  # what is null is absent, and what is absent never matches
    return lambda attributes: same_json(attributes.get(name), value)


def same_json(left: Any, right: Any) -> bool:
    """Compare two values as JSON: containers by their items, numbers by value, a bool with a bool alone.

    ``right`` comes from the config and has bounded depth; ``left`` may be anything, even a list that holds itself.
    """
    if isinstance(right, bool) or isinstance(left, bool):
        return left is right
    if isinstance(right, (int, float)):
        return isinstance(left, (int, float)) and left == right
    if isinstance(right, str):
        return _is_text(left, right)
    if isinstance(right, list):
        return (
            isinstance(left, (list, tuple))
            and len(left) == len(right)
            and all(same_json(a, b) for a, b in zip(left, right, strict=True))
        )
    if isinstance(right, dict):
        return (
            isinstance(left, dict)
            and len(left) == len(right)
            and all(key in left and same_json(left[key], item) for key, item in right.items())
        )
    return left is None and right is None


def _in(name: str, value: Any) -> Predicate:
    if not isinstance(value, list):
        return _never
    texts = frozenset(item for item in value if isinstance(item, str))
    others = [item for item in value if not isinstance(item, str)]
    if not others:
        return lambda attributes: _text_of(attributes.get(name)) in texts

    def holds(attributes: Mapping[str, Any]) -> bool:
        actual = attributes.get(name)
        if actual is None:
            return False
        if isinstance(actual, str):
            return _text_of(actual) in texts
        return any(same_json(actual, item) for item in others)

    return holds


def _contains(name: str, value: Any) -> Predicate:
    if not isinstance(value, str):
        return _never

    def holds(attributes: Mapping[str, Any]) -> bool:
        actual = attributes.get(name)
        text = _text_of(actual)
        if text is not None:
            return value in text
        if isinstance(actual, (list, tuple)):
            return any(_is_text(item, value) for item in actual)
        return False

    return holds


def _compare(name: str, operator: str, value: Any) -> Predicate:
    if not is_number(value):
        return _never
    match operator:
        case "greater_than":
            return lambda attributes: is_number(actual := attributes.get(name)) and actual > value
        case "less_than":
            return lambda attributes: is_number(actual := attributes.get(name)) and actual < value
        case "greater_than_or_equals":
            return lambda attributes: is_number(actual := attributes.get(name)) and actual >= value
        case _:
            return lambda attributes: is_number(actual := attributes.get(name)) and actual <= value
