"""Conditions, compiled by the type of their value into predicates (PROTOCOL sections 5 and 8).

A predicate takes the attributes of a user and says whether the condition holds. Values are compared with their JSON
types: a bool is never a number, ``1`` equals ``1.0``, numeric text is text. An absent (or None) attribute never
matches, and neither does one whose value has no form in JSON.

The attributes are the context's own copy. What is not of a plain type is made plain there when it is first looked at
(``_values``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

from .._frozen import MAX_DEPTH
from .._types import plain_text
from .._values import SETTLED, NoFormError, plain, plain_attribute
from .config import NO_VALUE
from .slices import Budget, finish

if TYPE_CHECKING:
    from .config import Condition, Rule
    from .slices import Slices

Predicate: TypeAlias = Callable[[dict[str, Any]], bool]
"""Says whether the user who has these attributes is meant."""

Test: TypeAlias = Callable[[Any], bool]
"""Says whether a plain value, which is not None, is what a condition asks for."""

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

COMPARISONS = frozenset({"greater_than", "less_than", "greater_than_or_equals", "less_than_or_equals"})
"""Those of them that compare numbers."""


class CompiledCondition:
    """One condition, compiled.

    Attributes:
        holds: Says whether the condition holds for attributes.
        attribute, operator, value: What the config says, for ``explain()``. The value may be ``NO_VALUE``.
        texts: What it asks for, if that is one of several texts; else None.
    """

    __slots__ = ("attribute", "holds", "operator", "texts", "value")

    def __init__(self, condition: Condition, members: Members | None) -> None:
        self.attribute: str = condition.attribute
        self.operator: str = condition.operator
        self.value: Any = condition.value
        self.texts: frozenset[str] | None = _texts_of(condition, members)
        self.holds: Predicate = _predicate(condition, self.texts, members)


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

    def __init__(self, groups: tuple[tuple[CompiledCondition, ...], ...], *, any_of: bool) -> None:
        self.groups: tuple[tuple[CompiledCondition, ...], ...] = groups
        self.any_of: bool = any_of
        self.texts: tuple[tuple[str, frozenset[str]], ...] = ()
        self.rest: Predicate | None = None
        if self.any_of and len(self.groups) > 1:
            if () not in self.groups:
                self.rest = _any_of([_all_of([condition.holds for condition in group]) for group in self.groups])
            return
        conditions = [condition for group in self.groups for condition in group]
        self.texts = tuple((item.attribute, item.texts) for item in conditions if item.texts is not None)
        rest = [condition.holds for condition in conditions if condition.texts is None]
        self.rest = _all_of(rest) if rest else None

    def match(self, attributes: dict[str, Any]) -> bool:
        """Say whether a user is among them."""
        for name, texts in self.texts:
            actual = attributes.get(name)
            if type(actual) is not str:
                actual = plain_attribute(attributes, name, actual)
                if type(actual) is not str:
                    return False
            if actual not in texts:
                return False
        return self.rest is None or self.rest(attributes)


def compile_audiences(rule: Rule, budget: Budget) -> Slices[CompiledAudiences]:
    """Compile the audiences of a rule, in slices: a list in a condition may be huge."""
    groups: list[tuple[CompiledCondition, ...]] = []
    for audience in rule.audiences or ():
        group: list[CompiledCondition] = []
        for condition in audience.conditions or ():
            members = yield from _members(condition, budget)
            group.append(CompiledCondition(condition, members))
        groups.append(tuple(group))
    # An unknown match type means all (PROTOCOL section 8).
    return CompiledAudiences(tuple(groups), any_of=rule.audience_match_type == "any")


@dataclass(frozen=True, slots=True)
class Members:
    """What is in the list of a condition.

    Attributes:
        texts: The texts.
        keys: Keys of all else, see ``json_key``.
        longest: The length of the longest key.
    """

    texts: frozenset[str]
    keys: set[str]
    longest: int


def _members(condition: Condition, budget: Budget) -> Slices[Members | None]:
    """Return what is in the list of a condition, in slices; None for a condition that has no list to look into."""
    if condition.operator not in {"in", "not_in"} or not isinstance(condition.value, list):
        return None
    texts: set[str] = set()
    keys: set[str] = set()
    longest = 0
    for item in condition.value:
        if type(item) is str:
            texts.add(item)
            cost = 1
        else:
            key = json_key(item)
            keys.add(key)
            longest = max(longest, len(key))
            cost = _NUMBER_COST if type(item) in NUMBERS else _CONTAINER_COST
        if budget.spend(cost):
            yield
    return Members(frozenset(texts), keys, longest)


_NUMBER_COST, _CONTAINER_COST = 4, 40
"""What it takes to make a key, where to take in a text takes 1."""


def _texts_of(condition: Condition, members: Members | None) -> frozenset[str] | None:
    """Return the texts that a condition asks for, if that is all it asks."""
    if condition.operator == "equals" and isinstance(condition.value, str):
        return frozenset((condition.value,))
    return members.texts if members is not None and condition.operator == "in" and not members.keys else None


def _all_of(predicates: Sequence[Predicate]) -> Predicate:
    if len(predicates) == 1:
        return predicates[0]
    return lambda attributes: all(holds(attributes) for holds in predicates)


def _any_of(predicates: Sequence[Predicate]) -> Predicate:
    return lambda attributes: any(holds(attributes) for holds in predicates)


def compile_condition(condition: Condition) -> Predicate:
    """Return what says whether one condition holds."""
    return CompiledCondition(condition, finish(_members(condition, Budget()))).holds


def _predicate(condition: Condition, texts: frozenset[str] | None, members: Members | None) -> Predicate:
    name, value = condition.attribute, condition.value
    if value is NO_VALUE or condition.operator not in OPERATORS:
        return _never
    if texts is not None:
        return _when(name, lambda actual: type(actual) is str and actual in texts)
    match condition.operator:
        case "equals":
            return _when(name, _equals(value))
        case "not_equals":
            return _when(name, _not(_equals(value)))
        case "in":
            return _when(name, _in(members))
        case "not_in":
            return _when(name, _not(_in(members)))
        case "contains":
            return _when(name, _contains(value))
        case "not_contains":
            return _when(name, _not(_contains(value)))
        case comparison:
            return _when(name, _compare(comparison, value))


def _never(_anything: object) -> bool:
    return False


def _when(name: str, test: Test) -> Predicate:
    def holds(attributes: dict[str, Any]) -> bool:
        actual = attributes.get(name)
        if type(actual) not in SETTLED:
            actual = plain_attribute(attributes, name, actual)
        return actual is not None and test(actual)

    return holds


def _not(test: Test) -> Test:
    return lambda actual: not test(actual)


NUMBERS = frozenset({int, float})
"""The types of plain values that are numbers in JSON's sense: a bool is not one."""


def _equals(value: Any) -> Test:
    if value is None:
        return _never  # what is null is absent, and what is absent never matches
    kind = type(value)
    if kind is bool:
        return lambda actual: actual is value
    if kind is str:
        return lambda actual: type(actual) is str and actual == value
    if kind in NUMBERS:
        return lambda actual: type(actual) in NUMBERS and actual == value
    key = json_key(value)
    return lambda actual: json_key_within(actual, len(key)) == key


def _in(members: Members | None) -> Test:
    if members is None:
        return _never
    texts, keys, longest = members.texts, members.keys, members.longest

    def test(actual: Any) -> bool:
        return actual in texts if type(actual) is str else json_key_within(actual, longest) in keys

    return test


def _contains(value: Any) -> Test:
    if not isinstance(value, str):
        return _never

    def test(actual: Any) -> bool:
        if type(actual) is str:
            return value in actual
        return isinstance(actual, (list, tuple)) and any(map(is_value, actual))

    def is_value(item: Any) -> bool:
        if type(item) is str:
            return item == value
        try:
            found = plain(item)
        except NoFormError:
            return False
        return type(found) is str and found == value

    return test


def _compare(operator: str, value: Any) -> Test:
    if type(value) not in NUMBERS:
        return _never
    match operator:
        case "greater_than":
            return lambda actual: type(actual) in NUMBERS and actual > value
        case "less_than":
            return lambda actual: type(actual) in NUMBERS and actual < value
        case "greater_than_or_equals":
            return lambda actual: type(actual) in NUMBERS and actual >= value
        case _:
            return lambda actual: type(actual) in NUMBERS and actual <= value


def json_key(value: Any) -> str:
    """Return a text that two values have in common just if they are equal as JSON.

    Containers are compared by their items, numbers by value and exactly, a bool with a bool alone. Text and not the
    number itself stands for a number, since the hashes of numbers can be made to collide, and a config is untrusted.

    Args:
        value: A value of a config, of checked depth.
    """
    return _number_token(value) if type(value) in NUMBERS else "".join(_tokens(value, 0))


def json_key_within(value: Any, longest: int) -> str | None:
    """Return the key of an attribute.

    Args:
        value: A plain value, or a container of anything, also one that holds itself.
        longest: The length of the longest key that it is compared with. No more of ``value`` is looked at.

    Returns:
        None where the key is longer, and where something in ``value`` has no form in JSON: then it equals no other.
    """
    tokens: list[str] = []
    try:
        for token in _tokens(value, 0):
            longest -= len(token)
            if longest < 0:
                return None
            tokens.append(token)
    except NoFormError:
        return None
    return "".join(tokens)


def _tokens(value: Any, depth: int) -> Iterator[str]:
    if depth > MAX_DEPTH:
        raise NoFormError
    value = plain(value)
    if isinstance(value, (list, tuple)):
        yield "["
        for item in value:
            yield from _tokens(item, depth + 1)
            yield ","
        yield "]"
    elif isinstance(value, dict):
        yield "{"
        for name, item in sorted(((_name(name), item) for name, item in value.items()), key=itemgetter(0)):
            yield f"{len(name)}:{name}"
            yield from _tokens(item, depth + 1)
            yield ","
        yield "}"
    elif type(value) is str:
        yield f"{len(value)}:{value}"
    elif value is None or type(value) is bool:
        yield str(value)
    else:
        yield _number_token(value)


def _number_token(value: float) -> str:
    if type(value) is float:
        return f"#{int(value):x}" if value.is_integer() else f"#{value.hex()}"
    return f"#{value:x}"


def _name(name: object) -> str:
    if not isinstance(name, str):
        raise NoFormError
    return plain_text(name)
