"""What of a config is stored outside the process."""

from __future__ import annotations

import json

import msgspec
import pytest

from signakit_flags._evaluation.ruleset import load_ruleset
from signakit_flags._evaluation.slices import finish
from signakit_flags._evaluation.stripping import stripped
from support.configs import SDK_KEY, config, flag, rule, whole

CONFIG = config(flag("f", rule("r"), allocation=whole("on")), version=7)


def test_the_sdk_key_and_unknown_fields_are_taken_out_and_all_else_is_as_it_was() -> None:
    kept = stripped(json.dumps(CONFIG | {"new": {"sdkKey": SDK_KEY}}).encode())
    assert SDK_KEY.encode() not in kept
    assert json.loads(kept) == {name: value for name, value in CONFIG.items() if name != "sdkKey"}


def test_what_is_called_alike_within_a_flag_stays() -> None:
    variable = {"key": "sdkKey", "type": "json", "defaultValue": {"sdkKey": "mine"}}
    kept = stripped(json.dumps(CONFIG | {"flags": [flag("f", variables=[variable])]}).encode())
    assert json.loads(kept)["flags"][0]["variables"] == [variable]


def test_numbers_and_texts_keep_their_spelling() -> None:
    assert stripped(b'{"sdkKey": "k", "version": 1e2, "flags": [1.50, "\\u0041"], "a": 1}') == (
        b'{"version":1e2,"flags":[1.50, "\\u0041"]}'
    )


def test_of_a_name_that_is_there_twice_the_last_counts_as_it_does_for_evaluation() -> None:
    assert stripped(b'{"version": 1, "flags": [1], "version": 2, "flags": []}') == b'{"version":2,"flags":[]}'


def test_a_byte_order_mark_is_taken_off() -> None:
    assert stripped(memoryview(b'\xef\xbb\xbf{"flags": []}')) == b'{"flags":[]}'


DEEP = b"[" * 100_000 + b"]" * 100_000


def test_what_is_nested_too_deeply_is_taken_out_and_costs_nothing_else() -> None:
    good = json.dumps(flag("good", allocation=whole("on"))).encode()
    bad = b'{"key":"bad","salt":"s","allocation":{"ranges":[]},"variables":[{"key":"v","defaultValue":' + DEEP + b"}]}"
    body = b'{"sdkKey":"k","unknown":' + DEEP + b',"version":3,"flags":[' + good + b"," + bad + b"]}"
    kept = stripped(body)
    assert len(kept) < 2_000
    assert b"sdkKey" not in kept
    ruleset = finish(load_ruleset(kept))
    assert (ruleset.version, list(ruleset.flags)) == (3, ["good"])
    assert list(finish(load_ruleset(body)).flags) == ["good"]


@pytest.mark.parametrize("body", [b"{}", b"[]", b"{", b'{"flags": "x'])
def test_what_is_not_a_config_raises(body: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        stripped(body)
