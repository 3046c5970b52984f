from __future__ import annotations

import functools

import pytest

from signakit_flags.integration import Identity
from signakit_flags.integration.identity import checked, is_async


def test_an_identity_is_a_value() -> None:
    assert Identity("u", {"plan": "pro"}) == Identity("u", {"plan": "pro"})
    assert Identity("u").attributes == {}
    with pytest.raises(AttributeError):
        Identity("u").user_id = "v"  # type: ignore[misc]


@pytest.mark.parametrize("user_id", [1, None, b"u", ["u"]])
def test_a_user_id_that_is_no_text_is_refused_where_it_is_given(user_id: object) -> None:
    with pytest.raises(TypeError, match="user_id must be a str"):
        Identity(user_id)  # type: ignore[arg-type]


@pytest.mark.parametrize("attributes", [None, [("plan", "pro")], "plan"])
def test_attributes_that_are_no_mapping_are_refused_where_they_are_given(attributes: object) -> None:
    with pytest.raises(TypeError, match="attributes must be a mapping"):
        Identity("u", attributes)  # type: ignore[arg-type]


async def awaited(_request: object) -> None: ...


class Awaited:
    async def __call__(self, _request: object) -> None: ...


def plain(_request: object) -> None: ...


@pytest.mark.parametrize(
    ("resolver", "expected"),
    [
        (awaited, True),
        (functools.partial(awaited), True),
        (Awaited(), True),
        (plain, False),
        (lambda _request: None, False),
        (None, False),
        (dict, False),
    ],
)
def test_a_resolver_to_be_awaited_is_known_before_it_is_called(resolver: object, expected: bool) -> None:
    assert is_async(resolver) is expected


@pytest.mark.parametrize("found", ["u", 1, {"user_id": "u"}, True])
def test_what_a_resolver_returns_must_be_an_identity(found: object) -> None:
    with pytest.raises(TypeError, match="identify must return an Identity or None"):
        checked(found)
