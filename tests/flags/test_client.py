"""The client against a real server, on both faces: the same scenarios, driven from threads and from a loop."""

from __future__ import annotations

import asyncio
import gc
import logging
import threading
import time
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from signakit_flags import SignaKitClient, _hook
from support.configs import SDK_KEY, config, flag, rule, whole
from support.faces import AsyncFace, Face, SyncFace
from support.server import FlagServer, Handler, body, closed_port_url, status, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(params=[SyncFace, AsyncFace], ids=["sync", "async"])
def face(request: pytest.FixtureRequest, server: FlagServer) -> Iterator[Face]:
    face: Face = request.param(**server.urls)
    yield face
    face.finish()


def purchase(client: SignaKitClient) -> None:
    user = client.create_user_context("u")
    assert user is not None
    user.track("purchase")


def test_on_ready_fetches_the_config_of_the_key(face: Face, server: FlagServer) -> None:
    client = face.client()
    assert not client.is_ready
    assert face.on_ready(client).success
    assert client.is_ready
    assert server.config_paths == ["/configs/org1/1234/development/latest.json"]
    assert server.config_requests[0]["accept"] == "application/json"
    assert "if-none-match" not in server.config_requests[0]
    assert client.status().source == "cdn"
    assert client.status().version == 1


def test_who_has_no_time_to_wait_for_the_config_begins_the_fetch_all_the_same(face: Face, server: FlagServer) -> None:
    client = face.client(polling_interval=0)
    assert face.on_ready(client, timeout=0.0).reason is not None or client.is_ready
    assert face.wait_until(lambda: client.is_ready)
    assert len(server.config_requests) == 1


def test_on_ready_again_asks_whether_anything_changed(face: Face, server: FlagServer) -> None:
    client = face.client(polling_interval=0)
    assert face.on_ready(client).success
    assert face.on_ready(client).success
    assert [request.get("if-none-match") for request in server.config_requests] == [None, server.etag]
    assert client.status().etag == server.etag


def test_a_slash_at_the_end_of_the_cdn_url_makes_no_difference(face: Face, server: FlagServer) -> None:
    client = face.client(cdn_url=f"{server.url}/")
    assert face.on_ready(client).success
    assert server.config_paths == ["/configs/org1/1234/development/latest.json"]


def test_the_poller_picks_up_a_changed_config(face: Face, server: FlagServer) -> None:
    client = face.client(polling_interval=0.05)
    face.on_ready(client)
    assert face.decide(client, "switch") == "on"
    server.set_config(config(flag("switch", allocation=whole("off")), version=2))
    assert face.wait_until(lambda: client.status().version == 2)
    assert face.decide(client, "switch") == "off"
    assert any(request.get("if-none-match") for request in server.config_requests)


def test_polling_is_off_at_an_interval_of_zero(face: Face, server: FlagServer) -> None:
    client = face.client(polling_interval=0)
    face.on_ready(client)
    face.sleep(0.2)
    assert len(server.config_requests) == 1


def test_refresh_fetches_at_once(face: Face, server: FlagServer) -> None:
    client = face.client()
    face.on_ready(client)
    server.set_config(config(version=7))
    assert face.refresh(client) is True
    assert client.status().version == 7
    server.config_fault = status(500)
    assert face.refresh(client) is False
    assert client.status().version == 7


def test_an_exposure_is_sent_once_with_its_batch(face: Face, server: FlagServer) -> None:
    client = face.client()
    face.on_ready(client)
    for _ in range(3):
        face.decide(client, "exp", user="u1", attributes={"plan": "pro"})
    assert face.flush(client) is True
    [event] = server.events
    assert event["eventKey"] == "$exposure"
    assert event["userId"] == "u1"
    assert event["attributes"] == {"plan": "pro"}
    assert event["metadata"]["flagKey"] == "exp"
    assert event["metadata"]["ruleKey"] == "r-exp"
    assert event["decisions"] == {"exp": event["metadata"]["variationKey"]}
    assert server.post_headers[0]["x-sdk-key"] == SDK_KEY
    assert server.post_headers[0]["content-type"] == "application/json"
    assert client.status().exposures_suppressed == 2
    assert client.status().sent == 1


def test_a_targeted_rule_sends_nothing(face: Face, server: FlagServer) -> None:
    client = face.client()
    face.on_ready(client)
    assert face.decide(client, "tgt") == "on"
    face.close(client)
    assert server.posts == 0


def test_a_bot_sends_nothing(face: Face, server: FlagServer) -> None:
    client = face.client()
    face.on_ready(client)
    assert face.decide(client, "exp", attributes={"$userAgent": "Googlebot/2.1"}) == "off"
    face.close(client)
    assert server.posts == 0


def test_events_that_come_while_one_is_on_its_way_leave_as_one_batch(face: Face, server: FlagServer) -> None:
    gate = threading.Event()

    def wait_then_accept(handler: Handler) -> None:
        gate.wait(5)
        handler.accept(handler.posted)

    server.events_faults = [wait_then_accept]
    client = face.client(max_batch_size=30)
    face.on_ready(client)
    face.decide(client, "exp", user="u0")
    assert wait_until(lambda: server.posts == 1)
    for number in range(1, 51):
        face.decide(client, "exp", user=f"u{number}")
    gate.set()
    assert face.flush(client)
    assert [len(batch) for batch in server.batches] == [1, 30, 20]
    assert [event["userId"] for event in server.events] == [f"u{number}" for number in range(51)]


def test_a_conversion_carries_what_the_context_has_decided(face: Face, server: FlagServer) -> None:
    client = face.client()
    face.on_ready(client)

    async def visit() -> None:
        context = client.create_user_context("u1")
        assert context is not None
        context.decide("tgt")
        await context.track_event("purchase", value=9.5, metadata={"plan": "pro"})

    face.run(visit)
    face.flush(client)
    [event] = server.events
    assert event["eventKey"] == "purchase"
    assert event["value"] == 9.5
    assert event["metadata"] == {"plan": "pro"}
    assert event["decisions"] == {"tgt": "on"}


def test_before_it_is_ready_there_is_no_context_and_that_is_said_once(
    face: Face, caplog: pytest.LogCaptureFixture
) -> None:
    client = face.client()
    with caplog.at_level(logging.ERROR, "signakit_flags"):
        assert client.create_user_context("u") is None
        assert client.create_user_context("u") is None
    assert len(caplog.records) == 1


def test_a_failed_start_says_why_and_gets_ready_by_itself(face: Face, server: FlagServer) -> None:
    server.config_faults = [status(503)]
    client = face.client()
    result = face.on_ready(client)
    assert not result.success
    assert result.reason == "the CDN answered HTTP 503"
    assert client.status().last_error == "the CDN answered HTTP 503"
    assert face.wait_until(lambda: client.is_ready)
    assert client.status().last_error is None


def test_a_config_that_cannot_be_read_is_refused_and_the_old_one_stays(face: Face, server: FlagServer) -> None:
    client = face.client(max_config_size=10_000)
    face.on_ready(client)
    old_etag = server.etag
    for content, reason in [
        (b"<html>", "not valid JSON"),
        (b"[]", "not an object"),
        (b'{"flags": 1}', "list of flags"),
        (b" " * 10_001, "larger than 10000 bytes"),
        (b'{"flags":' + b"[" * 9_000, "not valid JSON"),
    ]:
        server.config_fault = body(content, ETag='"bad"')
        result = face.on_ready(client)
        assert not result.success
        assert reason in (result.reason or "")
        assert "serving the config fetched before" in (result.reason or "")
        assert client.status().last_error is not None
        assert client.is_ready
        assert client.status().etag == old_etag
    server.config_fault = None
    assert face.on_ready(client).success
    assert server.config_requests[-1]["if-none-match"] == old_etag


def test_compressed_configs_are_read_and_bounded_after_decompression(face: Face, server: FlagServer) -> None:
    server.gzip = True
    client = face.client(max_config_size=100_000)
    assert face.on_ready(client).success
    assert server.config_requests[0]["accept-encoding"] == "gzip"
    server.set_config(config() | {"padding": "x" * 200_000})
    result = face.on_ready(client)
    assert "larger than 100000 bytes" in (result.reason or "")


def test_cookies_are_not_sent_back(face: Face, server: FlagServer) -> None:
    setting = {"Set-Cookie": "stick=1; Path=/"}
    server.config_fault = body(server.config_body, **setting)
    server.events_fault = status(202, **setting)
    client = face.client(polling_interval=0)
    for _ in range(2):
        assert face.on_ready(client).success
        purchase(client)
        assert face.flush(client)
    sent = server.config_requests + server.post_headers
    assert len(sent) == 4
    assert not any("cookie" in headers for headers in sent)


def test_every_request_says_who_asks_and_for_what(face: Face, server: FlagServer) -> None:
    client = face.client()
    face.on_ready(client)
    purchase(client)
    assert face.flush(client)
    (get,), (post,) = server.config_requests, server.post_headers
    for headers in (get, post):
        assert headers["user-agent"].startswith("signakit-flags-python/")
        assert headers["accept-encoding"] == "gzip"
        assert headers["host"] == server.url.removeprefix("http://")
    assert (get["accept"], post["accept"]) == ("application/json", "*/*")
    assert (post["content-type"], post["x-sdk-key"]) == ("application/json", SDK_KEY)


def test_redirects_are_failures_and_not_followed(face: Face, server: FlagServer) -> None:
    server.config_fault = status(302, Location=f"{server.url}/elsewhere")
    client = face.client()
    assert face.on_ready(client).reason == "the CDN answered HTTP 302"
    assert len(server.config_paths) == 1


def test_concurrent_callers_share_one_fetch(face: Face, server: FlagServer) -> None:
    gate = threading.Event()

    def slow(handler: Any) -> None:
        gate.wait(5)
        handler.answer(200, server.config_body, ETag=server.etag)

    server.config_faults = [slow]
    client = face.client()
    results = face.on_ready_many(client, 20, lambda: gate.set())
    assert [result.success for result in results] == [True] * 20
    assert len(server.config_requests) == 1


def test_on_ready_keeps_its_deadline_and_the_fetch_goes_on(face: Face, server: FlagServer) -> None:
    gate = threading.Event()

    def slow(handler: Any) -> None:
        gate.wait(5)
        handler.answer(200, server.config_body, ETag=server.etag)

    server.config_faults = [slow]
    client = face.client()
    result = face.on_ready(client, timeout=0.05)
    assert not result.success
    assert "no config within 0.05 s" in (result.reason or "")
    gate.set()
    assert face.wait_until(lambda: client.is_ready)


def test_on_ready_that_waits_for_nothing_fetches_all_the_same(face: Face, server: FlagServer) -> None:
    returned = threading.Event()

    def answer_late(handler: Handler) -> None:
        returned.wait(30)
        handler.answer(200, handler.owner.config_body)

    server.config_fault = answer_late
    client = face.client(polling_interval=0)
    result = face.on_ready(client, timeout=0)
    returned.set()
    assert not result.success
    assert face.wait_until(lambda: client.is_ready)


def test_flush_says_whether_everything_was_sent(face: Face, server: FlagServer) -> None:
    client = face.client()
    face.on_ready(client)
    assert face.flush(client) is True

    def refuse_once_somebody_waits(handler: Handler) -> None:
        wait_until(lambda: bool(client._engine.outbox._waiters))
        handler.answer(401)

    server.events_fault = refuse_once_somebody_waits
    face.decide(client, "exp")
    assert face.flush(client) is False
    assert client.status().dropped == 1


def test_flush_keeps_its_deadline(face: Face, server: FlagServer) -> None:
    client = face.client(events_url=f"{closed_port_url()}/v1/flag-events")
    face.on_ready(client)
    face.decide(client, "exp")
    assert face.flush(client, timeout=0.2) is False
    assert client.status().queued == 1


def test_closing_sends_what_is_waiting_and_is_idempotent(face: Face, server: FlagServer) -> None:
    server.events_latency = 0.02
    client = face.client()
    face.on_ready(client)
    for number in range(250):
        face.decide(client, "exp", user=f"u{number}")
    face.close(client)
    assert len(server.events) == 250
    face.close(client)
    requests = len(server.config_requests)
    assert face.decide(client, "exp", user="late") in {"control", "treatment"}
    assert client.status().dropped == 1
    assert face.on_ready(client).reason == "the client is closed"
    assert len(server.config_requests) == requests


def test_a_context_manager_gets_ready_and_closes(face: Face, server: FlagServer) -> None:
    client = face.client()
    with face.managed(client):
        assert client.is_ready
        face.decide(client, "exp")
    assert len(server.events) == 1
    assert client.status().queued == 0


def test_a_context_pins_the_config_of_its_first_decision(face: Face, server: FlagServer) -> None:
    client = face.client()
    face.on_ready(client)
    context = client.create_user_context("u")
    assert context is not None
    assert context.variation("switch") == "on"
    server.set_config(config(flag("exp", rule("r-exp")), flag("switch", allocation=whole("off"))))
    assert face.refresh(client)
    assert context.is_enabled("tgt")
    assert face.decide(client, "switch") == "off"


def test_an_injected_client_makes_every_request_of_its_face_and_is_not_closed(server: FlagServer) -> None:
    seen: list[str] = []
    with httpx.Client(event_hooks={"request": [lambda request: seen.append(request.method)]}) as injected:
        client = SignaKitClient(SDK_KEY, sync_client=injected, **server.urls)
        client.on_ready_sync()
        context = client.create_user_context("u")
        assert context is not None
        context.decide("exp")
        client.flush_sync()
        client.close()
        assert seen == ["GET", "POST"]
        assert not injected.is_closed

    async def main() -> None:
        async def note(request: httpx.Request) -> None:
            seen.append(f"async {request.method}")

        async with httpx.AsyncClient(event_hooks={"request": [note]}) as injected:
            client = SignaKitClient(SDK_KEY, async_client=injected, **server.urls)
            await client.on_ready()
            context = client.create_user_context("u")
            assert context is not None
            context.decide("exp")
            await client.flush()
            await client.aclose()
            assert not injected.is_closed

    asyncio.run(main())
    assert seen[2:] == ["async GET", "async POST"]


def test_with_only_an_async_client_the_first_running_loop_that_sends_hosts_the_sender(server: FlagServer) -> None:
    seen: list[str] = []

    async def main() -> None:
        async def note(request: httpx.Request) -> None:
            seen.append(request.method)

        async with httpx.AsyncClient(event_hooks={"request": [note]}) as injected:
            client = SignaKitClient(SDK_KEY, async_client=injected, polling_interval=0, **server.urls)
            await asyncio.to_thread(client.on_ready_sync)
            context = client.create_user_context("u")
            assert context is not None
            context.decide("exp")
            assert await client.flush()
            await client.aclose()

    asyncio.run(main())
    assert seen == ["POST"]
    assert len(server.events) == 1


def test_the_environment_proxy_is_used_as_by_any_httpx_client(
    server: FlagServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The "proxy" is the server itself: it sees an absolute URL where a proxy is asked.
    monkeypatch.setattr(_hook, "refuse_network", None)  # under pytest, a proxy on this machine is no way out of it
    monkeypatch.setenv("HTTP_PROXY", server.url)
    monkeypatch.setenv("http_proxy", server.url)
    client = SignaKitClient(SDK_KEY, cdn_url="http://cdn.invalid", events_url=server.events_url, polling_interval=0)
    assert client.on_ready_sync().success
    assert server.config_paths == ["http://cdn.invalid/configs/org1/1234/development/latest.json"]
    client.close()


def test_a_client_that_nobody_holds_stops_polling_and_still_sends_its_events(server: FlagServer) -> None:
    server.events_latency = 0.05
    before = threading.active_count()
    client = SignaKitClient(SDK_KEY, polling_interval=0.02, **server.urls)
    client.on_ready_sync()
    for number in range(5):
        context = client.create_user_context(f"u{number}")
        assert context is not None
        context.decide("exp")
    del client, context
    gc.collect()
    server.wait_for_events(5)
    ours = {"signakit-poller", "signakit-sender"}
    assert wait_until(lambda: not ours & {thread.name for thread in threading.enumerate()}), before
    time.sleep(0.1)
    asked = len(server.config_requests)
    time.sleep(0.1)
    assert len(server.config_requests) == asked
