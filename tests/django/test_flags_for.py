"""``flags_for`` and ``aflags_for``: flags outside of requests."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser
from django.utils.functional import SimpleLazyObject

from signakit_django import Identity, aflags_for, flags_for
from support.server import FlagServer, body, status, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from signakit_flags import SignaKitUserContext

pytestmark = pytest.mark.usefixtures("configure")
ID = "8c1f2a52-7d0e-4a52-9a5c-0d3b8f6f2b11"


class User:
    is_authenticated = True
    pk = 17


def awaited(user: Any, attributes: Mapping[str, Any] | None = None) -> SignaKitUserContext:
    return asyncio.run(aflags_for(user, attributes))


both = pytest.mark.parametrize("flags_of", [flags_for, awaited])


@both
@pytest.mark.parametrize(
    ("user", "user_id"),
    [
        (User(), "17"),
        (SimpleLazyObject(User), "17"),
        ("ada", "ada"),
        (ID, ID),
        (UUID(ID), ID),
        (42, "42"),
    ],
)
def test_a_user_an_identity_or_an_id_is_who_is_meant(flags_of: Callable[..., Any], user: Any, user_id: str) -> None:
    flags = flags_of(user, {"plan": "pro"})
    assert (flags.user_id, flags.attributes) == (user_id, {"plan": "pro"})
    assert flags.is_enabled("switch")


@both
def test_an_identity_has_its_own_attributes(flags_of: Callable[..., Any]) -> None:
    flags = flags_of(Identity("ada", {"plan": "free"}))
    assert (flags.user_id, flags.attributes) == ("ada", {"plan": "free"})
    with pytest.raises(TypeError, match="its own attributes"):
        flags_of(Identity("ada"), {"plan": "pro"})


@both
@pytest.mark.parametrize("user", [None, AnonymousUser(), SimpleLazyObject(AnonymousUser)])
def test_without_a_user_there_are_defaults_and_nothing_is_loaded(
    flags_of: Callable[..., Any], user: Any, server: FlagServer
) -> None:
    flags = flags_of(user)
    assert flags.decide("switch") is None
    assert flags.is_enabled("switch", default=True)
    assert server.config_requests == []


@both
@pytest.mark.parametrize("user", [True, b"ada", 1.5, object(), ["ada"]])
def test_anything_else_is_a_type_error(flags_of: Callable[..., Any], user: Any) -> None:
    with pytest.raises(TypeError, match=type(user).__name__):
        flags_of(user)


@both
def test_attributes_have_to_be_a_mapping(flags_of: Callable[..., Any]) -> None:
    for user in (User(), "ada", 42):
        with pytest.raises(TypeError, match="attributes must be a mapping"):
            flags_of(user, 5)


@both
def test_without_a_key_there_are_defaults(flags_of: Callable[..., Any], configure: Callable[..., None]) -> None:
    configure(SDK_KEY="nonsense")
    assert flags_of("ada").decide("switch") is None


@both
def test_in_tests_the_network_is_left_alone(
    flags_of: Callable[..., Any], configure: Callable[..., None], server: FlagServer
) -> None:
    configure(LOAD_IN_TESTS=False)
    assert flags_of("ada").decide("switch") is None
    assert server.config_requests == []


def test_the_first_use_in_async_code_waits_for_the_config_and_leaves_the_loop_free(server: FlagServer) -> None:
    go = threading.Event()
    config = server.config_body

    def answer_later(handler: Any) -> None:
        go.wait(30)
        body(config)(handler)

    server.config_faults.append(answer_later)

    async def run() -> bool:
        asked = asyncio.create_task(aflags_for("ada"))
        # Of another task on this loop: one that is held up would never say so.
        assert await asyncio.to_thread(wait_until, lambda: bool(server.config_requests))
        go.set()
        return (await asked).is_enabled("switch")

    assert asyncio.run(run())


def test_a_config_that_does_not_come_is_waited_for_no_longer_than_said(
    server: FlagServer, configure: Callable[..., None]
) -> None:
    server.config_fault = status(503)
    configure(READY_TIMEOUT=0)
    assert awaited("ada").decide("switch") is None


@pytest.mark.django_db(transaction=True)
def test_a_lazy_user_is_loaded_where_the_database_may_be_used() -> None:
    ada = get_user_model().objects.create_user("ada")

    async def run() -> str:
        return (await aflags_for(SimpleLazyObject(lambda: get_user_model().objects.get()))).user_id  # type: ignore[arg-type]  # as `request.user` is

    assert async_to_sync(run)() == str(ada.pk)
