"""Everything that a CDN can do wrong, over real sockets, on both faces.

Two things hold in all of it: a client without a config says so and gets one as soon as there is one, and a client with
a config decides as if nothing were wrong.
"""

from __future__ import annotations

import threading
import tracemalloc
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import pairwise
from typing import TYPE_CHECKING

import httpx
import pytest

from signakit_flags import SignaKitClient
from signakit_flags._runtime.backoff import Backoff, parse_retry_after
from signakit_flags._runtime.flow import Response
from support.configs import SDK_KEY, config, flag, rule, whole
from support.faces import AsyncFace, Face
from support.faults import (
    CdnTrouble,
    arrived,
    drip_headers,
    early_hints,
    endless,
    endless_after_gzip,
    gzip_bomb,
    lines,
    not_http,
    noting,
    once_each,
    truncated,
    within,
)
from support.server import FlagServer, Handler, body, drip, hang, reset, status, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.server import Fault

WATCHDOG = 30.0
MAX_CONFIG = 100_000
BOMB = gzip_bomb(4)
ELSEWHERE = "/configs/org2/1/development/latest.json"


def half_of_the_json(handler: Handler) -> None:
    content = handler.owner.config_body
    handler.answer(200, content[: len(content) // 2], ETag='"half"')


def redirect(code: int) -> Fault:
    return lambda handler: handler.answer(code, Location=f"{handler.owner.url}{ELSEWHERE}")


TROUBLES = {
    "refuses": CdnTrouble(None, "ConnectError"),
    "swallows-connections": CdnTrouble(None, "no answer within 0.8 s", swallows=True),
    "hangs": CdnTrouble(hang, "no answer within 0.8 s"),
    "drips-headers": CdnTrouble(drip_headers, "no answer within 0.8 s"),
    "drips-interim-answers": CdnTrouble(early_hints, "no answer within 0.8 s"),
    "drips-the-body": CdnTrouble(drip, "no answer within 0.8 s"),
    "resets": CdnTrouble(reset, "ReadError"),
    "speaks-ssh": CdnTrouble(not_http, "RemoteProtocolError"),
    "500": CdnTrouble(status(500), "the CDN answered HTTP 500"),
    "404": CdnTrouble(status(404), "the CDN answered HTTP 404"),
    "304-out-of-the-blue": CdnTrouble(status(304), "the CDN answered HTTP 304"),
    "redirects": CdnTrouble(redirect(302), "the CDN answered HTTP 302"),
    "html": CdnTrouble(body(b"<html>It works!</html>"), "not valid JSON"),
    "nothing": CdnTrouble(body(b""), "not valid JSON"),
    "not-text": CdnTrouble(body(bytes(range(256))), "not valid JSON"),
    "truncated": CdnTrouble(truncated, "RemoteProtocolError"),
    "half-json": CdnTrouble(half_of_the_json, "not valid JSON"),
    "oversized": CdnTrouble(body(b" " * (MAX_CONFIG + 1)), "larger than 100000 bytes"),
    "endless": CdnTrouble(endless, "larger than 100000 bytes"),
    "gzip-bomb": CdnTrouble(body(BOMB, Content_Encoding="gzip"), "larger than 100000 bytes"),
    "endless-after-gzip": CdnTrouble(endless_after_gzip, "followed by something else"),
    "half-gzip": CdnTrouble(body(BOMB[:20], Content_Encoding="gzip"), "the compressed body is incomplete"),
    "no-gzip": CdnTrouble(body(b"no gzip", Content_Encoding="gzip"), "incorrect header check"),
    "brotli": CdnTrouble(body(b"br", Content_Encoding="br"), "was not asked for"),
    "list": CdnTrouble(body(b"[]"), "not an object"),
    "flags-of-a-wrong-type": CdnTrouble(body(b'{"flags": {"switch": true}}'), "list of flags"),
    "nested": CdnTrouble(body(b'{"flags":' + b"[" * 90_000), "the text ends too early"),
}

trouble_of_each_kind = pytest.mark.parametrize("trouble", TROUBLES.values(), ids=TROUBLES)


def outage_lines(caplog: pytest.LogCaptureFixture) -> tuple[int, int]:
    """How often the beginning and the end of an outage were logged."""
    return len(lines(caplog, "config cannot be fetched")), len(lines(caplog, "config is being fetched again"))


# --- every kind of trouble --------------------------------------------------------------------------------------------


@trouble_of_each_kind
@pytest.mark.usefixtures("quick_retries")
def test_a_start_in_trouble_says_why_and_gets_ready_by_itself(
    face: Face, server: FlagServer, caplog: pytest.LogCaptureFixture, trouble: CdnTrouble
) -> None:
    # Polling is off: what fetches again is nothing but the missing config.
    client = face.client(polling_interval=0, timeout=trouble.timeout, max_config_size=MAX_CONFIG)
    trouble.begin(server)
    result = within(WATCHDOG, lambda: face.on_ready(client, timeout=20))
    assert not result.success
    assert trouble.reason in (result.reason or "")
    assert client.status().last_error == result.reason
    assert client.is_ready is False
    assert client.create_user_context("u") is None
    assert face.flush(client)  # of nothing
    assert server.posts == 0
    trouble.end(server)
    assert face.wait_until(lambda: client.is_ready)
    assert face.wait_until(lambda: client.status().last_error is None)
    assert face.decide(client, "switch") == "on"
    assert face.wait_until(lambda: outage_lines(caplog) == (1, 1))
    assert face.flush(client)
    assert arrived(server) == once_each(["u"])


@trouble_of_each_kind
@pytest.mark.usefixtures("quick_retries")
def test_a_ready_client_decides_as_ever_and_takes_up_the_next_config(
    face: Face, server: FlagServer, caplog: pytest.LogCaptureFixture, trouble: CdnTrouble
) -> None:
    client = face.client(polling_interval=0.05, timeout=trouble.timeout, max_config_size=MAX_CONFIG)
    assert face.on_ready(client).success
    trouble.begin(server)
    if "304" in trouble.reason:
        face.sleep(0.1)  # to a client with a config it says that this one is current, which is no trouble
    else:
        assert face.wait_until(lambda: trouble.reason in (client.status().last_error or ""))
    decided = within(WATCHDOG, lambda: [face.decide(client, "switch", user=f"u{n}") for n in range(1_000)])
    assert decided == ["on"] * 1_000
    tested = [f"tested{n}" for n in range(200)]
    groups = within(WATCHDOG, lambda: [face.decide(client, "exp", user=name) for name in tested])
    assert set(groups) == {"control", "treatment"}
    assert client.status().ready
    assert client.status().version == 1
    server.set_config(config(flag("switch", allocation=whole("off")), version=2))
    trouble.end(server)
    assert face.wait_until(lambda: client.status().version == 2 and client.status().last_error is None)
    assert face.decide(client, "switch") == "off"
    expected = (0, 0) if "304" in trouble.reason else (1, 1)
    assert face.wait_until(lambda: outage_lines(caplog) == expected)
    # The switch is decided by its default allocation, which exposes as the A/B flag does; "u" decided it at the end.
    assert face.flush(client, WATCHDOG)
    assert arrived(server) == once_each(["u", *tested, *[f"u{n}" for n in range(1_000)]])
    assert Counter(event["decisions"].get("exp") for event in server.events if "exp" in event["decisions"]) == Counter(
        groups
    )
    assert client.status().dropped == 0


@pytest.mark.parametrize("fault", [hang, drip_headers, drip], ids=["hangs", "drips-headers", "drips-the-body"])
def test_no_decision_waits_for_a_fetch_that_is_under_way(face: Face, server: FlagServer, fault: Fault) -> None:
    client = face.client(polling_interval=0.02, timeout=60)
    assert face.on_ready(client).success
    begun = len(server.config_requests)
    left = threading.Event()

    def note_the_end(handler: Handler) -> None:
        fault(handler)
        left.set()

    server.config_fault = note_the_end
    assert face.wait_until(lambda: len(server.config_requests) > begun)
    under_way = len(server.config_requests)

    async def on_a_loop() -> list[str]:
        contexts = [client.create_user_context(f"loop{n}") for n in range(500)]
        return [context.variation("switch") for context in contexts if context is not None]

    decided = within(WATCHDOG, lambda: [face.decide(client, "switch", user=f"u{n}") for n in range(500)])
    decided += within(WATCHDOG, lambda: face.run(on_a_loop))
    assert decided == ["on"] * 1_000
    # The one fetch that was under way before the first of them still is.
    assert len(server.config_requests) == under_way
    assert not left.is_set()
    assert client.status().last_error is None
    server.config_fault = None
    server.release.set()  # let it end, so that closing need not wait for it


@pytest.mark.parametrize("fault", [hang, drip_headers, drip], ids=["hangs", "drips-headers", "drips-the-body"])
@pytest.mark.usefixtures("quick_retries")
def test_on_ready_keeps_its_deadline_and_the_client_recovers(face: Face, server: FlagServer, fault: Fault) -> None:
    server.config_faults = [fault]
    client = face.client(polling_interval=0, timeout=0.5)
    result = within(WATCHDOG, lambda: face.on_ready(client, timeout=0.05))
    assert result.reason == "no config within 0.05 s; it is still being tried"
    assert not client.is_ready
    assert face.wait_until(lambda: client.is_ready)
    assert len(server.config_requests) >= 2


@pytest.mark.parametrize(
    ("fault", "opened_by"),
    [(drip_headers, "us"), (drip, "us"), (drip, "the application")],
    ids=["headers-us", "body-us", "body-application"],
)
def test_an_injected_client_is_held_to_the_deadline(
    face: Face, server: FlagServer, fault: Fault, opened_by: str
) -> None:
    """Its own timeout is for each read, and never runs out while a byte comes now and then."""
    sync_client, async_client = httpx.Client(), httpx.AsyncClient()
    on_loop = isinstance(face, AsyncFace)
    injected = {"async_client": async_client} if on_loop else {"sync_client": sync_client}
    # The connection is there already: opened by another client of ours, or by somebody else.
    if opened_by == "us":
        assert face.on_ready(face.client(polling_interval=0, **injected)).success
    elif on_loop:
        face.run(lambda: async_client.get(server.url))
    else:
        sync_client.get(server.url)
    server.config_fault = fault
    client = face.client(timeout=0.5, **injected)
    result = within(WATCHDOG, lambda: face.on_ready(client, timeout=20))
    assert result.reason == "no answer within 0.5 s"
    for each in list(face._clients):
        face.close(each, timeout=0.5)
    sync_client.close()
    face.run(async_client.aclose)


def test_an_injected_client_is_the_applications_own_between_our_requests(server: FlagServer) -> None:
    with httpx.Client(timeout=None) as injected:
        client = SignaKitClient(SDK_KEY, sync_client=injected, polling_interval=0, **server.urls)
        assert client.on_ready_sync().success
        assert injected.get(f"{server.url}/anything").status_code == 200
        client.close()
        assert injected.get(f"{server.url}/anything").status_code == 200
    assert len(server.config_paths) == 3


# --- what is taken over, and what is not ------------------------------------------------------------------------------


@pytest.mark.usefixtures("quick_retries")
def test_the_etag_of_garbage_is_not_sent_at_a_cold_start(face: Face, server: FlagServer) -> None:
    server.config_faults = [body(b"<html>", ETag='"garbage"'), status(304, ETag='"garbage"')]
    client = face.client(polling_interval=0)
    assert not face.on_ready(client).success
    assert face.wait_until(lambda: client.is_ready)
    assert [request.get("if-none-match") for request in server.config_requests] == [None, None, None]
    assert client.status().etag == server.etag


def test_the_etag_of_garbage_is_not_sent_by_a_ready_client(face: Face, server: FlagServer) -> None:
    client = face.client(polling_interval=0)
    assert face.on_ready(client).success
    good = server.etag
    server.config_faults = [body(b"<html>", ETag='"garbage"'), status(304, ETag='"garbage"')]
    assert face.refresh(client) is False
    assert face.refresh(client) is True  # 304 to the good ETag: our config is current
    assert client.status().etag == good
    server.set_config(config(version=2), etag='"next"')
    assert face.refresh(client) is True
    assert client.status().version == 2
    assert face.refresh(client) is True
    sent = [request.get("if-none-match") for request in server.config_requests]
    assert sent == [None, good, good, good, '"next"']


def test_a_config_without_an_etag_clears_the_one_before(face: Face, server: FlagServer) -> None:
    client = face.client(polling_interval=0)
    assert face.on_ready(client).success
    server.config_faults = [body(server.config_body)]
    assert face.refresh(client)
    assert client.status().etag is None
    assert face.refresh(client)
    assert "if-none-match" not in server.config_requests[2]


@pytest.mark.parametrize("etag", ['"caf\u00e9"', f'"{"x" * 5_000}"', ""], ids=["latin-1", "long", "empty"])
def test_an_etag_that_cannot_be_sent_back_is_not_kept(face: Face, server: FlagServer, etag: str) -> None:
    server.config_faults = [body(server.config_body, ETag=etag)]
    client = face.client(polling_interval=0)
    assert face.on_ready(client).success
    assert client.status().etag is None
    assert face.refresh(client) is True
    assert [request.get("if-none-match") for request in server.config_requests] == [None, None]


def test_flags_of_wrong_types_are_left_out_and_the_rest_load(
    face: Face, server: FlagServer, caplog: pytest.LogCaptureFixture
) -> None:
    broken = [
        17,
        None,
        [],
        {},
        flag("key") | {"key": 5},
        flag("salt", salt=None),
        flag("allocation", allocation="all"),
        flag("ranges", allocation={"ranges": {"variation": "on"}}),
        flag("range", allocation={"ranges": [{"variation": "on", "start": "0", "end": "9999"}]}),
        flag("running", running="yes"),
        flag("status", status=1),
        flag("variations", variations="on"),
        flag("rules", rules={"r": 1}),
        flag("traffic", rule(traffic="half")),  # type: ignore[arg-type]  # what this test is about
        flag("audiences", rule(audiences=[{"conditions": [{"attribute": 1, "operator": "in"}]}])),
        flag("allowlist", rule(allowlist=["u1"])),
    ]
    server.set_config(config(*broken, flag("switch", allocation=whole("on")), version="seven"))
    client = face.client(polling_interval=0)
    assert face.on_ready(client).success
    context = client.create_user_context("u")
    assert context is not None
    assert list(context.decide_all()) == ["switch"]
    assert context.variation("switch") == "on"
    assert client.status().version is None
    assert len(lines(caplog, "skipped")) == len(broken)


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(face: Face, server: FlagServer, code: int) -> None:
    client = face.client(polling_interval=0)
    assert face.on_ready(client).success
    server.config_fault = redirect(code)
    assert face.refresh(client) is False
    assert client.status().last_error == f"the CDN answered HTTP {code}"
    assert set(server.config_paths) == {"/configs/org1/1234/development/latest.json"}


def test_a_redirect_is_not_followed_by_an_injected_client_that_would(face: Face, server: FlagServer) -> None:
    server.config_fault = redirect(302)
    sync_client = httpx.Client(follow_redirects=True)
    async_client = httpx.AsyncClient(follow_redirects=True)
    injected = {"async_client": async_client} if isinstance(face, AsyncFace) else {"sync_client": sync_client}
    client = face.client(**injected)
    assert face.on_ready(client).reason == "the CDN answered HTTP 302"
    face.close(client)
    assert set(server.config_paths) == {"/configs/org1/1234/development/latest.json"}
    sync_client.close()
    face.run(async_client.aclose)


# --- bounded memory ---------------------------------------------------------------------------------------------------

HOSTILE: dict[str, Callable[[], Fault]] = {
    "gzip-bomb": lambda: body(BOMB, Content_Encoding="gzip"),
    "endless": lambda: endless,
    "endless-after-gzip": lambda: endless_after_gzip,
}


@pytest.mark.parametrize("fault", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_body_takes_little_memory(face: Face, server: FlagServer, fault: Callable[[], Fault]) -> None:
    """4 MB that expand to 4 GB, or a body without an end, against a limit of 1 MB."""
    client = face.client(polling_interval=0, max_config_size=1_000_000, timeout=20)
    assert face.on_ready(client).success  # what is imported and allocated once is there by now
    server.config_fault = fault()
    tracemalloc.start()
    try:
        assert within(60, lambda: face.refresh(client)) is False
        _now, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8_000_000
    # The connection was given up: what has left the server is what fits into the buffers of two sockets.
    assert server.written < 50_000_000
    server.config_fault = None
    assert face.refresh(client) is True


# --- many callers -----------------------------------------------------------------------------------------------------


def test_a_hundred_threads_share_one_slow_first_fetch(face: Face, server: FlagServer) -> None:
    gate = threading.Event()

    def slow(handler: Handler) -> None:
        gate.wait(WATCHDOG)
        handler.answer(200, server.config_body, ETag=server.etag or "")

    server.config_fault = slow
    client = face.client(polling_interval=0, timeout=60)
    with ThreadPoolExecutor(100) as pool:
        patient = [pool.submit(face.on_ready, client, 25.0) for _ in range(50)]
        hasty = [pool.submit(face.on_ready, client, 0.2) for _ in range(50)]
        # The server answers only after those with a short deadline have got their answer.
        reasons = {future.result(WATCHDOG).reason for future in hasty}
        assert client.create_user_context("u") is None
        done_early = [future.done() for future in patient]
        gate.set()
        results = [future.result(WATCHDOG) for future in patient]
    assert reasons == {"no config within 0.2 s; it is still being tried"}
    assert done_early == [False] * 50
    assert [result.success for result in results] == [True] * 50
    assert len(server.config_requests) == 1
    assert face.decide(client, "switch") == "on"


# --- when it is tried again -------------------------------------------------------------------------------------------


def test_the_waits_between_attempts_grow(face: Face, server: FlagServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("signakit_flags._runtime.backoff.FIRST_BACKOFF", 0.04)
    came: list[float] = []
    server.config_faults = [noting(came, status(503)) for _ in range(5)]
    client = face.client(polling_interval=0.001)
    assert not face.on_ready(client).success
    assert face.wait_until(lambda: client.is_ready)
    gaps = [after - before for before, after in pairwise(came)]
    # Each wait is at least half of 40, 80, 160, 320 ms; that none is longer than the whole, nobody can promise.
    assert [gap >= 0.02 * 2**number for number, gap in enumerate(gaps)] == [True] * 4


def test_waits_double_up_to_half_a_minute_with_jitter_and_begin_anew_after_a_success() -> None:
    series = [Backoff() for _ in range(200)]
    for attempt in range(12):
        waits = [backoff.next() for backoff in series]
        longest = min(30.0, 0.5 * 2**attempt)
        assert all(longest / 2 <= wait <= longest for wait in waits)
        assert len(set(waits)) > 100
    series[0].reset()
    assert series[0].next() <= 0.5


@pytest.mark.parametrize(("form", "code"), [("seconds", 503), ("date", 429)])
@pytest.mark.usefixtures("quick_retries")
def test_retry_after_is_honoured(face: Face, server: FlagServer, form: str, code: int) -> None:
    came: list[float] = []

    def busy(handler: Handler) -> None:
        # A date has whole seconds, so of two of them at least one is left.
        date = format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True)
        handler.answer(code, Retry_After="1" if form == "seconds" else date)

    def usual(handler: Handler) -> None:
        handler.answer(200, server.config_body)

    server.config_faults = [noting(came, busy), noting(came, usual)]
    client = face.client(polling_interval=0)
    assert not face.on_ready(client).success
    assert face.wait_until(lambda: client.is_ready)
    assert len(came) == 2
    assert came[1] - came[0] >= 0.95


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        (" 120 ", 120.0),
        ("9" * 400, 3_600.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 3_600.0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("\u0663", None),
        ("", None),
        (None, None),
    ],
)
def test_a_retry_after_is_read_in_both_forms_and_bounded(value: str | None, seconds: float | None) -> None:
    assert parse_retry_after(value) == seconds
    if seconds is not None:
        assert Backoff().next(Response(503, retry_after=value)) >= seconds


# --- outages ----------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("quick_retries")
def test_each_outage_is_said_once_at_its_beginning_and_once_at_its_end(
    face: Face, server: FlagServer, caplog: pytest.LogCaptureFixture
) -> None:
    client = face.client(polling_interval=0.02, timeout=20)
    assert face.on_ready(client).success
    for number in (1, 2):
        asked = len(server.config_requests)
        server.config_fault = status(500)
        assert face.wait_until(lambda asked=asked: len(server.config_requests) >= asked + 3)  # type: ignore[misc]
        server.down()
        server.config_fault = None
        assert face.wait_until(lambda: "Connect" in (client.status().last_error or ""))
        assert outage_lines(caplog) == (number, number - 1)
        server.set_config(config(version=number + 1))
        server.up()
        assert face.wait_until(lambda number=number: client.status().version == number + 1)  # type: ignore[misc]
        assert face.wait_until(lambda number=number: outage_lines(caplog) == (number, number))  # type: ignore[misc]
    assert SDK_KEY not in caplog.text


def test_a_dripping_cdn_does_not_hold_up_the_events(face: Face, server: FlagServer) -> None:
    client = face.client(polling_interval=0.02, timeout=60)
    assert face.on_ready(client).success
    server.config_fault = drip_headers
    asked = len(server.config_requests)
    assert face.wait_until(lambda: len(server.config_requests) > asked)
    for number in range(50):
        face.decide(client, "exp", user=f"u{number}")
    assert face.flush(client)
    assert sorted(event["userId"] for event in server.events) == sorted(f"u{number}" for number in range(50))


def test_nothing_is_fetched_before_it_is_asked_for(server: FlagServer) -> None:
    client = SignaKitClient(SDK_KEY, polling_interval=0.01, **server.urls)
    assert client.create_user_context("u") is None
    assert not wait_until(lambda: bool(server.config_requests), timeout=0.1)
    client.close()
