"""Checked by mypy, never run: what the testing kit takes and gives."""

from __future__ import annotations

import unittest
from typing import TYPE_CHECKING, Any, assert_type

from django.test import TestCase

from signakit_django.request import FlagsRequest
from signakit_django.testing import with_flags
from signakit_flags import SignaKitClient, SignaKitUserContext
from signakit_flags.testing import (
    Conversion,
    Exposure,
    FlagConfig,
    Kit,
    Override,
    Recording,
    SignaKitMixin,
    config,
    flag,
    override_flags,
    recorded,
    use_client,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from django.http import HttpRequest


def forcing() -> None:
    with override_flags({"a": "b", "c": True, "d": None, "e": Override("f", variables={"g": [1]})}) as forced:
        assert_type(forced, override_flags)
    with override_flags({"a": "b"}, scope="process"), use_client(SignaKitClient.offline({})) as client:
        assert_type(client, SignaKitClient)
    override_flags({"a": 7})  # type: ignore[dict-item]


async def forcing_in_async_code() -> None:
    async with override_flags({"a": "b"}), recorded() as events:
        assert_type(events, Recording)


@override_flags({"a": "b"})
def function(number: int, *, text: str = "") -> float:
    return number


@override_flags({"a": "b"})
async def coroutine() -> str:
    return ""


@override_flags({"a": "b"})
def generator() -> Iterator[int]:
    yield 1


@override_flags({"a": "b"})
async def async_generator() -> AsyncIterator[int]:
    yield 1


@override_flags({"a": "b"})
class Case(unittest.TestCase):
    attribute = 1


async def decorated() -> None:
    assert_type(function(1, text="x"), float)
    assert_type(await coroutine(), str)
    assert_type(list(generator()), list[int])
    assert_type([item async for item in async_generator()], list[int])
    assert_type(Case().attribute, int)
    function("x")  # type: ignore[arg-type]


def recording() -> None:
    with recorded() as events:
        pass
    assert_type(events.exposures, list[Exposure])
    assert_type(events.conversions, list[Conversion])
    assert_type(events.events, list[Exposure | Conversion])
    assert_type(events.assert_exposed("a", user="u", variation="b"), Exposure)
    assert_type(events.assert_tracked("a", value=1.5, metadata=None, decisions={"a": "b"}), Conversion)
    events.assert_not_exposed()
    events.assert_exposed()  # type: ignore[call-arg]


def building() -> None:
    built = flag("a").variables(size=1).variation("b", size=2).split(a=50, b=50).when(plan="pro", country=["DE"])
    assert_type(built, FlagConfig)
    assert_type(config(built, flag("b").target("on").where("age", "less_than", 7)), dict[str, Any])
    flag("a").target("on").where("age", "younger", 7)  # type: ignore[arg-type]


def kit(signakit: Kit) -> None:
    signakit.set({"a": True})
    signakit.unset("a")
    assert_type(signakit.client, SignaKitClient)
    assert_type(signakit.user("u", {"plan": "pro"}), SignaKitUserContext)
    assert_type(signakit.assert_exposed("a"), Exposure)


class Mixed(SignaKitMixin, TestCase):
    def test_it(self) -> None:
        assert_type(self.signakit, Kit)
        self.assertContains(self.client.get("/"), "x")


def django(request: HttpRequest) -> None:
    assert_type(with_flags(request, "u", {"plan": "pro"}), FlagsRequest)
