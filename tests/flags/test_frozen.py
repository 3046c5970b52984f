from __future__ import annotations

import copy
import dataclasses
import json
import marshal
import pickle
from typing import TYPE_CHECKING, Any

import msgspec
import pydantic_core
import pytest
import yaml
from django.core.serializers.json import DjangoJSONEncoder
from fastapi.encoders import jsonable_encoder

from signakit_flags import Decision
from signakit_flags._frozen import MAX_DEPTH, ReadOnlyDict, ReadOnlyList, TooDeepError, count_containers, freeze, thaw

if TYPE_CHECKING:
    from collections.abc import Callable

PLAIN: dict[str, Any] = {"a": {"b": [1, {"c": "d"}]}, "e": [[2], None, 1.5, True]}


def lists(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


def dicts(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = {"k": value}
    return value


def assign(target: Any) -> None:
    target["a"] = 1


def delete(target: Any) -> None:
    del target["a"]


def update_in_place(target: Any) -> None:
    target |= {"z": 1}


DICT_CHANGES: list[Callable[[Any], object]] = [
    assign,
    delete,
    update_in_place,
    lambda target: target.clear(),
    lambda target: target.pop("a"),
    lambda target: target.pop("nope", None),
    lambda target: target.popitem(),
    lambda target: target.setdefault("a", 1),
    lambda target: target.setdefault("nope", 1),
    lambda target: target.update(a=1),
    lambda target: target.update({}),
]


def assign_item(target: Any) -> None:
    target[0] = 9


def assign_slice(target: Any) -> None:
    target[:] = []


def delete_item(target: Any) -> None:
    del target[0]


def add_in_place(target: Any) -> None:
    target += [9]


def multiply_in_place(target: Any) -> None:
    target *= 2


LIST_CHANGES: list[Callable[[Any], object]] = [
    assign_item,
    assign_slice,
    delete_item,
    add_in_place,
    multiply_in_place,
    lambda target: target.append(9),
    lambda target: target.clear(),
    lambda target: target.extend([9]),
    lambda target: target.insert(0, 9),
    lambda target: target.pop(),
    lambda target: target.remove(3),
    lambda target: target.reverse(),
    lambda target: target.sort(),
]


@pytest.mark.parametrize("change", DICT_CHANGES)
def test_a_frozen_dict_refuses_every_change_and_says_how_to_get_a_copy(change: Callable[[Any], object]) -> None:
    frozen = freeze({"a": 3, "b": 1})
    with pytest.raises(TypeError, match=r"read-only; change a copy: dict\.copy\(\)"):
        change(frozen)
    assert frozen == {"a": 3, "b": 1}


@pytest.mark.parametrize("change", LIST_CHANGES)
def test_a_frozen_list_refuses_every_change_and_says_how_to_get_a_copy(change: Callable[[Any], object]) -> None:
    frozen = freeze([3, 1])
    with pytest.raises(TypeError, match=r"read-only; change a copy: list\.copy\(\)"):
        change(frozen)
    assert frozen == [3, 1]


@pytest.mark.parametrize("kind", [ReadOnlyDict, ReadOnlyList])
def test_no_method_that_changes_the_container_was_forgotten(kind: type) -> None:
    base = kind.__mro__[1]
    readers = {
        dict: {"copy", "fromkeys", "get", "items", "keys", "values"},
        list: {"copy", "count", "index"},
    }[base]
    changing = {name for name in vars(base) if not name.startswith("_")} - readers
    changing |= {"__setitem__", "__delitem__", "__ior__", "__iadd__", "__imul__"} & set(vars(base))
    assert changing <= set(vars(kind))


def test_freezing_reaches_all_the_way_down() -> None:
    frozen = freeze(PLAIN)
    assert type(frozen) is ReadOnlyDict
    assert type(frozen["a"]) is ReadOnlyDict
    assert type(frozen["a"]["b"]) is ReadOnlyList
    assert type(frozen["a"]["b"][1]) is ReadOnlyDict
    assert type(frozen["e"][0]) is ReadOnlyList


@pytest.mark.parametrize("value", ["text", 1, 1.5, True, None])
def test_what_is_no_container_stays_as_it_is(value: object) -> None:
    assert freeze(value) is value
    assert thaw(value) is value


def test_frozen_data_reads_like_plain_data() -> None:
    frozen = freeze(PLAIN)
    assert isinstance(frozen, dict)
    assert isinstance(frozen["e"], list)
    assert frozen == PLAIN
    assert frozen["e"] == PLAIN["e"]
    assert json.dumps(frozen) == json.dumps(PLAIN)
    assert repr(frozen) == repr(PLAIN)
    assert frozen | {"f": 1} == {**PLAIN, "f": 1}
    assert [0, *frozen["e"]] == [0, *PLAIN["e"]]


@pytest.mark.parametrize(
    "duplicate",
    [
        lambda frozen: frozen.copy(),
        copy.copy,
        copy.deepcopy,
        lambda frozen: pickle.loads(pickle.dumps(frozen)),
        thaw,
    ],
    ids=["copy()", "copy.copy", "copy.deepcopy", "pickle", "thaw"],
)
@pytest.mark.parametrize("plain", [PLAIN, [PLAIN, [1]]], ids=["dict", "list"])
def test_every_kind_of_copy_is_plain_and_mutable_all_the_way_down(duplicate: Callable[[Any], Any], plain: Any) -> None:
    frozen = freeze(plain)
    made = duplicate(frozen)
    assert made == plain
    inner = made if isinstance(made, dict) else made[0]
    assert type(made) is type(plain)
    assert type(inner) is dict
    assert type(inner["a"]) is dict
    assert type(inner["a"]["b"]) is list
    inner["a"]["b"].append("new")
    assert frozen == plain


@pytest.mark.parametrize(
    "dump",
    [yaml.safe_dump, lambda data: yaml.dump(data, Dumper=yaml.CSafeDumper), marshal.dumps],
    ids=["yaml", "yaml in C", "marshal"],
)
def test_what_looks_up_the_exact_type_takes_a_copy_alone(dump: Callable[[Any], Any]) -> None:
    frozen = freeze(PLAIN)
    for value in (frozen, [frozen], frozen["e"], {**frozen}):
        with pytest.raises((yaml.representer.RepresenterError, ValueError)):
            dump(value)
    assert dump(frozen.copy()) == dump(PLAIN)
    assert dump(frozen["e"].copy()) == dump(PLAIN["e"])


def test_a_copy_is_read_back_from_yaml_as_it_was_written() -> None:
    assert yaml.safe_load(yaml.safe_dump(freeze(PLAIN).copy())) == PLAIN


def test_other_serialisers_take_it_as_it_is() -> None:
    frozen = freeze(PLAIN)
    for dump in (
        json.dumps,
        msgspec.json.encode,
        msgspec.yaml.encode,
        pydantic_core.to_json,
        DjangoJSONEncoder().encode,
    ):
        assert dump(frozen) == dump(PLAIN)
    assert msgspec.to_builtins(frozen) == jsonable_encoder(frozen) == PLAIN


def test_the_decision_as_a_dict_keeps_its_variables_read_only() -> None:
    decision = Decision("f", "on", enabled=True, rule_key=None, rule_type=None, variables=freeze(PLAIN))
    assert type(dataclasses.asdict(decision)["variables"]) is ReadOnlyDict


def test_a_copy_inside_a_deep_copy_of_other_data_is_mutable() -> None:
    made = copy.deepcopy({"variables": freeze(PLAIN)})
    made["variables"]["a"]["b"].append(1)
    assert made["variables"]["a"]["b"] == [1, {"c": "d"}, 1]


@pytest.mark.parametrize("nest", [lists, dicts])
def test_nesting_is_allowed_up_to_a_limit_and_refused_beyond_it(nest: Callable[[int], Any]) -> None:
    count_containers(nest(MAX_DEPTH))
    with pytest.raises(TooDeepError, match="deeper than 64 levels"):
        count_containers(nest(MAX_DEPTH + 1))


def test_the_freezing_makes_a_copy() -> None:
    plain = {"a": [1]}
    frozen = freeze(plain)
    plain["a"].append(2)
    assert frozen == {"a": [1]}
