"""What "Moving from 1.1.0" says of this package, where no test of a module says it."""

from __future__ import annotations

import asyncio
import copy
import gc
from datetime import date
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from signakit_flags import SignaKitClient, SignaKitUserContext, TrackEventOptions, parse_sdk_key
from support.configs import SDK_KEY, audience, condition, config, flag, rule, whole

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.server import FlagServer

ID = UUID("8c1f2a52-7d0e-4a52-9a5c-0d3b8f6f2b11")


class Plan(Enum):
    """Not text by itself."""

    PRO = "pro"


def user_of(client: SignaKitClient, **attributes: Any) -> SignaKitUserContext:
    user = client.create_user_context("u", attributes)
    assert user is not None
    return user


@pytest.fixture
def client() -> SignaKitClient:
    return SignaKitClient.offline(config(flag("exp", rule())), record_events=True)


# --- users ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("user_id", [42, 4.2, None, ID, b"u"])
def test_a_user_id_that_is_not_text_is_refused_also_before_the_client_is_ready(
    user_id: Any, server: FlagServer
) -> None:
    with SignaKitClient(SDK_KEY, cdn_url=server.url, events_url=server.url) as client:
        with pytest.raises(TypeError, match="user_id must be a str"):
            client.create_user_context(user_id)
        assert client.on_ready_sync().success
        with pytest.raises(TypeError, match="user_id must be a str"):
            client.create_user_context(user_id)


def test_the_client_alone_makes_contexts(client: SignaKitClient) -> None:
    with pytest.raises(TypeError):
        SignaKitUserContext(client, "user-1")  # type: ignore[abstract, call-arg]  # as 1.1.0 takes it
    with pytest.raises(TypeError, match="neither copied nor pickled"):
        copy.copy(user_of(client))


@pytest.mark.parametrize("attributes", [[("plan", "pro")], [], 0, False])
def test_attributes_are_a_mapping_or_none(client: SignaKitClient, attributes: Any) -> None:
    with pytest.raises(TypeError, match="attributes must be a mapping"):
        client.create_user_context("u", attributes)


def test_a_list_counts_as_it_was_when_it_was_first_matched() -> None:
    asking = [audience(condition("groups", "contains", "beta"))]
    split = {"audiences": asking, "kind": "targeted", "split": whole("on")}
    client = SignaKitClient.offline(config(flag("first", rule(**split)), flag("second", rule(**split))))
    groups = ["a"]
    user = user_of(client, groups=groups)
    groups.append("beta")
    assert user.variation("first") == "on"
    groups.clear()
    assert user.variation("second") == "on"


# --- values ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "operator", "wanted"),
    [
        (Decimal("20.5"), "greater_than", 20),
        (Fraction(41, 2), "greater_than", 20),
        (Decimal(5), "less_than", 20),
        (Fraction(5), "less_than", 20),
        (Plan.PRO, "equals", "pro"),
        (ID, "equals", str(ID)),
        (date(2026, 1, 2), "equals", "2026-01-02"),
        (("beta",), "contains", "beta"),
    ],
)
def test_attributes_that_never_matched_match(value: Any, operator: str, wanted: Any) -> None:
    asking = [audience(condition("a", operator, wanted))]
    client = SignaKitClient.offline(config(flag("f", rule(audiences=asking, split=whole("on")))))
    assert user_of(client, a=value).variation("f") == "on"


@pytest.mark.parametrize(
    ("value", "operator"),
    [
        (None, "not_equals"),
        ({"alpha"}, "not_contains"),
        (object(), "not_equals"),
        (b"x", "not_equals"),
        (("beta",), "not_contains"),
    ],
)
def test_attributes_that_matched_match_no_more(value: Any, operator: str) -> None:
    asking = [audience(condition("a", operator, "beta"))]
    client = SignaKitClient.offline(config(flag("f", rule(audiences=asking, split=whole("on")))))
    assert user_of(client, a=value).variation("f") == "off"


def test_events_that_were_lost_are_sent(client: SignaKitClient) -> None:
    user = user_of(client, spent=Decimal("20.5"), plan=Plan.PRO, id=ID, day=date(2026, 1, 2), set={1})
    metadata = {"total": Decimal("9.5"), "plan": Plan.PRO, "id": ID, "day": date(2026, 1, 2), "set": {1}}
    user.track("purchase", value=Decimal("49.9"), metadata=metadata)
    event = client.recorded_events[0]
    plain = {"plan": "pro", "id": str(ID), "day": "2026-01-02"}
    assert event["value"] == 49.9
    assert event["attributes"] == {"spent": 20.5, **plain}
    assert event["metadata"] == {"total": 9.5, **plain}


@pytest.mark.parametrize(
    "wrong",
    [
        lambda user: user.decide(None),
        lambda user: user.decide(5),
        lambda user: user.track("event", ID),
        lambda user: user.track("event", [1]),
    ],
)
def test_what_has_another_type_is_refused(client: SignaKitClient, wrong: Callable[[Any], object]) -> None:
    with pytest.raises(TypeError, match="must be a"):
        wrong(user_of(client))


def test_values_are_frozen_and_keys_are_text() -> None:
    with pytest.raises(AttributeError):
        TrackEventOptions().value = 3  # type: ignore[misc]  # on purpose
    with pytest.raises(ValueError, match="SDK key missing"):
        parse_sdk_key(None)


# --- events and loops -----------------------------------------------------------------------------------------------


def test_a_track_event_that_is_not_awaited_sends_nothing_and_warns(client: SignaKitClient) -> None:
    user = user_of(client)

    def forget() -> None:
        user.track_event("purchase")
        gc.collect()

    async def forget_on_a_loop() -> None:
        forget()

    with pytest.warns(RuntimeWarning, match="was never awaited"):
        forget()
    with pytest.warns(RuntimeWarning, match="was never awaited"):
        asyncio.run(forget_on_a_loop())
    assert client.recorded_events == []


def test_a_task_of_track_event_is_sent_though_its_loop_ends_first(server: FlagServer) -> None:
    async def view(user: SignaKitUserContext) -> None:
        tasks.append(asyncio.create_task(user.track_event("purchase")))

    tasks: list[object] = []
    with SignaKitClient(SDK_KEY, cdn_url=server.url, events_url=server.url) as client:
        assert client.on_ready_sync().success
        asyncio.run(view(user_of(client)))
        assert client.flush_sync(10)
    assert [event["eventKey"] for event in server.events] == ["purchase"]


def test_the_reason_begins_with_the_type_of_the_error_and_a_closed_client_says_so(server: FlagServer) -> None:
    server.down()
    client = SignaKitClient(SDK_KEY, cdn_url=server.url, events_url=server.url)
    assert str(client.on_ready_sync().reason).startswith("ConnectError: ")
    client.close()
    assert not client.on_ready_sync().success
