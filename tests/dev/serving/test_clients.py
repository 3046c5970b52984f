"""The SDK against the emulator, both faces."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from support.configs import config, flag, rule, whole
from support.faces import AsyncFace, Face, SyncFace
from support.wire import ask

if TYPE_CHECKING:
    from collections.abc import Iterator

    from signakit_dev.testing import Emulator


@pytest.fixture(params=[SyncFace, AsyncFace], ids=["sync", "async"])
def face(request: pytest.FixtureRequest, signakit_emulator: Emulator) -> Iterator[Face]:
    urls = {"cdn_url": signakit_emulator.url, "events_url": signakit_emulator.events_url}
    face: Face = request.param(**urls, polling_interval=0.05)
    yield face
    face.finish()


def test_a_client_decides_and_its_events_are_in_order(signakit_emulator: Emulator, face: Face) -> None:
    client = face.client()
    assert face.on_ready(client).success
    context = client.create_user_context("ada", {"plan": "pro", "country": "DE", "$userAgent": "Firefox"})
    assert context is not None
    variation = context.variation("new-checkout")
    context.decide_all()
    context.track("purchase", value=49.9, metadata={"items": 2})
    assert face.flush(client)
    assert signakit_emulator.refused() == []
    exposed = {event["metadata"]["flagKey"]: event for event in signakit_emulator.events("exposure")}
    assert set(exposed) == {"new-checkout", "banner", "recommendations"}
    assert exposed["new-checkout"]["decisions"] == {"new-checkout": variation}
    [purchase] = signakit_emulator.events("conversion")
    assert (purchase["value"], purchase["decisions"]["new-checkout"]) == (49.9, variation)


def test_a_client_sees_a_change_and_nothing_while_there_is_none(signakit_emulator: Emulator, face: Face) -> None:
    client = face.client()
    assert face.on_ready(client).success
    assert face.decide(client, "banner") == "on"
    asked = signakit_emulator.config_requests
    assert face.wait_until(lambda: signakit_emulator.config_requests > asked + 2)
    assert client.status().version == 1
    signakit_emulator.set_flag("banner", running=False)
    assert face.wait_until(lambda: client.status().version == 2)
    assert face.decide(client, "banner") == "off"


def test_a_split_that_was_set_is_the_split_that_users_get(signakit_emulator: Emulator, face: Face) -> None:
    signakit_emulator.set_flag("recommendations", traffic=100, split={"popular": 0, "similar": 0, "personal": 100})
    client = face.client()
    assert face.on_ready(client).success
    assert {face.decide(client, "recommendations", user=f"u{number}") for number in range(50)} == {"personal"}


def test_whatever_the_sdk_sends_is_what_the_protocol_allows(signakit_emulator: Emulator, face: Face) -> None:
    """Attributes, ids and metadata at and over every limit."""
    signakit_emulator.set_config(config(flag("exp", rule()), flag("on", allocation=whole("on"))))
    client = face.client(max_batch_size=7)
    assert face.on_ready(client).success
    attributes: list[dict[str, Any]] = [
        {},
        {f"k{number}": number for number in range(80)},
        {"k" * 200: "v" * 2_000, "list": ["x" * 2_000] * 200, "n": float("nan"), "inf": float("inf"), "none": None},
        {"a": {"b": 1}, "c": [[1], {"d": 2}, "e"], "big": 2**70, "bool": True, "lone": "\ud800", "obj": object()},
        {"$userAgent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "x": "\x00"},
    ]
    for number, some in enumerate(attributes):
        for user in (f"u{number}", "u" * 300 + str(number), "\ud800ü"):
            context = client.create_user_context(user, some)
            assert context is not None
            context.decide_all()
            context.track("e" * 150, value=float("nan"), metadata={"x": "ä" * 3_000})
            context.track("bought", value=1, metadata={"x": ["ü", None, {"y": float("inf")}]})
    assert face.flush(client)
    assert signakit_emulator.refused() == []
    status = client.status()
    assert (status.dropped, len(signakit_emulator.events())) == (0, status.sent)


def test_an_event_that_is_refused_costs_that_event_and_no_other(signakit_emulator: Emulator, face: Face) -> None:
    client = face.client()
    assert face.on_ready(client).success
    context = client.create_user_context("ada")
    assert context is not None
    signakit_emulator.fault("events", "status", status=503, times=1)  # meanwhile the others gather behind the first
    context.track("first")
    context.track("text", value="many")  # type: ignore[arg-type]  # the SDK passes it on, and the service wants a number
    context.track("last")
    face.flush(client)
    assert [event["eventKey"] for event in signakit_emulator.events()] == ["first", "last"]
    assert any("value: must be a number" in problem for problem in signakit_emulator.refused())


def test_a_process_needs_nothing_but_the_environment(signakit_emulator: Emulator) -> None:
    program = (
        "import os; from signakit_flags import SignaKitClient\n"
        "with SignaKitClient(os.environ['SIGNAKIT_SDK_KEY']) as client:\n"
        "    assert client.on_ready_sync().success\n"
        "    client.create_user_context('ada').variation('banner')\n"
    )
    environment = {**os.environ, **signakit_emulator.env, "no_proxy": "127.0.0.1"}
    subprocess.run([sys.executable, "-c", program], env=environment, check=True, timeout=60)
    assert [event["userId"] for event in signakit_emulator.wait_for_events(1)] == ["ada"]


def test_the_page_shows_what_a_client_sent(signakit_emulator: Emulator, face: Face) -> None:
    client = face.client()
    assert face.on_ready(client).success
    face.decide(client, "new-checkout", user="ada", attributes={"plan": "pro"})
    assert face.flush(client)
    page = ask(signakit_emulator.url).text
    assert '<span class="user">ada</span>' in page
