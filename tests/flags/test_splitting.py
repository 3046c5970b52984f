"""Finding the flags of a config by its brackets, commas and strings."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signakit_flags._evaluation.slices import Budget, finish
from signakit_flags._evaluation.splitting import DEEPEST, SplitError, Splitter, trimmed

TEXT = st.text(st.sampled_from('"\\[]{},: a\n\u20ac'), max_size=8)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)


def split(body: bytes) -> tuple[list[bytes], bytes, int]:
    splitter = Splitter(memoryview(body), Budget())
    items = [bytes(item) for item in splitter.items() if item is not None]
    return items, splitter.around, splitter.found


@given(st.lists(JSON, max_size=5), st.dictionaries(TEXT, JSON, max_size=3), st.sampled_from([None, 1]), st.booleans())
def test_any_config_is_split_into_its_flags_and_the_rest(
    flags: list[Any], rest: dict[str, Any], indent: int | None, escaped: bool
) -> None:
    before = dict(list(rest.items())[:1])
    body = json.dumps({**before, "flags": flags, **rest}, indent=indent, ensure_ascii=escaped).encode()
    items, around, found = split(body)
    assert [json.loads(item) for item in items] == flags
    assert json.loads(around) == {**before, "flags": [], **rest}
    assert found == 1


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b"{}", 0),
        (b'{"flags": {}}', 0),
        (b'{"a": {"flags": [1]}}', 0),
        (b'{"a": "flags"}', 0),
        (b'{"flags":[],"flags":[]}', 2),
    ],
)
def test_lists_of_flags_are_counted(body: bytes, found: int) -> None:
    assert split(body)[2] == found


@pytest.mark.parametrize("body", [b'{"flags":[1,]}', b'{"flags":[,]}', b'{"flags":[1,,2]}'])
def test_an_item_that_is_missing_is_given_as_nothing(body: bytes) -> None:
    assert b"" in split(body)[0]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"[]",
        b"1",
        b'"',
        b"{",
        b'{"',
        b'{"flags":[',
        b'{"flags":[1',
        b'{"flags":["',
        b'{"flags":[{"a',
        b'{"a":[',
    ],
)
def test_what_ends_too_early_or_is_not_an_object_cannot_be_split(body: bytes) -> None:
    with pytest.raises(SplitError):
        split(body)


@pytest.mark.parametrize("brackets", [("[", "]"), ('{"a":', "}"), ("[ ", " ]"), ('["]", ', ', "["]')])
@pytest.mark.parametrize("levels", [1, DEEPEST - 1, DEEPEST, DEEPEST + 1, 500])
def test_what_is_nested_too_deeply_is_left_out(levels: int, brackets: tuple[str, str]) -> None:
    body = (brackets[0] * levels + "1" + brackets[1] * levels).encode()
    short = finish(trimmed(memoryview(body), Budget()))
    # One level more at most: an innermost list or object is passed without a look at its depth.
    assert (short == body) is (levels <= DEEPEST - 1) or levels == DEEPEST
    assert len(short) <= (DEEPEST + 1) * len("".join(brackets)) + 1
    json.loads(short)
